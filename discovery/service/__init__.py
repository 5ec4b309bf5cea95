"""Runs behind an HTTP API.

app         the HTTP service: runs created, watched, stopped, resumed and fetched over JSON
hosted_run  one run of a service: its folder, its session in a thread of its own, and what is told of it
hosting     any number of runs in one process
messages    what the service takes and answers, as pydantic models
"""
