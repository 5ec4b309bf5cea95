"""A real GPU behind `Stand`: kernels and launches as data, made by processes of ours. It has never met a GPU."""
