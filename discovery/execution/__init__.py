"""The shell round the search: executors, jobs, workers, and the session that carries a run through."""
