"""Stands in for LoongFlow's framework where evaluators run."""
