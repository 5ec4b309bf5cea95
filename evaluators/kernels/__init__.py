"""Performance kernels: declared by a task, run frozen and unseen, timed in pairs against a strong baseline."""
