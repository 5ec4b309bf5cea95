"""The run's git repository: commits, fast-import, lineage, history."""
