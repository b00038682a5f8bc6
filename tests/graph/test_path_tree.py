"""A tree of paths gives each path back once, where it ends."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cairn.graph.path_tree import PathTree

_paths = st.lists(st.lists(st.sampled_from(["", "a", "b", "a-b"]), min_size=1, max_size=4).map("/".join), unique=True)


@given(_paths)
def test_every_path_ends_at_its_position(paths: list[str]) -> None:
    tree = PathTree.of(paths)
    assert sorted(tree.positions()) == list(range(len(paths)))
    for position, path in enumerate(paths):
        place = tree
        for segment in path.split("/"):
            place = place.children[segment]
        assert place.at == position
        below = [at for at, other in enumerate(paths) if other == path or other.startswith(f"{path}/")]
        assert sorted(place.positions()) == below
