"""Languages: what the search must know of each to read programs in it, found by the ending of a file."""
