"""The operator `agent`: a coding agent of the command line changes the program in a jail, and has it judged on the way.

adapters  how known agents are started, and what they are told of the model's address
commands  the commands `evaluate` and `history` in the jail, and what stands behind them
formats   requests of agents in the formats of OpenAI, Anthropic and Gemini: what they may ask for, and what they cost
gateway   the way out of a jail: an HTTP server on a door of its own
inside    the commands `evaluate` and `history` themselves, as they run in the jail
log       the lines of a transcript
operator  the operator itself
proxy     passes an agent's requests on to its model, with the key, which the agent never sees, and counts them
react     the operator `react`: a light agent of our own, by questions and replies alone
"""
