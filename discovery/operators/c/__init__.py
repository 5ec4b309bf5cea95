"""Programs in C, C++, CUDA and Rust: syntax, constants, loops, and moves that need no model.

loops    rearrangements of loops in C, C++ and CUDA (`interchange` also in Rust)
perturb  how `perturb` changes a program in C (or C++, CUDA, Rust) a little
prune    how `prune` makes a program in C (or C++, CUDA, Rust) smaller
splice   how `splice` puts a piece of a program in C (or C++, CUDA, Rust) into another
"""
