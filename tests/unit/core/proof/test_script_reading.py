"""What the text of a script shows: suspicious places, and kept names that the loop assigns."""

from __future__ import annotations

import pytest

from orchestrator.core.proof.hints import Suspect
from orchestrator.core.proof.script_reading import read_script

FRAME = """
import random, time, uuid
import numpy as np
import orchestrator

{before}
with orchestrator.session() as run:
    state = run.keep({kept})
    for step in run.steps():
        {body}
"""


def _read(before: str = "", kept: str = "a=1", body: str = "pass") -> list[tuple[Suspect, str]]:
    text = FRAME.format(before=before, kept=kept, body=body)
    return [(hint.suspect, hint.name) for hint in read_script(text.encode(), "train.py").hints]


@pytest.mark.parametrize(
    ("before", "kept", "body", "found"),
    [
        ("rng = np.random.default_rng(1)", "a=1", "x = rng.normal()", (Suspect.GENERATOR, "rng")),
        ("g = torch.Generator()", "a=1", "x = torch.rand(1, generator=g)", (Suspect.GENERATOR, "g")),
        ("env = gym.make('x')", "a=1", "env.step(0)", (Suspect.ENVIRONMENT, "env")),
        ("world = World()", "a=1", "world.reset(seed=1); world.step(0)", (Suspect.ENVIRONMENT, "world")),
        ("agent = Agent()", "a=1", "agent.learn()", (Suspect.OBJECT, "agent")),
        ("total = 0", "a=1", "total += 1", (Suspect.VARIABLE, "total")),
        ("total, other = 0, 1", "a=1", "total = total + 1", (Suspect.VARIABLE, "total")),
        ("seen = []", "a=1", "seen.append(step)", (Suspect.VARIABLE, "seen")),
        ("table = {}", "a=1", "table[step] = 1", (Suspect.VARIABLE, "table")),
        ("obs = reset()", "a=1", "obs = advance(obs)", (Suspect.VARIABLE, "obs")),
        ("", "a=1", "x = time.time()", (Suspect.CLOCK, "time.time()")),
        ("", "a=1", "x = uuid.uuid4()", (Suspect.CLOCK, "uuid.uuid4()")),
        ("rng = np.random.default_rng()", "rng=rng", "rng.normal()",
         (Suspect.CLOCK, "np.random.default_rng() without a seed")),
        ("names = {'a', 'b'}", "a=1", "[one for one in names]", (Suspect.HASH_ORDER, "names")),
        ("", "a=1", "x = list(set('ab'))", (Suspect.HASH_ORDER, "set('ab')")),
        ("", "a=1", "x = hash('a')", (Suspect.HASH_ORDER, "hash()")),
    ],
)  # fmt: skip
def test_mistake_is_suspected(before: str, kept: str, body: str, found: tuple[Suspect, str]) -> None:
    assert found in _read(before, kept, body)


@pytest.mark.parametrize(
    ("before", "kept", "body"),
    [
        ("rng = np.random.default_rng(1)", "rng=rng", "rng.normal()"),
        ("size = 3", "a=1", "x = size + step"),
        ("", "a=1", "x = 0; x += 1"),
        ("env = gym.make('x')", "world=[env]", "env.step(0)"),
        ("names = {'a', 'b'}", "a=1", "[one for one in sorted(names)]"),
        ("env.reset(seed=1)", "env=env", "env.reset()"),
        ("total = 0", "**parts", "total += 1"),
    ],
)
def test_right_script_is_not_suspected(before: str, kept: str, body: str) -> None:
    assert _read(before, kept, body) == []


@pytest.mark.parametrize(
    ("kept", "body", "assigned"),
    [
        ("w=w", "w = w - 1", {"w"}),
        ("weights=w", "w = w - 1", {"weights"}),
        ("best=0.0", "best = 1.0", {"best"}),
        ("w=agent.w", "agent.w = agent.w - 1", {"w"}),
        ("w=w", "state.w = state.w - 1", set()),
        ("w=w", "w = w - 1; state.w = w", set()),
        ("w=w", "w[0] -= 1", set()),
    ],
)
def test_assigned_names(kept: str, body: str, assigned: set[str]) -> None:
    text = FRAME.format(before="w = [1]", kept=kept, body=body)
    assert read_script(text.encode(), "train.py").assigned == assigned


def test_loop_of_its_own_is_read_too() -> None:
    loop = "    for step in range(run.start, 9):\n        total += 1\n        run.save(step)\n"
    text = "total = 0\nwith session() as run:\n" + loop
    assert [hint.name for hint in read_script(text.encode(), "t.py").hints] == ["total"]
