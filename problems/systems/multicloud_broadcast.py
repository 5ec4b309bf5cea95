"""Copy a large file from one cloud region to several others before a deadline, as cheaply as possible.

The file is cut into 16 parts of equal size. Every part must reach every destination over links between regions,
also through regions that do not need it; whatever has a part can send it on, any number of times. A link costs its price
per gigabyte for each part that crosses it, once per part, and all parts that cross it must fit through it before
the deadline: at most `parts` of them.

The program defines `plan(network)`. `network` is a dict: "price" and "parts", integer arrays (regions, regions) of the
cents per gigabyte and of the parts that fit through the link from one region to another (0: there is no link),
"source", a region, and "destinations", a list of regions. It returns a list of 16 lists, one per part, of the links
[from, to] that the part crosses. The links from the source to the destinations have room for everything.

The score is the cost divided by a lower bound on it (a linear program), averaged over hidden networks of several kinds,
and is to be made as small as possible. A plan that overfills a link or leaves a destination without a part is refused.
There are 5 seconds of CPU per network.
"""

# After Wooders et al., "Cloudcast: High-Throughput, Cost-Aware Overlay Multicast in the Cloud" (NSDI 2024), on
# networks of our own. All times of all parts overlap, so the deadline is a limit on what crosses each link.

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array

from evaluators.contract import Baseline, Case, Invalid, Limits, Measure, Objective
from evaluators.exact import read_integer, read_list

PARTS = 16
SLACK = 1e-6  # how far the linear program's value may be off, as a share

SEED = '''"""Plans a broadcast: for each part and destination the cheapest path, else the direct link."""

import heapq

# EVOLVE-BLOCK-START
HOP = 30.0  # what a link costs beside its price
SHARED = 0.9  # what is left of a link's cost where the part crosses it already


def plan(network):
    price, room = network["price"], network["parts"].copy()
    source, parts = network["source"], []
    for _ in range(16):
        links = set()
        for end in network["destinations"]:
            found = cheapest(price, room, source, end, links) or [(source, end)]
            links.update(found)
        for a, b in links:
            room[a, b] -= 1
        parts.append([list(link) for link in sorted(links)])
    return parts


def cheapest(price, room, source, end, links):
    queue, done = [(0.0, source, ())], set()
    while queue:
        cost, region, path = heapq.heappop(queue)
        if region == end:
            return list(path)
        if region in done:
            continue
        done.add(region)
        for after in range(len(price)):
            if room[region, after] > 0 and after not in done:
                step = HOP + float(price[region, after])
                if (region, after) in links:
                    step *= SHARED
                heapq.heappush(queue, (cost + step, after, (*path, (region, after))))
    return None
# EVOLVE-BLOCK-END
'''

OBJECTIVE = Objective("cost", "minimize", bound=1.0)
MEASURES = (
    Measure("links", 0.0, 1.0, bins=12),
    Measure("spread", 0.0, 1.0, bins=12),
    Measure("ast_nodes", 0, 1200, bins=8, source="code"),
)
LIMITS = Limits(cpu_s=5, wall_s=25, memory_mib=256, output_mib=1)
PRELOAD = ("numpy",)
BASELINE = Baseline(
    1.0004168008326013,
    "cheap trees, torn out and planned anew for 2 s a network, benchmarks/baselines/systems/multicloud_broadcast.py",
    20.0,
)


def cases(rng: np.random.Generator, stage: int) -> list[Case]:
    """Returns two networks of each kind."""
    del stage
    kinds = {
        "three clouds": {"clouds": (4, 4, 4), "ends": 5, "tightness": 0.6},
        "many ends": {"clouds": (5, 4, 3), "ends": 8, "tightness": 0.5},
        "narrow": {"clouds": (4, 4, 4), "ends": 5, "tightness": 0.15},
        "one cloud": {"clouds": (10,), "ends": 5, "tightness": 0.4},
        "sparse": {"clouds": (4, 4, 3), "ends": 5, "tightness": 0.5, "links": 0.45},
    }
    return [_case(rng, name, **terms) for name, terms in kinds.items() for _ in range(2)]


def held_out(rng: np.random.Generator) -> list[Case]:
    """Returns larger networks, of more clouds."""
    return [
        _case(rng, "five clouds", clouds=(3, 3, 3, 3, 3), ends=7, tightness=0.3, links=0.7),
        _case(rng, "wide and narrow", clouds=(8, 2, 2, 2), ends=9, tightness=0.25),
    ]


def _case(rng: np.random.Generator, name: str, **terms: Any) -> Case:
    network = draw(rng, **terms)
    return Case(network, answer=lower_bound(network), name=name, group=name)


def draw(
    rng: np.random.Generator, *, clouds: tuple[int, ...], ends: int, tightness: float, links: float = 1.0
) -> dict[str, Any]:
    """Returns a network.

    Prices are 1 to 3 cents within a cloud and a continent, more over oceans, and 5 to 15 out of a cloud. A link has
    room for all parts with a chance of `tightness`, else for some; a share `links` of them is there.
    """
    cloud = np.repeat(np.arange(len(clouds)), clouds)
    count = len(cloud)
    continent = rng.integers(3, size=count)
    leaving = rng.integers(5, 13, size=len(clouds))
    apart = continent[:, None] != continent[None]
    inside = cloud[:, None] == cloud[None]
    price = np.where(inside, rng.integers(1, 4, (count, count)), leaving[cloud][:, None] + rng.integers(0, 4))
    price = price + apart * rng.integers(1, 7, (count, count))
    parts = np.where(rng.random((count, count)) < tightness, PARTS, rng.integers(1, PARTS, (count, count)))
    parts = np.where(rng.random((count, count)) < links, parts, 0)
    np.fill_diagonal(parts, 0)
    source, *destinations = rng.permutation(count)[: ends + 1].tolist()
    parts[source, destinations] = PARTS
    return {
        "price": np.where(parts > 0, price, 0),
        "parts": parts,
        "source": source,
        "destinations": destinations,
    }


def lower_bound(network: dict[str, Any]) -> float:
    """Returns a cost, in cents times parts per gigabyte, that no plan stays below.

    A linear program: x links carry shares of the file that may be cut at will, and for each destination a flow of the
    whole file, of which no link has more than x. What a plan crosses is such an x.
    """
    price, parts, source = network["price"], network["parts"], network["source"]
    tails, heads = np.nonzero(parts)
    links, regions, ends = len(tails), len(parts), len(network["destinations"])
    numbers = np.arange(links)
    rows, columns, signs, wanted = [], [], [], np.zeros((ends, regions))
    for i, end in enumerate(network["destinations"]):  # what leaves less what arrives
        rows += [i * regions + tails, i * regions + heads]
        columns += [(i + 1) * links + numbers] * 2
        signs += [np.ones(links), -np.ones(links)]
        wanted[i, source], wanted[i, end] = PARTS, -PARTS
    flow = coo_array((np.concatenate(signs), (np.concatenate(rows), np.concatenate(columns))))
    at = np.arange(ends * links)
    within = coo_array(
        (
            np.concatenate([np.ones(len(at)), -np.ones(len(at))]),
            (np.concatenate([at, at]), np.concatenate([links + at, at % links])),
        )
    )
    found = linprog(
        np.concatenate([price[tails, heads], np.zeros(ends * links)]),
        A_ub=within.tocsr(),
        b_ub=np.zeros(ends * links),
        A_eq=flow.tocsr(),
        b_eq=wanted.ravel(),
        bounds=[(0, room) for room in parts[tails, heads]] + [(0, None)] * (ends * links),
        method="highs",
    )
    return float(found.fun) * (1 - SLACK)


def run(program: Any, inputs: dict[str, Any]) -> Any:
    """Returns the program's plan."""
    return program.plan(inputs)


def score(case: Case, output: Any) -> dict[str, float]:
    """Returns `cost`, over the lower bound, and what the plan looks like.

    `links` is the share of all links that are used, `spread` how differently the parts travel: the share of links of
    a part that another part does not cross, on average.

    Raises:
        Invalid: the output is no plan, names a link that is not there or is overfilled, or leaves somebody out.
    """
    network = case.inputs
    plans = [
        _read_part(entry, f"part {i}", network)
        for i, entry in enumerate(read_list(output, "plan()", PARTS, PARTS))
    ]
    used = np.zeros_like(network["parts"])
    for links in plans:
        for a, b in links:
            used[a, b] += 1
    over = np.argwhere(used > network["parts"])
    if len(over):
        a, b = over[0].tolist()
        raise Invalid(
            f"{used[a, b]} parts cross the link {a} -> {b}, which has room for {network['parts'][a, b]}"
        )
    cost = int((used * network["price"]).sum())
    crossed = int(used.sum())
    return {
        "cost": cost / case.answer,
        "links": np.count_nonzero(used) / np.count_nonzero(network["parts"]),
        "spread": 1 - float((used * (used - 1)).sum()) / (crossed * (PARTS - 1)),
    }


def _read_part(entry: Any, what: str, network: dict[str, Any]) -> set[tuple[int, int]]:
    """Returns the links that a part crosses."""
    regions = len(network["parts"])
    links = set()
    for j, link in enumerate(read_list(entry, what, 1, regions * regions, kinds="iu")):
        ends = read_list(link, f"link {j} of {what}", 2, 2, kinds="iu")
        a, b = (read_integer(end, f"an end of link {j} of {what}", 0, regions - 1) for end in ends)
        if not network["parts"][a, b]:
            raise Invalid(f"{what} crosses the link {a} -> {b}, which is not there")
        links.add((a, b))
    reached, is_growing = {network["source"]}, True
    while is_growing:
        new = {b for a, b in links if a in reached} - reached
        is_growing = bool(new)
        reached |= new
    missing = [end for end in network["destinations"] if end not in reached]
    if missing:
        raise Invalid(f"{what} does not reach destination {missing[0]}")
    return links
