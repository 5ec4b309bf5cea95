"""What can be asked of finished runs: comparison on paired seeds, statistics, distillation, purging.

comparison    paired comparison of two configurations
distillation  distillation: the smallest program that still does what a good one does
diversity     how many different programs some programs amount to
purging       a program that proved to be a cheat taken out, with all that came of it
statistics    statistics of paired runs
"""
