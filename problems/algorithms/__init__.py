"""Heuristics, policies and learning rules, judged on instances that are drawn anew."""
