"""A problem read from disk: its source, its declaration, its halves, its bundle.

describe   what a problem says of itself, learned without executing any of it in this process
improving  A problem turned into the search for programs that improve on the best output so far
loading    A problem: a Python module that states what to solve, loaded and checked

bundle       a problem's files as one piece of data, for machines without a shared disk
declaration  what a problem's module declares: each name read under its rule
problem      a loaded and checked problem, and how another process loads the same one
source       where a problem's source is found, and what belongs to it
"""
