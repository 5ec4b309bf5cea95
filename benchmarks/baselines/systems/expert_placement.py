"""Expert placement: a mean of recent loads, and the single changes that pay for their move within a few steps.

Before each step it looks for the best exchange of two experts and for the best slot to hold another copy, from the device
that is fullest, and makes up to 8 of these as long as what is saved over the next 6 steps is more than the move costs.
"""

PROGRAM = """
import numpy as np


class Balancer:
    KEEP, AHEAD, MOVES, PRICE = 0.6, 6, 8, 0.002

    def __init__(self, experts, devices, slots):
        self.seen = None
        self.experts = experts

    def place(self, step, loads, placement):
        if step == 0:
            return placement
        share = loads / loads.mean()
        self.seen = share if self.seen is None else self.KEEP * self.seen + (1 - self.KEEP) * share
        placement = placement.copy()
        for _ in range(self.MOVES):
            changed = self.best(placement)
            if changed is None:
                break
            placement = changed
        return placement

    def worth(self, placement):
        copies = np.bincount(placement.ravel(), minlength=self.experts)
        total = (self.seen / copies)[placement].sum(axis=1)
        return total.max() / total.mean() + 0.02 * (total / total.mean()).std()

    def best(self, placement):
        copies = np.bincount(placement.ravel(), minlength=self.experts)
        total = (self.seen / copies)[placement].sum(axis=1)
        full = int(total.argmax())
        now, found, most = self.worth(placement), None, 0.0
        for device in np.argsort(total)[:4]:
            if device == full:
                continue
            for i in range(placement.shape[1]):
                for j in range(placement.shape[1]):
                    a, b = placement[full, i], placement[device, j]
                    if a == b:
                        continue
                    for moves, is_swap in ((2, True), (1, False)):
                        if not is_swap and copies[b] < 2:
                            continue
                        changed = placement.copy()
                        changed[device, j] = a
                        if is_swap:
                            changed[full, i] = b
                        gain = self.AHEAD * (now - self.worth(changed)) - self.PRICE * moves
                        if gain > most:
                            found, most = changed, gain
        return found
"""
