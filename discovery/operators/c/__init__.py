"""Programs in C: syntax, constants, loops, and moves that need no model."""
