"""Guests: what single families of problems add, registered by the seam that any package can use.

alphas  alpha mining
"""
