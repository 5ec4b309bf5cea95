"""The bench: a process that compiles kernels, forks locked children for them, wakes, times and freezes them.

child        what a kernel's child does once it is locked
client       the judge's handle of a bench process
compiler     compiling inside the sandbox
interpreter  triton without a GPU
mapping      shared memory as a child sees it: one region per buffer, between pages that cannot be touched
profiler     where a kernel spends its instructions
recorder     what a program in Triton launches, as data
server       the bench process
tensors      what a program in Triton may ask of the tensors that it is given
warmth       what a bench has ready before it forks: libraries, sources of the recorder
"""
