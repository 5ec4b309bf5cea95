"""How a population lives: archives, selection, migration. Knows nothing of code, git or models."""
