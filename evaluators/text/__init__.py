"""The text of a program: what may change in it, syntax trees, tokens, measures.

blocks    which parts of a program may change, and whether a child kept the rest
comments  where the comments of a text begin, in the languages whose comments are known
grammars  texts in C, C++, CUDA and Rust as tokens and nested statements: the one door of tree-sitter
measures  measures of a program's text
trees     syntax trees of texts, one thread at a time
"""
