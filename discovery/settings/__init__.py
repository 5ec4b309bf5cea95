"""Every setting of a run: name, type, range, default and help."""
