"""Runs behind an HTTP API, and their page.

answers     the forms of the service's answers: JSON in which every number is finite, and refusals of one shape
app         the HTTP service: runs created, watched, steered, resumed and fetched
guard       who may call the service, and with what
hosted_run  one run of a service: its folder, its session in a thread of its own, and what is told of it
hosting     any number of runs in one process
messages    what the service takes and answers, as pydantic models
reading     what the service tells of runs: the page, its data, programs, differences, archives, the report, the lineage
runs        what the service's doors need of runs, whoever holds them
sockets     where the service listens, and how long it waits for a caller
watching    runs that another process works on, or nobody: read from their folders
"""
