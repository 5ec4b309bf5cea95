"""What a child puts on before the program's first line: Landlock, seccomp, namespaces, rights."""
