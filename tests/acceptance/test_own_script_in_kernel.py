"""The same face inside kernel sessions: verified checkpoints, chained sessions, walk back and resume."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.kernel.checkpoint.survey import survey_checkpoints
from tests.doubles.commands import orchestrate
from tests.doubles.toy_section import make_toy_project, read_card_file, write_card

MODELS = Path("validation_ch7/section_7_6_rl_performance/data/models")
SCENARIO = "traffic_light_control"
QUICK = ("run", "section_7_6", "--quick", "--json")
ENTRY = '''
"""A section made of a user's own loop."""
import os
import random
import signal

import orchestrator
from orchestrator.kernel.outcome import Verdict

CUTS = CUTS_OF_SESSIONS


def train(session):
    with orchestrator.session() as run:
        own = random.Random(run.seed)
        state = run.keep(own=own, weights=[0.0, 0.0], sum=0.0)
        cut = CUTS.get(session)
        for step in run.steps():
            state.weights[step % 2] += random.gauss(0, 1) + own.random()
            state.sum += step
            if cut and step == cut[1]:
                os.kill(os.getpid(), getattr(signal, cut[0]))
            run.report(step, score=state.sum)
    if run.finished:
        (run.folder / "result.txt").write_text(str(state.sum))
        return run.outcome(verdict=Verdict.SUPPORTED, summary={"sum": state.sum})
    return run.outcome()


def run(context):
    return train(context.ticket.session)
'''

LEFT = "Left before the end of the training: 20 of 40 steps are saved. `break` saves nothing: call run.finish()"


def _project(tmp_path: Path, name: str, cuts: str) -> Path:
    root = make_toy_project(tmp_path / name)
    entry = root / "validation_ch7/section_7_6_rl_performance/entry.py"
    entry.write_text(ENTRY.replace("CUTS_OF_SESSIONS", cuts), encoding="utf-8")
    return root


def _parts(root: Path) -> tuple[bytes, bytes]:
    stem = root / MODELS / "checkpoints" / f"{SCENARIO}_checkpoint_40_steps"
    return stem.with_name(stem.name + ".zip").read_bytes(), stem.with_name(stem.name + ".state.npz").read_bytes()


def test_stopped_and_killed_sessions_end_with_the_bytes_of_one(tmp_path: Path) -> None:
    straight = _project(tmp_path, "straight", "{}")
    one = orchestrate(straight, *QUICK)
    assert (one.code, one.json["sessions"], one.json["verdict"]) == (0, 1, "supported"), one.err
    cut = _project(tmp_path, "cut", '{1: ("SIGTERM", 13), 2: ("SIGKILL", 27)}')
    stopped = orchestrate(cut, *QUICK)  # a session that was asked to stop ends the run
    assert (stopped.json["end_reason"], stopped.json["steps_done"]) == ("stopped", 14)
    three = orchestrate(cut, *QUICK)
    assert (three.code, three.json["steps_done"], three.json["resume_grade"]) == (0, 40, "exact"), three.err
    assert _parts(cut) == _parts(straight)
    survey = survey_checkpoints(cut / MODELS, SCENARIO)
    assert survey.faults == {} and survey.latest is not None and survey.latest.lowest_grade == "exact"
    assert [ancestor.steps for ancestor in survey.latest.ancestry] == [10, 14, 20, 30]


def test_damaged_newest_checkpoint_walks_back(tmp_path: Path) -> None:
    root = _project(tmp_path, "walk", "{}")
    orchestrate(root, *QUICK)
    before = _parts(root)
    (root / MODELS / "checkpoints" / f"{SCENARIO}_checkpoint_40_steps.zip").write_bytes(b"damaged")
    answer = orchestrate(root, "run", "section_7_6", "--quick")
    assert "Session 2: from 30 steps to 40 steps" in answer.out
    assert answer.code == 0 and _parts(root) == before


def test_report_and_results_come_back_with_the_session(tmp_path: Path) -> None:
    root = _project(tmp_path, "results", "{}")
    answer = orchestrate(root, *QUICK).json
    results = root / answer["results_dir"]
    assert next(results.rglob("result.txt")).read_text(encoding="utf-8") == str(float(sum(range(40))))
    lines = next(results.rglob("progress.jsonl")).read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["step"] for line in lines] == list(range(40))
    manifest = json.loads(next(results.rglob("session_manifest.json")).read_text(encoding="utf-8"))
    assert manifest["training"]["best_model_score"] == float(sum(range(40)))


def test_context_is_gone_after_the_session() -> None:
    from orchestrator.kernel.session.current import current_context

    assert current_context() is None


@pytest.mark.parametrize("floor", ["exact", "statistical"])
def test_what_cannot_be_kept_meets_the_floor_of_the_card(tmp_path: Path, floor: str) -> None:
    root = _project(tmp_path, "floor", '{1: ("SIGTERM", 13)}')
    entry = root / "validation_ch7/section_7_6_rl_performance/entry.py"
    entry.write_text(entry.read_text(encoding="utf-8").replace("sum=0.0)", "sum=0.0, extra=print)"), encoding="utf-8")
    card = read_card_file(root)
    card["resume_floor"] = floor
    write_card(root, card)
    answer = orchestrate(root, *QUICK)
    if floor == "exact":
        assert answer.json["end_reason"] == "refused", answer.err
        assert "extra: a value of type builtins.builtin_function" in answer.out + answer.err
    else:
        assert orchestrate(root, *QUICK).json["resume_grade"] == "statistical"


@pytest.mark.parametrize("inside", [False, True], ids=["outcome after the block", "outcome inside the block"])
def test_break_before_the_target_fails_once_with_the_remedy(tmp_path: Path, inside: bool) -> None:
    root = make_toy_project(tmp_path / "broken")
    entry = root / "validation_ch7/section_7_6_rl_performance/entry.py"
    text = ENTRY.replace("CUTS_OF_SESSIONS", "{}").replace("if cut and step == cut[1]:", "if step == 23:")
    leave = "return run.outcome()" if inside else "break"
    entry.write_text(text.replace("os.kill(os.getpid(), getattr(signal, cut[0]))", leave), encoding="utf-8")
    done = orchestrate(root, *QUICK)
    assert (done.code, done.json["end_reason"], done.json["steps_done"]) == (1, "section_failed", 20)
    assert LEFT in done.out + done.err
    (session,) = (root / "validation_output/results").glob("local_*")
    log = (session / "kernel.log").read_text(encoding="utf-8")
    assert log.count(LEFT) == 1 and "Traceback" not in log
    manifest = json.loads((session / "session_manifest.json").read_text(encoding="utf-8"))
    assert manifest["end_reason"] == "section_failed"


def test_an_entry_point_may_be_finished_where_it_leaves(tmp_path: Path) -> None:
    root = make_toy_project(tmp_path / "enough")
    entry = root / "validation_ch7/section_7_6_rl_performance/entry.py"
    text = ENTRY.replace("CUTS_OF_SESSIONS", "{}").replace("if cut and step == cut[1]:", "if step == 23:")
    text = text.replace("os.kill(os.getpid(), getattr(signal, cut[0]))", "run.finish()\n                break")
    entry.write_text(text, encoding="utf-8")
    assert LEFT not in orchestrate(root, *QUICK).err
