"""Programs in C, C++, CUDA and Rust: syntax, constants, loops, and moves that need no model."""
