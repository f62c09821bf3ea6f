"""A section that is a script: `script: train.py`, run as `python train.py` would."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.core.run.request import RunRequest
from orchestrator.pipeline.run.runner import execute
from orchestrator.stores.project import Project
from orchestrator.stores.section.card_yaml import load_card
from orchestrator.wiring import assemble
from tests.doubles.commands import Answer, orchestrate
from tests.doubles.kaggle_side import KEY, USER, ShortSleepClock, far_settings, kaggle_backend, point_at_loopback
from tests.doubles.narrator import Listener
from tests.doubles.script_section import CARD, SCRIPT, make_script_project, session_log
from tests.emulator.loopback import loopback_kaggle

TARGETS = """
profiles:
  quick: {target_steps: 40, checkpoint_every_steps: 10}
  full: {target_steps: 80}
"""
PAUSING = """
import random
import time

import orchestrator

CUT = CUT_OF_TEST

with orchestrator.session() as run:
    state = run.keep(values=[])
    for step in run.steps():
        state.values.append(random.random())
        while CUT and step in (12, 27) and not run.should_stop:
            time.sleep(0.01)
        if step == 39:
            run.finish()
print("after the block")
(run.folder / "values.txt").write_text(repr(state.values))
"""


def train(root: Path, *words: str) -> Answer:
    return orchestrate(root, "run", "mine", "--quick", "--json", *words)


def checkpoint(root: Path, steps: int = 40) -> tuple[bytes, bytes]:
    stem = root / f"validation_ch7/mine/data/models/checkpoints/mine_checkpoint_{steps}_steps"
    return stem.with_name(stem.name + ".zip").read_bytes(), stem.with_name(stem.name + ".state.npz").read_bytes()


def test_two_lines_of_card_train_a_script_to_its_own_end(tmp_path: Path) -> None:
    root = make_script_project(tmp_path)
    first = train(root)
    assert (first.code, first.json["end_reason"], first.json["no_claim"]) == (0, "finished", True), first.err
    assert (first.json["steps_done"], first.json["target_steps"]) == (40, None)
    assert "total " in session_log(root)
    again = train(root)
    assert (again.code, again.json["end_reason"], again.json["sessions"]) == (0, "at_target", 0), again.err
    changed = SCRIPT.replace("print(", "print('changed'); print(")
    (root / "train.py").write_text(changed, encoding="utf-8")
    third = train(root)  # other code: its result is of now
    assert (third.json["end_reason"], third.json["sessions"], third.json["steps_done"]) == ("finished", 1, 40)
    fresh = train(root, "--fresh")
    assert (fresh.json["steps_start"], fresh.json["sessions"]) == (0, 1)


def test_nothing_shown_to_people_says_none(tmp_path: Path) -> None:
    root = make_script_project(tmp_path)
    shown = [
        orchestrate(root, *words)
        for words in (
            ("run", "mine", "--quick", "--dry-run"),
            ("run", "mine", "--quick"),
            ("run", "mine", "--quick"),
            ("status", "mine"),
            ("status",),
            ("sections",),
            ("checkpoints", "list", "mine"),
            ("report", "mine"),
        )
    ]
    for one in shown:
        assert one.code == 0, one.err
        assert "None" not in one.out + one.err
    row = orchestrate(root, "status", "--json").json["models"][0]
    assert row["profiles"] == {"quick": None, "full": None}


@pytest.mark.prove
def test_a_script_paused_twice_by_its_deadline_ends_with_the_same_bytes(tmp_path: Path) -> None:
    straight = make_script_project(tmp_path / "straight", PAUSING.replace("CUT_OF_TEST", "False"))
    card = CARD + "profiles:\n  quick: {deadline_s: 8.0}\n  full: {}\n"
    cut = make_script_project(tmp_path / "cut", PAUSING.replace("CUT_OF_TEST", "True"), card)
    whole, parts = train(straight), train(cut)
    assert (whole.code, whole.json["sessions"]) == (0, 1), whole.err
    assert (parts.code, parts.json["sessions"], parts.json["resume_grade"]) == (0, 3, "exact"), parts.err
    assert checkpoint(straight) == checkpoint(cut)
    # As alone, code after the block runs at the end of the training only.
    assert "after the block" not in session_log(cut, 1) + session_log(cut, 2)
    assert "after the block" in session_log(cut, 3)
    values = [next(root.rglob("results/**/values.txt")).read_text(encoding="utf-8") for root in (straight, cut)]
    assert values[0] == values[1]


def test_a_target_of_the_card_ends_the_script_and_the_full_profile_continues(tmp_path: Path) -> None:
    script = SCRIPT.replace("        if step == 39:\n            run.finish()\n", "")
    root = make_script_project(tmp_path, script, CARD + TARGETS)
    assert train(root).json["steps_done"] == 40
    full = orchestrate(root, "run", "mine", "--json")
    assert (full.code, full.json["steps_start"], full.json["steps_done"]) == (0, 40, 80), full.err
    more = orchestrate(root, "run", "mine", "--json", "--add-steps", "5")
    assert (more.code, more.json["steps_done"]) == (0, 85), more.err


def test_a_script_may_finish_below_the_target(tmp_path: Path) -> None:
    root = make_script_project(tmp_path, card=CARD + TARGETS)
    full = orchestrate(root, "run", "mine", "--json")
    assert (full.code, full.json["end_reason"]) == (0, "finished"), full.err
    assert (full.json["sessions"], full.json["steps_done"], full.json["target_steps"]) == (1, 40, 80)
    again = orchestrate(root, "run", "mine")
    assert again.code == 0 and "Already finished: 40 steps done, below the target of 80" in again.out


def test_a_script_without_a_session_has_no_steps(tmp_path: Path) -> None:
    script = 'import sys\nprint("ran", sys.argv[1:], __name__)\nopen("result.txt", "w").write("42")\n'
    root = make_script_project(tmp_path, script)
    first = train(root)
    assert (first.code, first.json["end_reason"], first.json["no_claim"]) == (0, "finished", True), first.err
    manifest = json.loads(next(root.rglob("session_manifest.json")).read_text(encoding="utf-8"))
    assert (manifest["steps_start"], manifest["steps_done"]) == (None, None)
    assert "ran [] __main__" in session_log(root)
    assert next(root.rglob("results/*/result.txt")).read_text(encoding="utf-8") == "42"
    again = orchestrate(root, "run", "mine", "--quick")
    assert again.code == 0 and "Already finished; --fresh runs it again" in again.out
    assert train(root, "--fresh").json["end_reason"] == "finished"


@pytest.mark.parametrize(
    ("script", "end", "text"),
    [
        ("import sys\nsys.exit(0)\n", "finished", ""),
        ("import sys\nsys.exit()\n", "finished", ""),
        ("import sys\nsys.exit(False)\n", "finished", ""),
        ("import sys\nsys.exit(3)\n", "section_failed", "train.py ended with exit code 3"),
        ("import sys\nsys.exit(True)\n", "section_failed", "train.py ended with exit code 1"),
        ("import sys\nsys.exit('no data')\n", "section_failed", "train.py ended with no data"),
        ("raise ValueError('wrong shape')\n", "section_failed", "ValueError: wrong shape"),
        ("import sys\nsys.exit(75)\n", "stuck", "Three sessions in a row"),
    ],
)
def test_exit_codes_of_a_script(tmp_path: Path, script: str, end: str, text: str) -> None:
    answer = train(make_script_project(tmp_path, script))
    assert answer.json["end_reason"] == end and answer.code == (0 if end == "finished" else 1), answer.err
    assert text in answer.err


def test_a_failing_training_keeps_its_checkpoints_and_continues_after_the_repair(tmp_path: Path) -> None:
    broken = SCRIPT.replace("        if step == 39", "        assert step < 25, 'too far'\n        if step == 39")
    card = CARD + "profiles:\n  quick: {checkpoint_every_steps: 10}\n  full: {}\n"
    root = make_script_project(tmp_path, broken, card)
    failed = train(root)
    assert (failed.code, failed.json["end_reason"], failed.json["steps_done"]) == (1, "section_failed", 20), failed.err
    assert "AssertionError: too far" in failed.err
    (root / "train.py").write_text(SCRIPT, encoding="utf-8")
    repaired = train(root)
    assert (repaired.code, repaired.json["steps_start"], repaired.json["steps_done"]) == (0, 20, 40), repaired.err


def test_a_second_session_in_a_script_is_refused(tmp_path: Path) -> None:
    script = SCRIPT + "with orchestrator.session() as second:\n    pass\n"
    answer = train(make_script_project(tmp_path, script))
    assert (answer.code, answer.json["end_reason"]) == (1, "refused"), answer.err
    assert "a second time; a section holds one training" in answer.err


WORKERS = '''
import multiprocessing
import os
import sys
from pathlib import Path

import beside
import orchestrator


class Square:
    """Lives in the main module: a child process finds it by importing this file again."""

    def __call__(self, x):
        return x * x + beside.ONE


def work(pipe, act):
    pipe.send((act(pipe.recv()), __name__, sys.argv[1:], str(Path(__file__).name)))


def main():
    with orchestrator.session() as run:
        state = run.keep(total=0)
        for step in run.steps():
            for method in ("spawn", "forkserver") if os.name == "posix" else ("spawn",):
                context = multiprocessing.get_context(method)
                mine, theirs = context.Pipe()
                child = context.Process(target=work, args=(theirs, Square()))
                child.start()
                mine.send(step + 3)
                answer = mine.recv()
                child.join()
                assert answer == ((step + 3) ** 2 + 1, "__mp_main__", [], "train.py"), answer
                state.total += answer[0]
            with context.Pool(2) as pool:
                state.total += sum(pool.map(Square(), range(3)))
            run.finish()
    print("total", state.total)


if __name__ == "__main__":
    main()
'''


def test_child_processes_import_the_script_as_alone(tmp_path: Path) -> None:
    root = make_script_project(tmp_path, WORKERS, CARD.replace("train.py", "examples/train.py"), "examples/train.py")
    (root / "examples/beside.py").write_text("ONE = 1\n", encoding="utf-8")
    answer = train(root)
    assert (answer.code, answer.json["end_reason"]) == (0, "finished"), answer.err
    assert "total 28" in session_log(root)


PLACES = """
import sys
from pathlib import Path

import orchestrator

here = Path(__file__).parent
assert __name__ == "__main__" and sys.argv == [__file__] and sys.path[0] == str(here)
assert (here / "table.csv").read_text() == "1\\n"
assert not (Path.cwd() / "table.csv").exists()
with orchestrator.session(settings={"lr": 0.1, "own": "default"}) as run:
    Path("beside_the_results.txt").write_text("kept")
    (run.folder / "own.txt").write_text(repr(sorted(run.settings.items())))
    for step in run.steps():
        pass
    if not run.finished:
        raise SystemExit("not finished")
    run.outcome(summary={"size": 3})
"""
SETTINGS = (
    "settings: {lr: 0.5}\nseed: 4\ninclude: [examples/*.csv]\nprofiles:\n  quick: {target_steps: 3}\n  full: {}\n"
)


def test_a_script_finds_its_files_settings_and_folders(tmp_path: Path) -> None:
    card = CARD.replace("train.py", "examples/train.py") + SETTINGS
    root = make_script_project(tmp_path, PLACES, card, "examples/train.py")
    (root / "examples/table.csv").write_text("1\n", encoding="utf-8")
    answer = train(root, "--set", "settings.lr=0.25")
    assert answer.code == 0, answer.err
    results = root / answer.json["results_dir"]
    assert (results / "beside_the_results.txt").read_text(encoding="utf-8") == "kept"
    assert next(results.rglob("own.txt")).read_text(encoding="utf-8") == "[('lr', 0.25), ('own', 'default')]"
    manifest = json.loads((results / "session_manifest.json").read_text(encoding="utf-8"))
    assert manifest["summary"] == {"size": 3}
    listed = orchestrate(root, "render", "mine", "--files").out
    assert "examples/train.py" in listed and "examples/table.csv" in listed and "configs" not in listed


def test_a_script_trains_on_kaggle_in_several_sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    straight = make_script_project(tmp_path / "straight", PAUSING.replace("CUT_OF_TEST", "False"))
    card = CARD + "profiles:\n  quick: {deadline_s: 8.0}\n  full: {}\n"
    root = make_script_project(tmp_path / "project", PAUSING.replace("CUT_OF_TEST", "True"), card)
    listener, clock, project = Listener(), ShortSleepClock(), Project(code=root, state=root)
    point_at_loopback(monkeypatch)
    with loopback_kaggle(tmp_path / "kaggle", settings=far_settings()) as kaggle:
        kaggle.accounts.add(USER, key=KEY)
        section = load_card(project.cards, "mine")
        with assemble(project, section, kaggle_backend(None, clock), listener, clock=clock) as context:
            summary = execute(context, RunRequest(card=section, profile="quick"))
    assert (summary.end_reason, summary.sessions, summary.steps_done) == ("finished", 3, 40), listener.lines
    assert summary.resume_grade == "exact" and summary.target_steps is None and summary.exit_code == 0
    assert train(straight).code == 0
    assert checkpoint(root) == checkpoint(straight)
