"""The facts of a run, drawn once: the report."""
