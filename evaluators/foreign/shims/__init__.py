"""Modules that stand in, inside the sandbox, for what evaluators import from their own system.

They are written into the scratch folder beside the evaluator, so that processes which it starts find them, too;
hence they import nothing of ours. Of each system there is what evaluators use; the rest of it is not there.
"""
