"""Questions to models: what is told of the search, how it is quoted, and the words around it.

attempts        the past in a prompt: the ledger of what was tried and what came of it
genealogy       who descends from whom, how each did, and what was said of it
plan_questions  the questions of plan-execute-summarize (LoongFlow, arXiv:2512.24077)
question        prompts
quoting         how foreign text stands in a prompt
results         results by group or case, against the parent and the best; what was used of the limits
tasks           what a question asks for, by where the program stands
"""
