"""How a session ends whose section is a script."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.kernel.files.digests import read_tree, tree_digest
from orchestrator.kernel.outcome import KernelEnding
from orchestrator.kernel.session.manifest import Manifest
from tests.unit.kernel.session.test_boot import SessionBench

TRAIN = """
import orchestrator
from orchestrator.kernel.session.current import current_context

stop = current_context().stop

with orchestrator.session() as run:
    state = run.keep(total=0)
    for step in run.steps():
        state.total += step
        BODY
AFTER
"""


class ScriptBench(SessionBench):
    """A bundle that holds a script."""

    def run_script(self, text: str, **spec: Any) -> tuple[int, Manifest]:
        (self.bundle / "train.py").write_text(text, encoding="utf-8")
        self.digest = tree_digest(read_tree(self.bundle))
        spec = {"script": "train.py", "scenario": "mine", "target_steps": None, "lineage": {"seed": 1}, **spec}
        return self.run(None, spec=spec)


@pytest.fixture
def script_bench(tmp_path: Path) -> Iterator[ScriptBench]:
    arguments, path = list(sys.argv), list(sys.path)
    yield ScriptBench(tmp_path)
    assert (sys.argv, sys.path) == (arguments, path)
    assert sys.modules["__main__"].__dict__.get("orchestrator") is None  # the script's module is gone


def train(body: str, after: str = "") -> str:
    return TRAIN.replace("BODY", body).replace("AFTER", after)


@pytest.mark.parametrize(
    ("text", "ending", "steps"),
    [
        (train("if step == 4: run.finish()"), KernelEnding.FINISHED, 5),
        (train("if step == 4: run.finish()", "raise SystemExit(0)"), KernelEnding.FINISHED, 5),
        (train("if step == 4: run.finish()", "raise SystemExit(orchestrator.MORE_TO_DO)"), KernelEnding.PAUSED, 5),
        (train("if step == 4: run.finish()", "raise SystemExit(1)"), KernelEnding.SECTION_FAILED, 5),
        (train("if step == 4: run.finish()", "1 / 0"), KernelEnding.SECTION_FAILED, 5),
        (train("if step == 4: stop.request()", "1 / 0"), KernelEnding.STOPPED, 5),
        (train("if step == 4: break"), KernelEnding.SECTION_FAILED, None),
        (train("if step == 4: raise SystemExit(orchestrator.MORE_TO_DO)"), KernelEnding.PAUSED, 0),
        ("", KernelEnding.FINISHED, None),
        ("raise SystemExit(75)", KernelEnding.PAUSED, None),
        ("raise SystemExit(2)", KernelEnding.SECTION_FAILED, None),
    ],
)
def test_each_end_of_a_script_is_an_outcome(
    script_bench: ScriptBench, text: str, ending: KernelEnding, steps: int | None
) -> None:
    code, manifest = script_bench.run_script(text)
    assert (manifest.outcome.ending, manifest.outcome.steps_done) == (ending, steps), manifest.error
    assert code == (1 if ending is KernelEnding.SECTION_FAILED else 0)


def test_what_happens_after_the_block_changes_nothing_about_how_the_training_ended(script_bench: ScriptBench) -> None:
    after = "stop.request()\nrun.outcome(verdict='supported', summary={'total': state.total})"
    _, manifest = script_bench.run_script(train("if step == 4: run.finish()", after))
    assert (manifest.outcome.ending, manifest.outcome.verdict) == (KernelEnding.FINISHED, "supported")
    assert manifest.outcome.summary == {"total": 10}


@pytest.mark.parametrize("after", ["", "except SystemExit:\n    pass"], ids=["plain", "SystemExit is caught"])
@pytest.mark.parametrize("target", [None, 40])
def test_a_loop_that_is_left_by_break_fails_with_the_remedy(
    script_bench: ScriptBench, after: str, target: int | None
) -> None:
    text = train("if step == 4: break")
    head, block = text.split("with ", 1)
    text = head + "try:\n    with " + block.strip().replace("\n", "\n    ") + f"\n{after}\n" if after else text
    code, manifest = script_bench.run_script(text, target_steps=target, checkpoint_every_steps=2)
    of = "" if target is None else f" of {target}"
    assert (code, manifest.outcome.ending, manifest.outcome.steps_done) == (1, KernelEnding.SECTION_FAILED, 4)
    assert manifest.error == (
        f"Left before the end of the training: 4{of} steps are saved. `break` saves nothing: call run.finish() to end "
        "earlier.\n"
    )


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("open('data/table.csv')", "The working directory of a session is its output folder."),
        ("import not_here.at_all", "not_here did not travel. If it is a library"),
    ],
)
def test_what_differs_from_alone_is_explained(script_bench: ScriptBench, text: str, note: str) -> None:
    _, manifest = script_bench.run_script(text)
    assert manifest.outcome.ending is KernelEnding.SECTION_FAILED and note in str(manifest.error)


def test_an_absolute_path_is_not_explained(script_bench: ScriptBench, tmp_path: Path) -> None:
    _, manifest = script_bench.run_script(f"open({str(tmp_path / 'absent')!r})")
    assert "FileNotFoundError" in str(manifest.error) and "working directory" not in str(manifest.error)


def test_a_scripts_own_keys_and_criteria_are_in_its_settings(script_bench: ScriptBench) -> None:
    lineage = {"seed": 1, "section": "mine", "environment": {"dx": 1}, "settings": {"lr": 0.1}, "depth_m": 2.0}
    text = train("if step == 0: run.finish()", "run.outcome(summary=run.settings)")
    _, manifest = script_bench.run_script(text, lineage=lineage, criteria={"least": 3})
    assert manifest.outcome.summary == {"lr": 0.1, "depth_m": 2.0, "environment": {"dx": 1}, "criteria": {"least": 3}}


def test_a_verdict_that_does_not_exist_is_a_failure(script_bench: ScriptBench) -> None:
    _, manifest = script_bench.run_script(train("run.finish()", "run.outcome(verdict='good')"))
    assert manifest.outcome.ending is KernelEnding.SECTION_FAILED and "'good' is not a valid Verdict" in str(
        manifest.error
    )


def test_a_paused_training_has_no_verdict(script_bench: ScriptBench) -> None:
    body = "run.outcome(verdict='supported')\n        if step == 4: stop.request()"
    _, manifest = script_bench.run_script(train(body))
    assert (manifest.outcome.ending, manifest.outcome.verdict) == (KernelEnding.STOPPED, None)
