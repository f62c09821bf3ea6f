"""A shape names the first wrong key of a value; the one error names the file as well."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.kernel.reading.json_text import Unreadable, read_json, read_lines
from orchestrator.kernel.reading.shapes import (
    COUNT,
    DIGEST,
    FLAG,
    NUMBER,
    PLAIN_NAME,
    TEXT,
    Shape,
    fields,
    fits,
    items,
    mapping,
    one_of,
    optional,
    pair,
    require,
    text,
    whole,
)

FILE = fields({"name": TEXT, "parts": items(fields({"size": COUNT}), least=1)}, {"note": optional(TEXT)})


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (5, "it must be an object, not 5"),
        ({"parts": [{"size": 1}]}, "name is missing"),
        ({"name": "x", "parts": []}, "parts is empty"),
        ({"name": "x", "parts": [{"size": 1}, {"size": -1}]}, "parts[1].size must be a whole number from 0 to"),
        ({"name": "x", "parts": [{"size": True}]}, "parts[0].size must be a whole number"),
        ({"name": "x", "parts": [{"size": 2**53 + 1}]}, "parts[0].size must be a whole number"),
        ({"name": "x", "parts": {"size": 1}}, "parts must be a list, not an object"),
        ({"name": "x", "parts": [{"size": 1}], "note": 5}, "note must be a text"),
        ({"name": "x", "parts": [{"size": 1}], "other": 5}, "other is unknown to this version"),
        ({"name": "\x1b[31m" * 50, "parts": 5, "note": None}, "parts must be a list, not 5"),
    ],
)
def test_the_error_names_file_and_key(value: Any, fault: str) -> None:
    with pytest.raises(Unreadable) as caught:
        require(FILE, value, "a.json")
    assert str(caught.value).startswith(f"a.json cannot be read: {fault}")
    assert caught.value.source == "a.json" and str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("shape", "good", "bad"),
    [
        (NUMBER, [0, -1.5, 1.7e308], [float("nan"), float("inf"), 10**309, True, "1", None]),
        (FLAG, [True, False], [0, 1, None]),
        (DIGEST, ["0" * 64], ["0" * 63, "A" * 64, "0" * 65, 5]),
        (text(3), ["", "abc"], ["abcd", 5]),
        (whole(-2, 2), [-2, 2], [-3, 3, 1.0]),
        (one_of(("a", "b")), ["a"], ["c", ["a"], None]),
        (mapping(COUNT), [{}, {"a": 1}], [{"a": -1}, []]),
        (pair(COUNT, TEXT), [[1, "a"]], [[1], ["a", 1], [1, "a", 2]]),
        (PLAIN_NAME, ["a", "a-b.c"], ["", ".", "..", "a/b", "a\\b", "C:", "a\0", "a\n", "x" * 256, 5]),
    ],
)
def test_a_shape_accepts_its_values_only(shape: Shape, good: list[Any], bad: list[Any]) -> None:
    assert all(fits(shape, one) for one in good)
    assert not any(fits(shape, one) for one in bad)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"a": 1, "a": 2}', "the key 'a' is given twice"),
        ("1" * 301, "a number has at most 300 digits, not 301"),
        (f"{'1' * 250}e99", "is too large for a number"),
        ("-1e999", "is too large for a number"),
        ("[" * 65 + "]" * 65, "it is nested more than 64 deep"),
        ('"\\ud800"', "half a surrogate pair"),
        ("[1,", "Expecting value: line 1"),
    ],
)
def test_json_beyond_the_limits_is_refused_with_the_file(text: str, fault: str) -> None:
    with pytest.raises(Unreadable, match=r"^a\.json cannot be read: ") as caught:
        read_json(text, "a.json")
    assert fault in str(caught.value)


def test_large_numbers_within_the_limits_are_kept_exactly() -> None:
    whole = int("9" * 300)
    assert read_json(f"[{whole}, 1e308, 1e-999, 1.5e+03]") == [whole, 1e308, 0.0, 1500.0]


def test_a_damaged_line_is_given_as_its_error_and_the_others_are_read() -> None:
    found = list(read_lines(b'{"a": 1}\n\n[5]\n{"a": NaN}\r\n{"b": 2}\n{"c"', "events"))
    assert [number for number, _ in found] == [1, 4, 5, 6]
    assert found[0][1] == {"a": 1} and found[2][1] == {"b": 2}
    assert str(found[1][1]) == "events, line 4, cannot be read: NaN is not a JSON number"
