"""Strong baselines without any language model, one module per problem, in the families of the problems.

    python -m benchmarks.baselines circles_in_rectangle --seconds 60

Each module has `solve(case, seconds, rng)`, which returns an output as the problem's program would (scipy
is allowed here), or `PROGRAM`, the text of a program that is run instead of the seed. The score is the
problem's own.
"""
