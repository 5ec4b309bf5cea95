"""The Python API: what `import discovery` offers. Everything that others may use is named in `discovery.__all__`."""
