"""Sessions: what a program meets in each, alike whether it is checked or timed, and what their times say."""
