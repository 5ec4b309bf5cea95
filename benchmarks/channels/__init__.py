"""A meter of the ways in which one program can tell another something (docs/trust.md)."""
