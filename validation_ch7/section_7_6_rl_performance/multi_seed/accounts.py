"""Reads the trainings of a campaign from its trial report, and verifies the outputs that the report names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from orchestrator.kernel.files.digests import sha256_file
from orchestrator.kernel.reporting.trial_report import CampaignReport, TrialReport, read_account
from orchestrator.kernel.session.manifest import Manifest, read_manifest
from orchestrator.kernel.wire import MANIFEST_NAME
from validation_ch7.section_7_6_rl_performance.multi_seed.load import PoolRefused, Training, read_training


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
