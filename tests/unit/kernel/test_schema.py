"""A section's own values in a session: what does not fit is named, and no fault of a check is a traceback."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from orchestrator.kernel.schema import read


@dataclass(frozen=True)
class _Empty:
    pass


@dataclass(frozen=True)
class _Checked:
    low: int | None = None

    def __post_init__(self) -> None:
        if self.low < 0:  # type: ignore[operator]  # a check of a section may fail so
            raise ValueError("low is negative")


def test_unknown_key_of_a_schema_without_keys_is_named() -> None:
    with pytest.raises(ValueError, match="unknown key depth; no key is known here"):
        read(_Empty, {"depth": 1}, place="")


@pytest.mark.parametrize(("place", "words"), [("", "_Checked: TypeError: "), ("lake", "lake: TypeError: ")])
def test_check_that_fails_itself_is_an_error_with_its_place(place: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read(_Checked, {"low": None}, place=place)
    with pytest.raises(ValueError, match="low is negative"):
        read(_Checked, {"low": -1}, place=place)
