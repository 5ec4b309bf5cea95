"""What can be done to the text of a program: edits, rewrites, fingerprints, near-duplicates.

carry_over       a change of one program made in another, line by line
children         what an operator makes of a program
constants        the numeric constants of a program that mathematics may tune, and how to replace them
fingerprint      the fingerprint of a program
indentation      how the indentation of a reply becomes that of the program
languages        what the search must know of each language
line_diff        line-by-line differences of foreign texts, with a bound on the work
near_duplicates  near-duplicates: programs of almost the same code, known by sketches of their tokens
replies          what of a model's reply is the answer
rewrites         programs that a model wrote as a whole
search_replace   edits of a program that a model wrote as SEARCH/REPLACE blocks
static_checks    what can be told of a program's fate without running it
unified_diff     edits of a program that a model wrote as a unified diff
"""
