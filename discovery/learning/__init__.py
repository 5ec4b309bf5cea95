"""What is learned during a run, as a fold of its journal: line effects, screening, tuning, repeated measurement, the bandit."""
