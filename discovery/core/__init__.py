"""The words that every room uses: operator and proposal types, records, events, budget, errors, clock.

allowance    what an operator that works for a while may use, and what it hears of its programs
budget       budgets of a run, and the ledger of what was spent. Both survive a resume
choices      what can be chosen for a decision, and who chooses
clock        the time of day for lengths
errors       the exceptions a person may meet at the command line
events       what happens to a run (events) and what the coordinator asks for (instructions)
experiments  the seam for operators that have programs judged while they work
gains        what a child gained, on a scale that does not know the problem's unit
held_out     what held-out cases say of a program, and whether visible scores rank programs as held-out scores do
plugins      operators, languages, report pages, verdicts, commands and stop rules by name, of any package
population   what parts that learn may see of a run's state: who lives in its archives, and their programs
records      what a run remembers of each evaluated program, and of itself: plain records, JSON both ways
redaction    secrets taken out of messages
requests     what a person asks of a run while it works
results      what the learning parts of a run are told
stopping     rules that end a run before its budget is used up, of any package
texts        foreign text made safe to show: on a terminal, in a commit message, in a page
threads      one thread for every library that would take one per processor
types        the operator seam: an operator turns parents and context into one child
verdicts     what a family of problems has to say of a program beyond its score
"""
