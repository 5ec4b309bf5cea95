"""What can be done to the text of a program: edits, rewrites, fingerprints, near-duplicates."""
