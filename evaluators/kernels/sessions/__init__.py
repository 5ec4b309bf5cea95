"""Sessions: what a program meets in each, alike whether it is checked or timed, and what their times say.

clocks   what is read of a sample, how long samples last, and one round's times
course   what all sessions of a judge at some shapes share
session  the one kind of session
timing   how long a kernel takes beside its baseline
"""
