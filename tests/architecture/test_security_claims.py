"""Every claim of `.github/SECURITY.md` is one sentence with a test that exists; nothing else there claims anything."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

_NO_CLAIMS = ("Security", "Report a vulnerability", "How to read this page", "What is not protected")
_CLAIM = re.compile(r"- (?P<sentence>[A-Z][^.]*(?:\.\w[^.]*)*\.) Tests: (?P<tests>`[^`]+`(?:, `[^`]+`)*)")
_TEST = re.compile(r"(tests/[\w/]+\.py)::(test_\w+)")
_ATTACKERS = (
    "A secret among the files that are sent",
    "A hostile session, or hostile outputs",
    "A hostile card, campaign or project folder",
    "Another user of this computer",
    "Another page in the browser",
    "A pull request from a fork",
    "A stolen laptop, ledger or report",
    "The network",
)


def sections(text: str) -> dict[str, list[str]]:
    """Title -> its paragraphs and list entries, each on one line."""
    found: dict[str, list[str]] = {}
    for title, body in re.findall(r"^#+ (.+)\n((?:(?!#).*\n?)*)", text, re.MULTILINE):
        blocks = re.split(r"\n\s*\n|\n(?=- )", body.strip("\n"))
        found[title] = [" ".join(block.split()) for block in blocks if block.strip()]
    return found


def faults(text: str, root: Path) -> list[str]:
    """What is wrong with the claims, a sentence each."""
    wrong = []
    for title, blocks in sections(text).items():
        if title in _NO_CLAIMS:
            continue
        claims = [block for block in blocks if block.startswith("- ")]
        others = [block for block in blocks if block not in claims]
        if not claims or [bool(re.fullmatch(r"\*Attacker: .*\*", one)) for one in others] != [True]:
            wrong.append(f"{title}: one line on the attacker, then claims")
        for claim in claims:
            match = _CLAIM.fullmatch(claim)
            if match is None:
                wrong.append(f"no claim with its tests: {claim}")
                continue
            for test in match["tests"].split(", "):
                if (named := _TEST.fullmatch(test.strip("`"))) is None or named[2] not in functions_of(root / named[1]):
                    wrong.append(f"no such test: {test}")
    return wrong


def functions_of(path: Path) -> set[str]:
    """Names of the test functions of a file that run in the normal suite."""
    if not path.is_file():
        return set()
    functions = [
        one for one in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(one, ast.FunctionDef)
    ]
    skipped = re.compile(r"mark\.(skip|xfail|prove)\b(?!if)")
    return {one.name for one in functions if not any(skipped.search(ast.unparse(mark)) for mark in one.decorator_list)}


def test_every_claim_has_a_test(project_root: Path) -> None:
    text = (project_root / ".github" / "SECURITY.md").read_text(encoding="utf-8")
    assert faults(text, project_root) == []
    assert [title for title in sections(text) if title not in _NO_CLAIMS] == list(_ATTACKERS)


@pytest.mark.parametrize(
    "block",
    [
        "- Nothing is ever lost.",
        "- It holds. So does all. Tests: `tests/architecture/test_security_claims.py::test_every_claim_has_a_test`",
        "- Nothing is lost. Tests: `tests/architecture/test_workflows.py::test_that_is_not_there`",
        "- Nothing is lost. Tests: `tests/architecture/test_nowhere.py::test_every_action_is_pinned_to_a_commit`",
        "- Nothing is lost. Tests: none",
        "Nothing is lost.",
    ],
)
def test_a_claim_without_a_test_is_noticed(project_root: Path, block: str) -> None:
    true = "`tests/architecture/test_workflows.py::test_every_action_is_pinned_to_a_commit`"
    page = f"# Security\n\nWords.\n\n## The network\n\n*Attacker: any.*\n\n- It holds. Tests: {true}\n"
    assert faults(page, project_root) == []
    assert len(faults(f"{page}\n{block}\n", project_root)) == 1
