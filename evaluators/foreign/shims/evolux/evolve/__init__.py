"""Stands in for evolux.evolve."""
