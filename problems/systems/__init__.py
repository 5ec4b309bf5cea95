"""Policies of computer systems: placement, scheduling, caching and buying, judged on fresh workloads against a proven bound."""
