"""Mathematical constructions, heuristics and learning rules."""
