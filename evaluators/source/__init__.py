"""The text of a problem: its files, what they import, and how they become modules.

files    the text of a problem, once it is read, and what can be wrong with it
imports  what a module of a problem imports, and how its siblings are named
modules  how a problem's module is imported, and which half of it may live beside a program
"""
