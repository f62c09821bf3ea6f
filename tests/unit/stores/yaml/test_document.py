"""The YAML reader of cards and campaigns: YAML 1.2 values, merge keys, faults with their lines, bounded work."""

from __future__ import annotations

import math
import re
import time
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.core.errors import BadInput
from orchestrator.stores.yaml.document import MOST_LEVELS, MOST_VALUES, read_document


def value(text: str) -> Any:
    document = read_document(f"a: {text}", "s.yaml")
    assert not document.faults
    return document.plain["a"]


def plain(text: str) -> Any:
    document = read_document(text, "s.yaml")
    assert not document.faults
    return document.plain


def faults(text: str) -> list[tuple[int, str]]:
    return [(one.line, one.text) for one in read_document(text, "s.yaml").faults]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("010", 10),
        ("-010", -10),
        ("0o10", 8),
        ("0x1F", 31),
        ("+5", 5),
        ("1e6", 1e6),
        ("1E5", 1e5),
        ("1e-3", 1e-3),
        ("5e-4", 5e-4),
        (".5", 0.5),
        ("5.", 5.0),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("12:30:45", "12:30:45"),
        ("2026-12-24", "2026-12-24"),
        ("2026-12-24T18:00:00Z", "2026-12-24T18:00:00Z"),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("off", "off"),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("", None),
        ("null", None),
        ("'010'", "010"),
        ("'true'", "true"),
        ("!!str 5", "5"),
        ("!!float 1e5", 1e5),
        ("!!float 5", 5.0),
        ("!!int '7'", 7),
    ],
)
def test_scalars_have_their_yaml_1_2_values(text: str, expected: object) -> None:
    found = value(text)
    assert (found, type(found)) == (expected, type(expected))


def test_nan_is_read_as_a_float() -> None:
    assert math.isnan(value(".nan"))


# PyYAML writes YAML 1.1, in which `08` and `1e3` are texts without quotes; in YAML 1.2 they are numbers.
NUMBER_IN_1_2 = re.compile(r"[-+]?(0o[0-7]+|0x[0-9a-fA-F]+|(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?)")
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Zs")), max_size=8).filter(
        lambda text: not NUMBER_IN_1_2.fullmatch(text)
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abcxyz", min_size=1, max_size=3).filter(lambda key: key != "y"), inner, max_size=3)
    ),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(PLAIN)
def test_a_tree_written_by_pyyaml_is_read_unchanged(written: Any) -> None:
    assert plain(yaml.safe_dump({"k": written}, allow_unicode=True)) == {"k": written}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: &a {p: 1, q: 2}\nb: {<<: *a, q: 3}", {"p": 1, "q": 3}),
        ("a: &a {p: 1, q: 2}\nb: {q: 3, <<: *a}", {"p": 1, "q": 3}),
        ("a: &a {p: 1}\nc: &c {p: 2, r: 3}\nb: {<<: [*a, *c]}", {"p": 1, "r": 3}),
        ("a: &a {p: 1}\nc: &c {p: 2, r: 3}\nb: {<<: [*c, *a]}", {"p": 2, "r": 3}),
        ("a: &a {p: 1, r: 1}\nc: &c {<<: *a, p: 2}\nb: {<<: *c, s: 4}", {"p": 2, "r": 1, "s": 4}),
        ("a: &a {in: {x: 1, y: 2}}\nb: {<<: *a, in: {x: 5}}", {"in": {"x": 5}}),
        ("a: &a {p: 1}\nb: {<<: {p: 2, q: 1}, <: 3}", {"p": 2, "q": 1, "<": 3}),
        ("b: {<<: [], p: 1}", {"p": 1}),
        ("b: {'<<': 1}", {"<<": 1}),
        ("a: &a {p: 1}\nb:\n- <<: *a\n  q: 2\n- <<: *a\n", [{"p": 1, "q": 2}, {"p": 1}]),
    ],
)
def test_merge_keys_are_resolved(text: str, expected: object) -> None:
    assert plain(text)["b"] == expected


BLOCKS = st.lists(st.dictionaries(st.sampled_from("pqrst"), st.integers(0, 9), max_size=4), min_size=1, max_size=4)


@settings(max_examples=60, deadline=None)
@given(BLOCKS, st.dictionaries(st.sampled_from("pqrst"), st.integers(0, 9), max_size=4), st.booleans())
def test_own_keys_override_merged_ones_and_earlier_blocks_override_later_ones(
    blocks: list[dict[str, int]], own: dict[str, int], first: bool
) -> None:
    shared = "".join(f"x-{index}: &b{index} {block}\n" for index, block in enumerate(blocks)).replace("'", '"')
    merge = f"  <<: [{', '.join(f'*b{index}' for index in range(len(blocks)))}]\n"
    keys = "".join(f"  {key}: {number}\n" for key, number in own.items())
    expected: dict[str, int] = {}
    for block in reversed(blocks):
        expected |= block
    assert plain(f"{shared}b:\n{merge + keys if first else keys + merge}") == {"b": expected | own}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("b:\n  <<: 5\n", [(2, "<< takes a mapping or a list of mappings")]),
        ("b:\n  <<: ~\n", [(2, "<< takes a mapping or a list of mappings")]),
        ("b:\n  <<: [{p: 1}, x]\n", [(2, "<< takes a mapping or a list of mappings")]),
        ("a: &a {p: 1}\nb:\n  <<: *a\n  <<: *a\n", [(4, "<< is given twice (first in line 3)")]),
        ("a: 1\nb: 2\na: 3\nb: 4\n", [(3, "key 'a' is given twice (first in line 1)"), (4, "(first in line 2)")]),
        ("s: &s {p: 1}\nb:\n  <<: *s\n  p: 2\n  p: 3\n", [(5, "key 'p' is given twice (first in line 4)")]),
        ("x-a: {p: 1, p: 2}\n", [(1, "key 'p' is given twice")]),
        ("a: &a [*a]", [(1, "an alias is inside the block that it refers to")]),
        ("a: &a {<<: *a}", [(1, "an alias is inside the block that it refers to")]),
        ("a: &a {b: {c: *a}}", [(1, "an alias is inside the block that it refers to")]),
        ("1: x\nnull: y\ntrue: z\n", [(1, "the key 1 is not text"), (2, "the key null"), (3, "the key true")]),
        ("? [a]\n: x\n", [(1, "a key must be text, not a block")]),
        ("a: !!python/object:os.system x", [(1, "the tag !!python/object:os.system is not allowed")]),
        ("a: !!binary aGk=", [(1, "the tag !!binary is not allowed")]),
        ("a: !!set {x, y}", [(1, "the tag !!set is not allowed")]),
        ("a: !mine x", [(1, "the tag !mine is not allowed")]),
        ("a: !!int x", [(1, "'x' does not fit its tag !!int")]),
        ("a: 1e999", [(1, "too large for a number")]),
        (f"a: {'9' * 5000}", [(1, "at most 300 digits")]),
        ('a: "\\ud800"', [(1, "half a surrogate pair")]),
    ],
)
def test_all_faults_are_reported_each_with_its_line(text: str, expected: list[tuple[int, str]]) -> None:
    found = faults(text)
    assert [line for line, _ in found] == [line for line, _ in expected]
    assert all(words in message for (_, message), (_, words) in zip(found, expected, strict=True))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", "s.yaml, line 1:"),
        ("a: 1\n\tb: 2", "s.yaml, line 2: there is a tab here; indent with spaces"),
        ("a: 1\n---\nb: 2", "s.yaml, line 2: a second document begins here"),
        ("a: 1\nb: *nowhere", "s.yaml, line 2: the alias has no anchor"),
        ("a: &n 1\nb: &n 2", "s.yaml, line 2: the anchor is defined twice"),
        ("a: 1\nb: \x07", "s.yaml, line 2: the character U+0007 is not allowed in YAML"),
        ('a: "\\U00110000"', "s.yaml: "),
    ],
)
def test_invalid_yaml_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(BadInput) as caught:
        read_document(text, "s.yaml")
    assert message in str(caught.value) and caught.value.remedy


def test_line_ends_byte_order_marks_and_comments_do_not_matter() -> None:
    assert plain("a: 1\r\nb:\r\n  - c\r\n") == plain("\ufeffa: 1\nb:\n  - c\n") == {"a": 1, "b": ["c"]}
    assert read_document("", "s").empty and read_document("# nothing\n---\n", "s").plain is None


def test_a_shared_block_is_dropped_only_at_the_left_margin() -> None:
    assert plain("x-s: &s {p: 1}\nb: {<<: *s, x-t: 2}\nx-: 3") == {"b": {"p": 1, "x-t": 2}}


def test_a_merged_key_has_the_line_of_its_shared_block() -> None:
    document = read_document("x-s: &s\n  p: 1\nb:\n  <<: *s\n  q: 2\n", "s")
    assert (document.lines["b", "p"], document.lines["b", "q"]) == (2, 5)


NINE = ", ".join(["*a{}"] * 9)
BOMBS = {
    "lists": "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{NINE.replace('{}', str(n - 1))}]\n" for n in range(1, 60)),
    "keys": "a0: &a0 {k: x}\n"
    + "".join(f"a{n}: &a{n} {{{', '.join(f'k{i}: *a{n - 1}' for i in range(9))}}}\n" for n in range(1, 60)),
    "chain": "a0: &a0 {k: 1}\n" + "".join(f"a{n}: &a{n} {{q: *a{n - 1}}}\n" for n in range(1, 3000)),
    "merges": "a0: &a0 {k0: 1}\n" + "".join(f"a{n}: &a{n} {{<<: *a{n - 1}, k{n}: 1}}\n" for n in range(1, 3000)),
    "wide": f"a: &a {{{', '.join(f'k{n}: 1' for n in range(9000))}}}\nb: {{<<: [{', '.join(['*a'] * 9000)}]}}\n",
    "deep": "a: " + "[" * 100_000,
    "long": "[" + "1," * 400_000 + "]",
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS.keys())
def test_alias_bombs_and_huge_files_are_refused_quickly(text: str) -> None:
    began = time.process_time()
    with pytest.raises(BadInput) as caught:
        read_document(text, "s.yaml")
    assert str(MOST_VALUES) in str(caught.value) or str(MOST_LEVELS) in str(caught.value)
    assert "with aliases expanded" in str(caught.value)
    assert time.process_time() - began < 10.0
