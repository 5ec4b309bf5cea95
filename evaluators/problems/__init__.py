"""A problem read from disk: its source, its declaration, its halves, its bundle."""
