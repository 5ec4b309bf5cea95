"""Running a program on the cases of a problem and scoring what it returned, in processes of their own.

alarm     a time limit for trusted code, by a timer signal
breakdown  the metrics of an evaluation case by case and group by group, small enough to be kept
equality  whether two values hold the same data
exam_limits  the limits of held-out cases, in proportion to how much more they ask for
judge     the process that draws cases, hands them to programs and scores the outputs
kept      what is kept of outputs and of oracles with an evaluation
scoring   scores an output again without the program that gave it, in a process of its own with limits
"""
