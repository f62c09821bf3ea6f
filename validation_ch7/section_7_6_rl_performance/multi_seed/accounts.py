"""The trainings of a campaign, each traced from the orchestrator's account to the very outputs that it names."""

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
    """Read an account.

    Raises:
        PoolRefused: It is not one.
    """
    try:
        return read_account(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError) as fault:
        raise PoolRefused(f"{path} is no account of a campaign: {fault}") from fault


def accounted_trainings(account: CampaignReport) -> Iterator[Training]:
    """Every training that the account names.

    Raises:
        PoolRefused: What lies there is not what the account says.
    """
    for trial in account.trials:
        folder = Path(trial.results_dir)
        manifest = read_manifest(folder)
        if manifest is None:
            raise PoolRefused(f"{trial.variant} seed {trial.seed}: {folder} holds no manifest")
        _require_as_told(trial, manifest, folder)
        yield read_training(folder, manifest, trial.variant)


def _require_as_told(trial: TrialReport, manifest: Manifest, folder: Path) -> None:
    if sha256_file(folder / MANIFEST_NAME) != trial.manifest_sha256:
        raise PoolRefused(f"{trial.variant} seed {trial.seed}: the manifest in {folder} has changed since")
    stamp = {"lineage_id": trial.lineage_id, "run_id": trial.run_id, "bundle_digest": trial.code_digest}
    for name, expected in stamp.items():
        if manifest.stamp[name] != expected:
            raise PoolRefused(f"{trial.variant} seed {trial.seed}: {folder} is of another {name}")
