"""What a child puts on before the program's first line: Landlock, seccomp, namespaces, rights.

elf            which shared libraries a binary asks for
kernel         system calls that Python does not offer, by number and through the C library
landlock       which files a program may reach: a Landlock ruleset, built once and entered by every child
lock           the locks that a child puts on itself between the fork and the program's first line
memory         how much memory this process has mapped, found out without /proc
namespaces     tier 2: namespaces
private_files  a file system of a zygote's own
seccomp        the system calls that a program may make
"""
