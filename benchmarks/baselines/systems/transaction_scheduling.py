"""Transaction scheduling: the transaction that lengthens the schedule least comes next, then moves of one or two.

The greedy rule is that of Cheng et al. (VLDB 2024), over all that are left instead of a sample; of those that lengthen
it equally, the one with most writes. Then single transactions are moved to other places as long as there is time.
"""

PROGRAM = """
import time

import numpy as np


def order(transactions):
    end = time.process_time() + 3.5
    rng = np.random.default_rng(0)
    best = greedy(transactions)
    least = worth(transactions, best)
    while time.process_time() < end:
        changed = list(best)
        moved = changed.pop(rng.integers(len(changed)))
        changed.insert(rng.integers(len(changed) + 1), moved)
        if rng.random() < 0.3:
            moved = changed.pop(rng.integers(len(changed)))
            changed.insert(rng.integers(len(changed) + 1), moved)
        value = worth(transactions, changed)
        if value <= least:
            best, least = changed, value
    return best


def greedy(transactions):
    touched, written, chosen, left, last = {}, {}, [], set(range(len(transactions))), 0
    writes = [sum(write for _, write in accesses) for accesses in transactions]
    while left:
        found = []
        for number in left:
            at = begin(transactions[number], touched, written)
            found.append((max(last, at + len(transactions[number])), -writes[number], at, number))
        last, _, at, number = min(found)
        place(transactions[number], at, touched, written)
        left.remove(number)
        chosen.append(number)
    return chosen


def begin(accesses, touched, written):
    at = 0
    for offset, (key, write) in enumerate(accesses):
        if key >= 0:
            after = (touched if write else written).get(key, 0) - offset
            if after > at:
                at = after
    return at


def place(accesses, at, touched, written):
    for offset, (key, write) in enumerate(accesses):
        if key >= 0:
            after = at + offset + 1
            if after > touched.get(key, 0):
                touched[key] = after
            if write and after > written.get(key, 0):
                written[key] = after


def worth(transactions, order):
    touched, written, last, total = {}, {}, 0, 0
    for number in order:
        at = begin(transactions[number], touched, written)
        place(transactions[number], at, touched, written)
        total += at
        last = max(last, at + len(transactions[number]))
    return last, total
"""
