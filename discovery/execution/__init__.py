"""The shell round the search: executors, jobs, workers, and the session that carries a run through.

bench       has programs judged for operators at work, on this machine
broker      what an executor and its workers agree on
celery      the one door to Celery and Redis
embedded    where jobs run. `EmbeddedExecutor` is the default
ending      how a run ends: what it still waits for, and for how long
jobs        the two things a worker does, as plain functions of plain data; executors decide where they run
judges      judge processes kept warm: made once per problem and secret, lent to one caller at a time
population  the archives of a run, as its index tells them
proposer    a process that asks models, reads their replies, edits and fingerprints programs
proposers   the coordinator's side of its proposers
remote      an executor that hands jobs to the workers of a broker (what these do: worker.py
runs        runs on the disk
session     the shell round the coordinator
wire        jobs and events as JSON, for workers in other processes
worker      what a worker does with a job from a queue
"""
