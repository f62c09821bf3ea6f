"""`run.sb3` inside kernel sessions: stopped and killed sessions end with the bytes of one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.kernel.checkpoint.survey import survey_checkpoints
from orchestrator.sb3.state.npz_tree import read_state, same_state
from tests.doubles.commands import orchestrate
from tests.doubles.toy_section import make_toy_project, read_card_file, write_card

MODELS = Path("validation_ch7/section_7_6_rl_performance/data/models")
SCENARIO = "traffic_light_control"
QUICK = ("run", "section_7_6", "--quick", "--json")
ENTRY = '''
"""A section made of a user's own stable-baselines3 training."""
import os
import signal

import gymnasium
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback

import orchestrator
from orchestrator.kernel.outcome import Verdict

CUTS = CUTS_OF_SESSIONS


class Cut(BaseCallback):
    def _on_step(self):
        name, steps = CUTS.get(SESSION, ("", 10**9))
        if self.num_timesteps == steps:
            os.kill(os.getpid(), getattr(signal, name))
        return True


def run(context):
    global SESSION
    SESSION = context.ticket.session
    with orchestrator.session() as run:
        env = gymnasium.make("CartPole-v1")
        model = run.sb3(lambda: PPO("MlpPolicy", env, seed=run.seed, n_steps=64, batch_size=32, n_epochs=2))
        model.learn(run.remaining, callback=[Cut(), run.callback], reset_num_timesteps=False)
    if run.paused:
        return run.outcome()
    return run.outcome(verdict=Verdict.SUPPORTED)
'''


def _project(tmp_path: Path, name: str, cuts: str) -> Path:
    root = make_toy_project(tmp_path / name)
    entry = root / "validation_ch7/section_7_6_rl_performance/entry.py"
    entry.write_text(ENTRY.replace("CUTS_OF_SESSIONS", cuts), encoding="utf-8")
    card = read_card_file(root)
    card["profiles"]["quick"] |= {"target_steps": 500, "checkpoint_every_steps": 100, "evaluate_every_steps": 500}
    write_card(root, card)
    return root


@pytest.mark.prove
def test_stopped_and_killed_sessions_end_with_the_bytes_of_one(tmp_path: Path) -> None:
    straight, cut = (
        _project(tmp_path, "straight", "{}"),
        _project(tmp_path, "cut", '{1: ("SIGTERM", 150), 2: ("SIGKILL", 350)}'),
    )
    one = orchestrate(straight, *QUICK)
    assert (one.code, one.json["sessions"], one.json["verdict"]) == (0, 1, "supported"), one.err
    stopped = orchestrate(cut, *QUICK)  # a session that was asked to stop ends the run
    assert (stopped.json["end_reason"], stopped.json["steps_done"]) == ("stopped", 192), stopped.err
    rest = orchestrate(cut, *QUICK)
    assert (rest.code, rest.json["steps_done"], rest.json["resume_grade"]) == (0, 512, "exact"), rest.err
    stems = [root / MODELS / "checkpoints" / f"{SCENARIO}_checkpoint_512_steps" for root in (straight, cut)]
    one_state, other_state = (read_state(stem.with_name(stem.name + ".state.npz")) for stem in stems)
    assert one_state.pop("provenance") != other_state.pop("provenance")
    assert same_state(one_state, other_state)
    for suffix in (".zip", ".kept.zip"):
        whole, chained = (stem.with_name(stem.name + suffix).read_bytes() for stem in stems)
        assert whole == chained
    survey = survey_checkpoints(cut / MODELS, SCENARIO)
    assert survey.faults == {} and survey.latest is not None and survey.latest.lowest_grade == "exact"
    assert (cut / MODELS / f"{SCENARIO}_final.zip").is_file()
    results = cut / rest.json["results_dir"]
    lines = next(results.rglob("progress.jsonl")).read_text(encoding="utf-8").splitlines()
    assert all("score" in json.loads(line) for line in lines) and lines
