"""Multi-cloud broadcast: for each part a cheap tree of shortest paths, then parts are torn out and planned anew.

A tree grows by the cheapest path from what it reaches to the nearest destination left (Takahashi and Matsuyama 1980), over
links with room, with prices changed at random; what does not lower the cost is undone. 2 s of CPU per network.
"""

PROGRAM = """
import heapq
import time

import numpy as np


def plan(network):
    end = time.process_time() + 2.0
    rng = np.random.default_rng(0)
    price, room = network["price"].astype(float), network["parts"].copy()
    source, ends = network["source"], network["destinations"]
    parts = []
    for _ in range(16):
        parts.append(tree(price, price, room, source, ends))
        for a, b in parts[-1]:
            room[a, b] -= 1
    while time.process_time() < end:
        torn = rng.choice(16, size=rng.integers(1, 5), replace=False)
        before = sum(price[a, b] for i in torn for a, b in parts[i])
        changed = room.copy()
        for i in torn:
            for a, b in parts[i]:
                changed[a, b] += 1
        made = []
        for _ in torn:
            shaken = price * np.exp(rng.normal(0, 0.3, price.shape))
            made.append(tree(shaken, price, changed, source, ends))
            for a, b in made[-1]:
                changed[a, b] -= 1
        if sum(price[a, b] for links in made for a, b in links) <= before:
            room = changed
            for i, links in zip(torn, made):
                parts[i] = links
    return [[[int(a), int(b)] for a, b in links] for links in parts]


def tree(price, true, room, source, ends):
    reached, left, links = {source}, set(ends), {}
    while left:
        best = {region: 0.0 for region in reached}
        before, queue, end = {}, [(0.0, region) for region in reached], None
        while queue:
            cost, region = heapq.heappop(queue)
            if cost > best.get(region, 1e18):
                continue
            if region in left:
                end = region
                break
            for after in np.flatnonzero(room[region] > 0).tolist():
                total = cost + price[region, after]
                if after not in reached and total < best.get(after, 1e18):
                    best[after], before[after] = total, region
                    heapq.heappush(queue, (total, after))
        while end not in reached:
            links[end] = before[end]
            reached.add(end)
            end = before[end]
        left -= reached
    return [(a, b) for b, a in links.items()]
"""
