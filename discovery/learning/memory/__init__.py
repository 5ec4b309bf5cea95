"""What was learned, kept as short items with evidence, across programs and runs.

items.py      one item: a text, where it comes from, what came of showing it
retrieval.py  which items to show: by learned value among those that fit
playbook.py   the items of a run: evidence in, merged batch by batch; advice out
store.py      items as a file, for other runs

starts  which program a question to a model starts from, by what the program's children brought (EvoKernel
"""
