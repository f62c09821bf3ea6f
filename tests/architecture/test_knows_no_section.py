"""`orchestrator/` serves any section: it holds no fact of the traffic that section 7.6 simulates."""

from __future__ import annotations

import re

import pytest

from tests.conftest import PROJECT_ROOT

_WORDS = (
    "traffic crossing crossings crossroads junction junctions signalised signalized vehicle vehicles veh lane lanes "
    "road roads street streets urban car cars pedestrian pedestrians headway jam rho density densities "
    "queue queues inflow outflow demand demands approach approaches stop_line green greens yellow all_red lost_s "
    "start_up_lost decision_s episode_s dx_m dt_s vf_m_s free_speed arrival_bin link_length speed_limit "
    "arz aw rascle zhang lighthill numba_kernel sumo libsumo uxsim thesis "
    "controller controllers baseline baselines webster actuated max_pressure longest_queue sotl fixed_time fixed_plan "
    "constant_ns constant_ew delay_s delay_pct min_delay mean_delay two_phase stop_counter space_time"
)
"""Whole words, also within a name: `lane` is found in `n_lanes` and in `LaneCount`, not in `planes`."""

_ALLOWED = (
    "[Bb]aselines3",  # a library
    r"\b_FIXED_TIME\b",  # of the members of a zip
    "arz-validation-",  # the names of kernels and data sets that users know
    "arz-checkpoints-",
    "may demand `exact`",  # as a verb
    "demands resume_floor",
    "queue, machine, libraries",  # of a backend
    r"\btime_queue\b",  # an attribute of gymnasium
)
_CLASSES = re.compile(r"\b(Crossing|Criteria|Criterion)\b")
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_FACTS = re.compile(rf"_({'|'.join(_WORDS.split())})(?=_)")


def _facts(line: str) -> list[str]:
    for allowed in _ALLOWED:
        line = re.sub(allowed, "", line)
    joined = "_".join(["", *(part.lower() for part in _PARTS.findall(line)), ""])
    return [*_FACTS.findall(joined), *_CLASSES.findall(line)]


@pytest.mark.parametrize(
    ("line", "facts"),
    [
        ("n_lanes = 2", ["lanes"]),
        ("class TrafficWorld:", ["traffic"]),
        ('("metric", "controller", "value")', ["controller"]),
        ("a queue of veh/s", ["queue", "veh"]),
        ("fixed_time, vf_m_s", ["fixed_time", "vf_m_s"]),
        ("criteria: Criteria", ["Criteria"]),
        ("airplanes and scars, a signal handler", []),
        ("f'arz-validation-{section}'", []),
    ],
)
def test_facts_are_found_as_whole_words(line: str, facts: list[str]) -> None:
    assert _facts(line) == facts


def test_no_file_of_the_orchestrator_names_traffic() -> None:
    found = {
        f"{path.relative_to(PROJECT_ROOT)}:{number}: {hit}"
        for folder in ("orchestrator", "kernel_templates")
        for path in sorted((PROJECT_ROOT / folder).rglob("*"))
        if path.suffix in (".py", ".md", ".j2", ".yaml", ".yml", ".toml", ".json")
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        for hit in _facts(line)
    }
    assert not found
