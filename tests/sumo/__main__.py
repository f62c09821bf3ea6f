"""`make prove-sumo`: section 7.6's controllers in SUMO, without changes; prints and writes tables and delays."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from tests.sumo.calibration import measure_discharge, saturated
from tests.sumo.comparison import SUMO_PROGRAMME, InSumo, evaluate_here, scenarios_at, tuned_controllers
from tests.sumo.drivers import OWN, WITH_LAW
from tests.sumo.hour import SumoCrossing, build_crossing
from tests.sumo.open_road import measure_open_road
from tests.sumo.policy import load_policy
from tests.sumo.process import SumoFailed, SumoProcess
from tests.sumo.rows import Delays, Row, disagreements
from tests.sumo.tables import cause_table, delay_table, discharge_table, plain, policy_table
from validation_ch7.section_7_6_rl_performance.controllers.interface import Controller
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.env.simulation import CrossingSimulation

ROOT = Path(__file__).parents[2]
CARD = ROOT / "configs/sections/section_7_6.yaml"
MODELS = ROOT / "validation_ch7/section_7_6_rl_performance/data/models"
N_TUNING = 20
_CALIBRATION_S = 1200.0


def say(line: str) -> None:
    """Progress goes to standard error, tables to standard output."""
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    """Measure, print, write: 0 if both agree under one speed law, 1 if not, 2 without SUMO or a fitting policy."""
    parser = argparse.ArgumentParser(prog="python -m tests.sumo", description=__doc__)
    parser.add_argument("--scenarios", type=int, default=20, help="number of test scenarios (hours)")
    parser.add_argument("--first", type=int, default=20, help="index of the first test scenario")
    parser.add_argument("--models", type=Path, nargs="+", default=[MODELS], help="folders data/models of trainings")
    parser.add_argument("--out", type=Path, default=ROOT / "build/sumo")
    chosen = parser.parse_args()
    environment = yaml.safe_load(CARD.read_text(encoding="utf-8"))["environment"]
    hours = range(chosen.first, chosen.first + chosen.scenarios)
    try:
        lineup = Lineup.of(environment, chosen.models)
        with SumoProcess() as sumo, tempfile.TemporaryDirectory() as scratch:
            lines, found = _measure(build_crossing(lineup.settings, Path(scratch), sumo), lineup, hours)
    except (SumoFailed, FileNotFoundError, ValueError) as fault:
        say(str(fault))
        return 2
    _write(chosen.out, lines, found)
    return 1 if found["disagreements"] else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineup:
    """The controllers to compare.

    Attributes:
        settings: The crossing of the card.
        controllers: Each controller with the `environment` block of its evaluation and its description.
        policies: Names of those that are learned policies.
    """

    settings: EnvironmentSettings
    controllers: Sequence[tuple[Controller, Mapping[str, Any], str]]
    policies: Sequence[str]

    @classmethod
    def of(cls, environment: Mapping[str, Any], models: Sequence[Path], *, n_tuning: int = N_TUNING) -> Lineup:
        """The tuned controllers, and the best policies of these folders.

        Raises:
            ValueError: A policy was trained for another crossing.
        """
        learned = []
        for number, folder in enumerate(models, 1):
            policy, block = load_policy(folder, f"policy_{number}")
            if _crossing_of(block) != _crossing_of(environment):
                raise ValueError(f"the policy in {folder} was trained for another crossing than that of the card")
            learned.append((policy, block, f"a decision every {policy.resolution_s:g} s"))
        tuned = tuned_controllers(environment, n_tuning)
        return cls(
            settings=EnvironmentSettings.from_mapping(environment),
            controllers=[*((one, environment, text) for one, text in tuned), *learned],
            policies=[policy.name for policy, *_ in learned],
        )


def _crossing_of(block: Mapping[str, Any]) -> dict[str, float]:
    """What two cards must have in common: all but how often a policy decides, what it sees and how it learns."""
    described = EnvironmentSettings.from_mapping(block).describe()
    del described["decision_s"]
    return described


def _measure(crossing: SumoCrossing, lineup: Lineup, hours: range) -> tuple[list[str], dict[str, Any]]:
    """Tables as Markdown lines, and everything as plain JSON."""
    here = {controller.name: evaluate_here(controller, block, hours) for controller, block, _ in lineup.controllers}
    lines = [f"* {controller.name}: {text}" for controller, _, text in lineup.controllers]
    found: dict[str, Any] = {"hours": list(hours), "drivers": []}
    for drivers in (WITH_LAW, OWN):
        more, kind = _with_drivers(replace(crossing, drivers=drivers), lineup, here, hours)
        lines += ["", f"## {drivers.name}", "", *more]
        found["drivers"].append(kind)
    required, _ = found["drivers"]
    return lines, {**found, "disagreements": required["disagreements"]}


def _with_drivers(
    crossing: SumoCrossing, lineup: Lineup, here: Mapping[str, Delays], hours: range
) -> tuple[list[str], dict[str, Any]]:
    """Tables and plain JSON of one kind of SUMO's drivers."""
    drivers = crossing.drivers
    short = replace(lineup.settings, episode_s=_CALIBRATION_S)
    queues = saturated(short)
    ours = measure_discharge(CrossingSimulation(short, [queues]))
    with replace(crossing, settings=short).running(queues) as simulation:
        sumo = measure_discharge(simulation)
    say(f"{drivers.name}: queue discharge {ours} here, {sumo} in SUMO")
    scenarios = scenarios_at(lineup.settings, hours)
    inside = InSumo(crossing=crossing, scenarios=scenarios, say=say)
    rows = [measure_open_road(crossing, scenarios)]
    if not drivers.with_law:  # SUMO's own programme knows no lost times of a light
        rows.append(Row(name=SUMO_PROGRAMME, sumo=inside.evaluate(None)))
    for controller, _, _ in lineup.controllers:
        rows.append(Row(name=controller.name, ours=here[controller.name], sumo=inside.evaluate(controller)))
    wrong = disagreements(rows)
    lines = [
        *discharge_table(ours, sumo),
        *("", *delay_table(rows), "", *cause_table(rows)),
        *("", *policy_table(rows, [row for row in rows if row.name in lineup.policies]), ""),
        *(wrong or ["The two simulators agree."]),
    ]
    return lines, {
        "name": drivers.name,
        "attributes": drivers.vehicle_type(lineup.settings),
        "law": drivers.law(lineup.settings),
        "discharge": {"ours": asdict(ours), "sumo": asdict(sumo)},
        "delays": {row.name: {"ours": plain(row.ours), "sumo": plain(row.sumo)} for row in rows},
        "disagreements": wrong,
    }


def _write(folder: Path, lines: Sequence[str], found: Mapping[str, Any]) -> None:
    text = "\n".join(lines)
    print(text)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sumo.md").write_text(text + "\n", encoding="utf-8")
    (folder / "sumo.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
