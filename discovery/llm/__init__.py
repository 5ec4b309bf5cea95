"""Models: the client, its settings and prices, token counts.

answers    what an endpoint's answer says: text, reasoning, tokens
chat       chats with endpoints that speak the OpenAI format, over HTTP
client     the models of a run behind the one method of `Model`
estimate   what the calls of a run may cost, before the first one
faults     what a failed call to a model means
local      a real model on this machine, without a key
meter      the paid calls of one job, counted where they are made
prices     what tokens cost and how many a model takes, by litellm's list
providers  the one door to litellm
quirks     what an endpoint does not take, learned from its refusals
routes     how each model is reached: at which address, with which key
tokens     an estimate of how many tokens a text costs, without any tokenizer
upstream   where the requests of an agent go on: an endpoint's address and key
"""
