"""The Python API: what `import discovery` offers. Everything that others may use is named in `discovery.__all__`.

events    what happens to a run, told one thing after the other
launch    how a run is begun, and gone on with: the same steps for Python and for the command line
pages     how a run looks in a notebook
problems  a problem from a first program and a function that scores what programs return
programs  the programs of a run as a sequence
runs      a run in Python: what it found, and a hand on it while it works
search    the functions that begin: search, open, evaluate, study
study     ask and tell: a run whose children come from whoever drives it
travel    the text of a function that runs the same elsewhere
"""
