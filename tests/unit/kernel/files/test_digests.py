"""Digests of files and folders."""

from orchestrator.kernel.files.digests import tree_digest


def test_the_tree_digest_covers_names_and_bytes() -> None:
    assert tree_digest({"a": b"bc"}) != tree_digest({"ab": b"c"})
    assert tree_digest({"a": b"1", "b": b"2"}) == tree_digest({"b": b"2", "a": b"1"})
