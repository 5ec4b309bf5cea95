"""Performance kernels: declared by a task, run frozen and unseen, timed in pairs against a strong baseline.

arena        the shared memory of one child
backends     how programs of each language are made ready
bench        the process that compiles kernels and runs them in locked children
correctness  whether a kernel is right
device       a GPU that kernels can be timed on, as the judge is handed it; None where there is none
feedback     what the next author of a kernel is told: what the compiler minds, cut to what helps
gpu          a real GPU behind `Stand`
hotspots     where a kernel in C spends its instructions, line by line, for the next prompt
judge        the judge of kernels: correct first, then timed beside the baseline
kernelbench  KernelBench-style tasks, judged by the judge of kernels
lease        one timing at a time on a host: a lock on a file that every judge of this machine opens
places       where the programs and the baseline of one kernel problem run
roofline     what this machine can do at most
rules        what a program must not mention, where the task is to write it from scratch
runner       one child that runs one kernel
sessions     what a program meets in each session, and what its times say
stand        where kernels run, as the one who judges them sees it: a bench on the processor, or a GPU
statistics   how much faster one program is than another: a paired estimate that noise can only lower
task         the former home of evaluators.kernel_task, which problems of yesterday import
testing      a GPU that is none: a `Stand` whose programs do as a script says, at times that a script says
tolerance    whether an output is right
withheld     programs that are right but cannot be timed on this machine
"""
