"""Questions to models: what is told of the search, how it is quoted, and the words around it."""
