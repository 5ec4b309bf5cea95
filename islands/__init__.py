"""How a population lives: program ids, fitnesses and measures; nothing of code, git or models.

Fitness is always larger-is-better; the direction of a problem's score is turned before it comes here.

Exceptions:
    IslandsError(ValueError)    an argument breaks a rule of this package; the message names the remedy
"""

from __future__ import annotations


class IslandsError(ValueError):
    """An argument breaks a rule of the population: the message names it, its value and the remedy."""
