"""One child from parents and context: the operators.

agent        `agent` and `react`: a coding agent in a jail, and a light one of our own
ask          the operator `ask`
c            programs in C, C++, CUDA and Rust: syntax, constants, loops, and moves that need no model
chat         what the operators that ask a model share
cherry_pick  `cherry_pick`
crossover    the operator `crossover`: a model makes one program of two
diff         the operator `diff`: a model changes one parent
perturb      `perturb`
plan         the operator `plan` in its three steps, plan, execute and summarize (LoongFlow, arXiv:2512.24077)
prune        `prune`
registry     the operators by name
repair       the operator `repair`: a model mends a program that failed
rewrite      the operator `rewrite`: a model changes one parent
splice       `splice`
tune         `tune`: a parent with other numbers in place of its constants
"""
