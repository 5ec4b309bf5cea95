"""Models: the client, its settings and prices, token counts.

client    the door to chat models: any model that litellm reaches, behind the one method of `Model`
estimate  what the calls of a run may cost, before the first one
faults    what a failed call to a model means
local     a real model on this machine, without a key
meter     the paid calls of one job, counted where they are made
tokens    an estimate of how many tokens a text costs, without any tokenizer
"""
