"""Prefix caching by greedy groups, after GGR of Liu et al. (arXiv 2403.05821), with every column considered each time.

The text that saves most (its tokens and those of the columns that follow from it, times its rows but one) comes first
in the rows that have it; those are arranged among themselves without these columns, and the other rows after them.
"""

PROGRAM = """
import numpy as np


def arrange(table):
    lengths, texts = table["lengths"], table["texts"]
    rows, columns = texts.shape
    order = np.tile(np.arange(columns), (rows, 1))
    asked = []
    stack = [(np.arange(rows), (), tuple(range(columns)))]
    while stack:
        here, before, left = stack.pop()
        found = best_group(lengths, texts, here, left) if len(here) > 1 else None
        if found is None:
            rest = list(left)
            keys = [texts[here, column] for column in rest[::-1]]
            here = here[np.lexsort(keys)] if keys and len(here) > 1 else here
            order[here] = np.array([*before, *rest])
            asked.extend(here.tolist())
            continue
        inside, taken = found
        outside = np.setdiff1d(here, inside)
        if len(outside):
            stack.append((outside, before, left))
        stack.append((inside, (*before, *taken), tuple(column for column in left if column not in taken)))
    return {"rows": np.array(asked), "columns": order}


def best_group(lengths, texts, here, left):
    best, most = None, 0
    for column in left:
        found, inverse, counts = np.unique(texts[here, column], return_inverse=True, return_counts=True)
        size = np.zeros(len(found))
        size[inverse] = lengths[here, column]
        for number in np.argsort(-size * (counts - 1))[:3]:
            if counts[number] < 2:
                continue
            inside = here[inverse == number]
            follow = [c for c in left if c != column and (texts[inside, c] == texts[inside[0], c]).all()]
            taken = [column, *follow]
            saved = lengths[inside[0], taken].sum() * (counts[number] - 1)
            if saved > most:
                best, most = (inside, taken), saved
    return best
"""
