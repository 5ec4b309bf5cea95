"""Programs in Python: syntax and constants."""
