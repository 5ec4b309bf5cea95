"""A real GPU behind `Stand`: kernels and launches as data, made by processes of ours. It has never met a GPU.

backend   a `Stand` on a real GPU
driver    the few calls of CUDA's driver API that launching needs, through ctypes
launches  what a program launches on a GPU, read from what its recorder said
process   the process that holds a context on the GPU and makes one program's calls
"""
