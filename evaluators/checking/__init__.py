"""What is wrong with a problem, told to its author.

cases     checks on a problem's cases: that they repeat, are plain data, and give nothing away
check     what is wrong with a problem, told to its author before a run pays for it
findings  what `check` found: one finding each, with its level and its remedy
kernels   what is wrong with a kernel task
probes    programs and outputs that a sound problem must not reward: what `check` tries on it
score     checks on a problem's scorer and oracle
stash     what a program can keep from one call for another: tried with the seed
"""
