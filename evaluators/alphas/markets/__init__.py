"""Panels of prices: read, made up, split in time, labelled."""
