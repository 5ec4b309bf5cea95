"""What a run keeps on disk: journal, folder, requests.

exams       what a journal says of programs on held-out cases
files       names that outlive a loss of power: a new or renamed file is on the disk once its folder is
git         the run's git repository: commits, fast-import, lineage, history
index       an index beside the journal
indexing    how the index of a journal (index.py) is made and kept up
journal     the journal: append-only JSON lines, the only truth a run is resumed from
open_calls  the model calls of jobs under way, in a file beside the journal
purged      the journal as it counts now
requests    what a person asks of a run while it works
run_folder  the run folder
secret      the secret of a run
"""
