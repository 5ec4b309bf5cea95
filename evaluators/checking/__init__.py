"""What is wrong with a problem, told to its author."""
