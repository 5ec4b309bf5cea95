"""How programs of each language are made ready: one interface, and a word for what a machine lacks."""
