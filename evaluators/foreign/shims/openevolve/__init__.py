"""Stands in for OpenEvolve where evaluators run."""
