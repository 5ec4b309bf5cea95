"""How programs of each language are made ready: one interface, and a word for what a machine lacks.

base    what the judge asks of a language
c       c through gcc, compiled in a locked child
python  python: NumPy, Numba where it is installed
triton  programs in Triton
"""
