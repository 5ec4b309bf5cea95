"""Panels of prices: read, made up, split in time, labelled.

ingest     from files and frames to a checked panel
labels     what a factor is asked to predict, and which names count: the conventions behind every number
panel      a panel
splits     which days may be seen when: train, purge, validation, embargo, and a test that is opened once
synthetic  a synthetic market whose alphas are known: the panel that the judge itself is tested on
world      a panel prepared for an exam: what programs are shown of it, and what they are measured by
"""
