"""Spot machines before a deadline: a Markov chain of availability, learned on the way, and the best plan for it.

Every 16 ticks the plan is found anew by dynamic programming over (available, machine kept, ticks of starting up,
remaining work), with the rates of change that were seen so far and a weak prior.
"""

PROGRAM = """
import numpy as np

NEVER = 1e9


class Policy:
    PERIOD = 16
    PRIOR = 1.0, 20.0  # changes, in so many ticks, before anything is seen

    def __init__(self, deadline, work, overhead, spot_price, on_demand_price):
        self.deadline, self.work, self.overhead = deadline, work, overhead
        self.prices = spot_price, on_demand_price
        self.ticks, self.changes, self.last = [self.PRIOR[1]] * 2, [self.PRIOR[0]] * 2, None
        self.plan_at, self.plan = -self.PERIOD, None

    def decide(self, tick, remaining, spot, machine, starting):
        spot = int(spot)
        if self.last is not None:
            self.ticks[self.last] += 1
            self.changes[self.last] += spot != self.last
        self.last = spot
        if tick >= self.plan_at + self.PERIOD:
            self.plan_at, self.plan = tick, self.solve(tick)
        kind = ("idle", "spot", "on_demand").index(machine)
        choice = self.plan[tick - self.plan_at][spot, kind, starting, remaining]
        return ("idle", "spot", "on_demand")[choice]

    def solve(self, now):
        off, on = (c / t for c, t in zip(self.changes, self.ticks))
        flow = np.array([[1 - off, off], [on, 1 - on]])  # from away, from available
        o, w = self.overhead, self.work
        remaining = np.arange(w + 1)
        after = np.full((2, 3, o + 1, w + 1), NEVER)
        after[..., 0] = 0.0
        plans = []
        for tick in range(self.deadline - 1, now - 1, -1):
            expected = np.tensordot(flow, after, axes=1)  # by what is available now
            worth = np.full((3, *after.shape), NEVER)  # by action
            worth[0] = expected[:, 0, 0][:, None, None, :]
            for action, price in ((1, self.prices[0]), (2, self.prices[1])):
                ahead = expected[:, action]  # (2, o + 1, w + 1); a machine just lost is idle
                if action == 1:
                    ahead = flow[:, 1][:, None, None] * after[1, 1] + flow[:, 0][:, None, None] * after[0, 0, 0]
                stepped = np.empty_like(ahead)
                stepped[:, 1:] = ahead[:, :-1]
                stepped[:, 0, 1:] = ahead[:, 0, :-1]
                stepped[:, 0, 0] = 0.0
                stepped += price
                worth[action] = stepped[:, o][:, None, None, :]
                worth[action][:, action] = stepped
                if action == 1:
                    worth[1][0] = NEVER
            late = (remaining > 0) & (remaining + o > self.deadline - tick)
            value = worth.min(axis=0)
            value[:, :2][..., late] = NEVER
            value[..., 0] = 0.0
            after = value
            if tick < now + self.PERIOD:
                plans.append(worth.argmin(axis=0))
        return plans[::-1]
"""
