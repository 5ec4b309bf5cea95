"""Runs behind an HTTP API."""
