"""Problem folders of OpenEvolve, ShinkaEvolve and LoongFlow, read as problems of ours without changing a file.

    layout     which files of a folder play which part; None where it is no such folder
    settings   what the folder's own configuration says: the task, the time limit, thresholds, feature dimensions
    needs      what its Python files import, and what of that is missing here
    generate   the problem module that is made of all this; nothing of the folder is executed by it
    runtime    in the sandbox: writes the folder into the scratch folder and calls the evaluator as its own system does
    pools      in the sandbox: pools of threads in the place of pools of processes
    readout    on the trusted side: what the evaluator said, as metrics
    shims      modules that stand in for what evaluators import from their own system

In these formats evaluator and program share one process, so a program can forge its score. Such problems are
marked `SELF_SCORED`, and so is every evaluation of theirs.
"""
