"""The text of a program: what may change in it, syntax trees, tokens, measures."""
