"""The structure of the code in figures: rooms, floors, arrows, circles, the longest module, modules per folder, lines.

    python -m benchmarks.house                  the files as they are
    python -m benchmarks.house --at REVISION    as they were in a commit

A room is a folder directly below a package of the first level, or a module that lies there by itself. An arrow means that a
room imports another one, however often. A room's floor is one above the highest of those that it imports. An arrow points up
if the layers contract in pyproject.toml orders the two rooms the other way round; a circle is a set of modules that import
each other. Imports within functions and under TYPE_CHECKING count like all others.
"""

from __future__ import annotations

import argparse
import ast
import subprocess
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

PACKAGES = ("discovery", "islands", "evaluators", "problems")
MEASURED = (*PACKAGES, "benchmarks")
ENDINGS = (".py", ".txt", ".html", ".css")
MOST_MODULES = 20
MOST_LINES = 450


@dataclass(frozen=True)
class House:
    """The files of one state of the project, by path."""

    files: Mapping[str, str]

    @cached_property
    def modules(self) -> Mapping[str, str]:
        """The paths of the packages' modules by dotted name; a package stands for its `__init__`."""
        paths = [path for path in self.files if path.endswith(".py") and path.split("/")[0] in PACKAGES]
        return {path[:-3].replace("/", ".").removesuffix(".__init__"): path for path in paths}

    @cached_property
    def imports(self) -> frozenset[tuple[str, str]]:
        """Pairs of modules of ours, of which the first imports the second."""
        return frozenset(
            (name, target)
            for name, path in self.modules.items()
            for target in _targets(ast.parse(self.files[path]), self.modules)
            if target != name
        )

    def rooms(self, package: str) -> frozenset[str]:
        """Returns the rooms of a package, without the package's own module."""
        return frozenset(
            ".".join(name.split(".")[:2]) for name in self.modules if name.startswith(f"{package}.")
        )

    def arrows(self, package: str) -> frozenset[tuple[str, str]]:
        """Returns the pairs of rooms of a package of which the first imports the second."""
        rooms = self.rooms(package)
        pairs = ((".".join(a.split(".")[:2]), ".".join(b.split(".")[:2])) for a, b in self.imports)
        return frozenset((a, b) for a, b in pairs if a != b and a in rooms and b in rooms)

    def floors(self, package: str) -> Mapping[str, int]:
        """Returns the floor of each room, the lowest is 1; rooms of one circle share a floor."""
        rooms, arrows = self.rooms(package), self.arrows(package)
        home = {room: circle for circle in circles(rooms, arrows) for room in circle}
        below: dict[frozenset[str], set[frozenset[str]]] = defaultdict(set)
        for a, b in arrows:
            if home[a] != home[b]:
                below[home[a]].add(home[b])
        floors: dict[frozenset[str], int] = {}

        def floor_of(circle: frozenset[str]) -> int:
            if circle not in floors:
                floors[circle] = 1 + max(map(floor_of, below[circle]), default=0)
            return floors[circle]

        return {room: floor_of(home[room]) for room in rooms}

    def arrows_up(self) -> list[tuple[str, str]]:
        """Returns the arrows that point up in the order of the layers contracts, sorted."""
        contracts = tomllib.loads(self.files["pyproject.toml"])["tool"]["importlinter"]["contracts"]
        found = []
        for contract in contracts:
            for package in contract.get("containers", ()) if contract["type"] == "layers" else ():
                layers = contract["layers"]
                rank = {
                    f"{package}.{room.strip()}": len(layers) - place
                    for place, layer in enumerate(layers)
                    for room in layer.split("|")
                }
                found += [
                    (a, b) for a, b in self.arrows(package) if rank.get(a, len(layers)) < rank.get(b, 0)
                ]
        return sorted(found)

    def circles(self) -> list[frozenset[str]]:
        """Returns the sets of modules that import each other."""
        return [circle for circle in circles(self.modules, self.imports) if len(circle) > 1]

    def lines(self) -> Counter[str]:
        """Returns the lines of code and texts of each package."""
        counted: Counter[str] = Counter()
        for path, text in self.files.items():
            if path.split("/")[0] in MEASURED and path.endswith(ENDINGS):
                counted[path.split("/")[0]] += text.count("\n")
        return counted

    def longest(self) -> tuple[str, int]:
        """Returns the longest module of the packages and its lines."""
        lengths = {path: self.files[path].count("\n") for path in self.modules.values()}
        path = max(lengths, key=lengths.__getitem__)
        return path, lengths[path]

    def fullest(self) -> tuple[str, int]:
        """Returns the folder with the most modules (`__init__` aside), and how many there are."""
        folders = Counter(
            str(PurePosixPath(path).parent)
            for path in self.files
            if path.endswith(".py") and path.split("/")[0] in MEASURED and not path.endswith("__init__.py")
        )
        return folders.most_common(1)[0]


def circles(nodes: Iterable[str], arrows: Iterable[tuple[str, str]]) -> list[frozenset[str]]:
    """Returns the strongly connected components: sets of nodes that reach each other (Kosaraju)."""
    ahead: dict[str, list[str]] = defaultdict(list)
    back: dict[str, list[str]] = defaultdict(list)
    for a, b in sorted(arrows):
        ahead[a].append(b)
        back[b].append(a)
    done: set[str] = set()
    order: list[str] = []
    for node in sorted(nodes):
        order += _reached(node, ahead, done)
    done.clear()
    return [frozenset(found) for node in reversed(order) if (found := _reached(node, back, done))]


def _reached(start: str, arrows: Mapping[str, list[str]], done: set[str]) -> list[str]:
    """Returns what can be reached from a node and was not before, each after what it leads to."""
    if start in done:
        return []
    done.add(start)
    left = [(start, iter(arrows.get(start, ())))]
    order: list[str] = []
    while left:
        node, rest = left[-1]
        following = next((one for one in rest if one not in done), None)
        if following is None:
            order.append(node)
            left.pop()
        else:
            done.add(following)
            left.append((following, iter(arrows.get(following, ()))))
    return order


def _targets(tree: ast.Module, modules: Mapping[str, str]) -> Iterable[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom) and node.module is not None and node.level == 0:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield from (one for one in ((name if name in modules else node.module),) if one in modules)


def read_house(revision: str | None = None) -> House:
    """Returns the files that git tracks or would add, or those of a commit."""
    if revision is None:
        listed = _git("ls-files", "--cached", "--others", "--exclude-standard").splitlines()
        return House(
            {path: Path(path).read_text("utf-8") for path in listed if _counts(path) and Path(path).is_file()}
        )
    listed = _git("ls-tree", "-r", "--name-only", revision).splitlines()
    return House({path: _git("show", f"{revision}:{path}") for path in listed if _counts(path)})


def _counts(path: str) -> bool:
    return path == "pyproject.toml" or (path.split("/", maxsplit=1)[0] in MEASURED and path.endswith(ENDINGS))


def _git(*words: str) -> str:
    return subprocess.run(("git", *words), check=True, capture_output=True, text=True).stdout


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--at", metavar="REVISION", help="a commit; the files as they are if left out")
    house = read_house(parser.parse_args().at)
    for package in ("discovery", "evaluators"):
        floors = house.floors(package)
        print(
            f"{package}: {len(floors)} rooms on {max(floors.values())} floors, {len(house.arrows(package))} arrows"
        )
        for number in sorted(set(floors.values()), reverse=True):
            names = sorted(room.split(".")[1] for room, floor in floors.items() if floor == number)
            print(f"  floor {number:2}  {', '.join(names)}")
    print(f"arrows that point up: {len(house.arrows_up())} {house.arrows_up() or ''}")
    print(f"circles of modules: {len(house.circles())} {[sorted(one) for one in house.circles()] or ''}")
    print("longest module: {} ({} lines)".format(*house.longest()))
    print("fullest folder: {} ({} modules)".format(*house.fullest()))
    lines = house.lines()
    print(f"lines: {sum(lines.values()):,} ({', '.join(f'{name} {lines[name]:,}' for name in MEASURED)})")


if __name__ == "__main__":
    main()
