"""What is learned during a run, as a fold of its journal: line effects, screening, tuning, repeated measurement, the bandit.

bandit           which model to ask, by what each one gained for its cost
fillers          whether operators without a model are worth the CPU time that would be idle
instructions     instructions that models write for each other
line_effects     what the lines of a program have gone along with, weighed over many programs
memory           what was learned, kept as short items with evidence, across programs and runs
near_duplicates  refuses near-duplicates of elites and of recent failures
novelty          novelty as an axis of the archive
pace             how long evaluations and calls take of late, and what may begin
patches          changes by models that made a program better
repeats          scores that vary: a program that would displace another is measured again before it does
screening        children that are not worth an evaluation, told by what others gained
tuning           sessions of CMA-ES over the constants of elites
"""
