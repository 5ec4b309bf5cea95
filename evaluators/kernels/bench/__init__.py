"""The bench: a process that compiles kernels, forks locked children for them, wakes, times and freezes them."""
