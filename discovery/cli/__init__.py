"""The commands, by subject; each module is loaded only when one of its commands is called.

agents      `discovery mcp`
client      `discovery submit`, `list`, `status`, `stop` and `fetch`: the service's client
compare     `discovery compare`
completion  `discovery completion`: commands, options and their values completed by the shell
conversion  from a folder of another system to the beginnings of a problem whose score no program can forge
distil      `discovery distil`: the smallest program that still does what the best one does
doctor      `discovery doctor`
foreign     `discovery convert`: from another system's problem folder to a problem of ours
history     `discovery best`, `log`, `show`, `diff` and `report`: what a run did, read from its lineage
learned     `discovery memory` and `discovery purge`
main        the command line
model       `discovery model`: models that run on this machine
options     the options of a command, made from the settings
pipes       pipes whose reader has read enough: `discovery log RUN | head -1` is no fault
problems    `discovery evaluate`, `check`, `new`, `verify` and `doctor`
progress    what a person sees while a run works: one live line on a terminal, plain lines elsewhere
scaffold    a new problem to start from
search      `discovery run` and `discovery resume`
service     `discovery worker` and `discovery serve`
steer       `discovery inject`, `hint`, `pause` and `budget`
"""
