"""Performance kernels: the same result, faster than a strong baseline."""
