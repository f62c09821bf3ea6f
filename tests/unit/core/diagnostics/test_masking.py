"""A report that is sent to others holds neither the account's name nor a secret."""

from __future__ import annotations

import pytest

from orchestrator.core.diagnostics.health_check import Check
from orchestrator.core.diagnostics.masking import Mask
from orchestrator.core.secret_search import SecretValue

MASK = Mask("Ana", [SecretValue(name="KAGGLE_KEY", value="5ecre7-key-0f-ana")], home="/home/ana.b")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kaggle://ana/slug", "kaggle://<user>/slug"),
        ("ANA, by legacy key", "<user>, by legacy key"),
        ("notebooks/ana/x and ana_arz", "notebooks/<user>/x and <user>_arz"),
        ("banana analysis", "banana analysis"),
        ("key 5ecre7-key-0f-ana", "key [value of KAGGLE_KEY]"),
        ("legacy key (/home/ana.b/.kaggle/kaggle.json)", "legacy key (~/.kaggle/kaggle.json)"),
    ],
)
def test_name_home_and_secrets_are_replaced(text: str, expected: str) -> None:
    assert MASK.text(text) == expected


def test_nested_values_and_keys_are_replaced() -> None:
    assert MASK.plain({"ana": ["x/ana", 3, None, {"a": "ana"}]}) == {"<user>": ["x/<user>", 3, None, {"a": "<user>"}]}


def test_a_check_is_replaced_with_its_remedy() -> None:
    check = MASK.check(Check(name="deleted", good=False, found="ana/k stayed", remedy="https://kaggle.com/code/ana/k"))
    assert (check.found, check.remedy) == ("<user>/k stayed", "https://kaggle.com/code/<user>/k")


def test_a_name_with_special_characters_is_taken_literally() -> None:
    assert Mask("a.b", []).text("a.b axb") == "<user> axb"
