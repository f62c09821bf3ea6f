"""Reads finished trainings, by the trial report of a campaign, from outputs that match their manifests."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.kernel.files.digests import first_fault, sha256_file
from orchestrator.kernel.outcome import KernelEnding, Verdict
from orchestrator.kernel.reporting.trial_report import CampaignReport, TrialReport, read_account
from orchestrator.kernel.session.manifest import Manifest, read_manifest
from orchestrator.kernel.wire import MANIFEST_NAME
from validation_ch7.section_7_6_rl_performance.controllers.families import CLASSICAL
from validation_ch7.section_7_6_rl_performance.write_results import SCENARIOS_NAME
from validation_ch7.traffic.model.arz import Floats

OF_THE_POLICY = "decision_s"
"""The environment's only setting that concerns the policy alone: the classical controllers decide every second."""

WORST_APPROACH = "worst_approach_s_per_veh"

ALSO = (WORST_APPROACH, "stops_per_veh", "throughput")
"""Measures that are reported beside the delay."""


class PoolRefused(ValueError):
    """The sessions cannot be evaluated together; the message gives the reason."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Training:
    """One finished training and the results of its comparison.

    Attributes:
        variant: Label that its seeds share.
        algorithm: Its algorithm.
        seed: Its seed.
        lineage_id: Its lineage.
        run_id: The run that finished it.
        ended_at: Time of its end, ISO 8601.
        terms: Conditions of the measurement: criteria, test and tuning scenarios, code, and the environment without
            `decision_s`.
        recipe: Conditions of the training: algorithm, network, hyper-parameters, target, and `decision_s`.
        delays_s: Controller -> delay per vehicle of each scenario, shape (n,), s.
        also: Measure of `ALSO` -> controller -> value of each scenario, shape (n,).
        wall_s: Seconds spent on each action of the session.
    """

    variant: str
    algorithm: str
    seed: int
    lineage_id: str
    run_id: str
    ended_at: str
    terms: Mapping[str, Any]
    recipe: Mapping[str, Any]
    delays_s: Mapping[str, Floats]
    also: Mapping[str, Mapping[str, Floats]]
    wall_s: Mapping[str, float]


def finished_trainings(results: Path, *, profile: str) -> list[Training]:
    """The newest finished session of each lineage below a results folder, by algorithm and seed.

    Args:
        results: Folder of session outputs, each with its manifest.
        profile: Sessions of other profiles are ignored.

    Raises:
        PoolRefused: A session's outputs are damaged, or its comparison is invalid.
    """
    newest: dict[str, Training] = {}
    for folder in sorted(path for path in results.iterdir() if path.is_dir()):
        manifest = read_manifest(folder)
        if manifest is None or manifest.outcome.ending is not KernelEnding.FINISHED:
            continue
        if manifest.spec.get("profile") != profile:
            continue
        training = read_training(folder, manifest)
        known = newest.get(training.lineage_id)
        if known is None or known.ended_at < training.ended_at:
            newest[training.lineage_id] = training
    return sorted(newest.values(), key=lambda training: (training.algorithm, training.seed))


def read_training(folder: Path, manifest: Manifest, variant: str | None = None) -> Training:
    """A finished training, from the session that evaluated it.

    Args:
        folder: The session's outputs.
        manifest: The session's manifest.
        variant: Label; None for the algorithm's name.

    Raises:
        PoolRefused: The outputs are damaged, or the comparison is invalid.
    """
    fault = first_fault(tuple(manifest.files), folder)
    if fault:
        raise PoolRefused(f"{folder.name} is damaged: {fault}")
    if manifest.outcome.verdict is Verdict.INVALID:
        raise PoolRefused(f"{folder.name} is invalid: {'; '.join(manifest.outcome.verdict_reasons)}")
    spec, lineage = manifest.spec, manifest.spec["lineage"]
    path = folder / spec["section_dir"] / "data" / "metrics" / SCENARIOS_NAME
    measured = _by_controller(path.read_text("utf-8"), manifest, ("delay_s_per_veh", *ALSO))
    missing = [name for name in CLASSICAL if name not in measured["delay_s_per_veh"]]
    if missing:
        raise PoolRefused(
            f"{folder.name} has no result of {', '.join(missing)}: it was made by other code. Run the training again,"
            " or evaluate it with the code that made it."
        )
    crossing = {name: value for name, value in lineage["environment"].items() if name != OF_THE_POLICY}
    return Training(
        variant=variant or lineage["algorithm"],
        algorithm=lineage["algorithm"],
        seed=lineage["seed"],
        lineage_id=manifest.stamp["lineage_id"],
        run_id=manifest.stamp["run_id"],
        ended_at=manifest.ended_at,
        terms={
            "environment": crossing,
            **{name: spec[name] for name in ("criteria", "evaluation_scenarios")},
            # The classical controllers were tuned on these; with another number they would be other controllers.
            "tuning_scenarios": lineage["hyper_parameters"]["selection_scenarios"],
            "bundle_digest": manifest.stamp["bundle_digest"],
        },
        recipe={
            **{name: lineage[name] for name in ("algorithm", "network", "hyper_parameters")},
            "target_steps": spec["target_steps"],
            OF_THE_POLICY: lineage["environment"].get(OF_THE_POLICY),
        },
        delays_s=measured["delay_s_per_veh"],
        also={name: measured[name] for name in ALSO},
        wall_s=dict(manifest.timings_s),
    )


def _by_controller(text: str, manifest: Manifest, measures: tuple[str, ...]) -> dict[str, dict[str, Floats]]:
    """Measure -> controller -> values in the order of the scenarios."""
    rows: dict[str, list[dict[str, str]]] = {}
    for row in csv.DictReader(io.StringIO(text)):
        if row["nonce"] != manifest.stamp["nonce"]:
            raise PoolRefused(f"{manifest.stamp['run_id']} holds a row of another session")
        known = rows.setdefault(row["controller"], [])
        if int(row["scenario"]) != len(known):
            raise PoolRefused(f"{manifest.stamp['run_id']} skips a scenario of {row['controller']}")
        known.append(row)
    return {
        measure: {name: np.array([float(row[measure]) for row in own]) for name, own in rows.items()}
        for measure in measures
    }


def campaign_of(path: Path) -> CampaignReport:
    """Read the trial report of a campaign.

    Raises:
        PoolRefused: The file is not a trial report.
    """
    try:
        return read_account(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError) as fault:
        raise PoolRefused(f"{path} is not the trial report of a campaign: {fault}") from fault


def accounted_trainings(account: CampaignReport) -> Iterator[Training]:
    """Every training in the report.

    Raises:
        PoolRefused: The outputs of a training do not match the report.
    """
    for trial in account.trials:
        folder = Path(trial.results_dir)
        manifest = read_manifest(folder)
        if manifest is None:
            raise PoolRefused(f"{trial.variant} seed {trial.seed}: {folder} holds no manifest")
        _require_match(trial, manifest, folder)
        yield read_training(folder, manifest, trial.variant)


def _require_match(trial: TrialReport, manifest: Manifest, folder: Path) -> None:
    if sha256_file(folder / MANIFEST_NAME) != trial.manifest_sha256:
        raise PoolRefused(f"{trial.variant} seed {trial.seed}: the manifest in {folder} changed after the report")
    stamp = {"lineage_id": trial.lineage_id, "run_id": trial.run_id, "bundle_digest": trial.code_digest}
    for name, expected in stamp.items():
        if manifest.stamp[name] != expected:
            raise PoolRefused(f"{trial.variant} seed {trial.seed}: {folder} has another {name} than the report")
