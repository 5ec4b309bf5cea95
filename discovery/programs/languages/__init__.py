"""Languages: what the search must know of each to read programs in it, found by the ending of a file.

language           what is known of a language, and which language a file is in
python             python, by its own `ast`; see `Language`
python_numbers     the numbers of a Python text that mathematics may tune
python_syntax      python programs as trees over their text
statement_numbers  the numbers of a C, C++, CUDA or Rust text that mathematics may tune
statements         programs in C, C++, CUDA and Rust as statements over their text
structured         C, C++, CUDA and Rust: languages of which tree-sitter has a grammar; see `Language`
text               languages that are known by name only
"""
