from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from discovery.storage.git.paths import safe_path, safe_paths

paths = st.lists(
    st.one_of(
        st.sampled_from(
            [".", "..", "", ".git", ".GIT", "git~1", ".git ", "a", "b.py", "%", "%2E", "con", "a.", "\0"]
        ),
        st.text(st.characters(codec=None), max_size=6),
    ),
    max_size=5,
).map("/".join)


def test_ordinary_paths_stay() -> None:
    for path in ("program.py", "lib/util.py", "src/_a-b+c (1).txt", "a b/c"):
        assert safe_path(path) == path


@given(paths)
def test_every_path_is_made_harmless(path: str) -> None:
    for part in safe_path(path).split("/"):
        assert re.fullmatch(r"[A-Za-z0-9._ +=@,()\[\]%-]{1,200}", part)
        assert part[0] not in ". -"
        assert part[-1] not in ". "


@given(st.lists(paths, unique=True, max_size=8))
def test_no_two_paths_become_one_and_no_file_is_a_folder(some: list[str]) -> None:
    safe = safe_paths(some)
    assert list(safe) == some
    assert len(set(safe.values())) == len(some)
    for path in safe.values():
        assert not any(other.startswith(path + "/") for other in safe.values())
