"""Discover better programs: coordination, operators, models, lineage, command line."""
