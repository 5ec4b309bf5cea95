"""Stands in for ShinkaEvolve where evaluators run."""
