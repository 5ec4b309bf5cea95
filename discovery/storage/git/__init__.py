"""The run's git repository: commits, fast-import, lineage, history.

commits      what one record becomes in git: files, message, object ids. Pure: no git is run here
fast_import  records written into git
history      the lineage read: what a run tried, what became of it, where the best came from
lineage      every program as a commit, its parents the programs that it came of
paths        program paths that a git tree can hold
repository   the door to git
"""
