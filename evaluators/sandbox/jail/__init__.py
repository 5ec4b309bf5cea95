"""A jail for a whole command: a program of this machine that edits files, starts others, and asks us over two sockets.

A jail is for tools that a person chose and that read foreign text (coding agents), where a sandbox is for foreign programs.
It has namespaces of its own or does not open: there is no weaker jail.

filters  the system calls that a jailed command is refused
inside   what the jail's first processes do: namespaces, walls, two listening sockets, then the command
jail     the side that opens a jail, hands files in, and takes out what became of them
walls    the jail's file system: what it holds of the machine, read-only, and its three writable folders
"""
