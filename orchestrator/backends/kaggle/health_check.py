"""The Kaggle checks of `doctor`, from this computer outwards; a failed one ends the list if the rest need it."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from orchestrator.backends.kaggle.client.api import KaggleApi
from orchestrator.backends.kaggle.client.auth import Account
from orchestrator.backends.kaggle.client.credentials import REMEDY, Credentials
from orchestrator.core.diagnostics.health_check import Check
from orchestrator.core.errors import RemoteUnavailable

LEAST_FREE_BYTES = 2 << 30
MOST_SKEW_S = 120.0


def examine(
    found: Callable[[], Sequence[Credentials]],
    sign_in: Callable[[Sequence[Credentials]], Account],
    api_of: Callable[[Account], KaggleApi],
    disk: Path,
) -> Iterator[Check]:
    """Run every check that spends and changes nothing.

    Args:
        found: Finds the credentials on this computer.
        sign_in: Uses them.
        api_of: Returns the API of an account.
        disk: Where results are written.
    """
    yield _versions()
    yield _disk(disk)
    try:
        credentials = found()
    except RemoteUnavailable as fault:
        yield Check(name="credentials", good=False, found=str(fault), remedy=fault.remedy)
        return
    if not credentials:
        yield Check(name="credentials", good=False, found="none on this computer", remedy=REMEDY)
        return
    forms = ", ".join(f"{one.form} ({one.source})" for one in credentials)
    yield Check(name="credentials", good=True, found=forms)
    try:
        account = sign_in(credentials)
        api = api_of(account)
        quotas = api.quotas()
    except RemoteUnavailable as fault:
        yield Check(name="account", good=False, found=str(fault), remedy=fault.remedy, remote=True)
        return
    yield Check(name="account", good=True, found=f"{account.name}, by {account.credentials.form}")
    yield _clock(account)
    for quota in quotas:
        if quota.resource == "GPU":
            left = f"{quota.left_s / 3600:.1f} h left of {quota.allowed_s / 3600:.1f} h"
            until = f"It refreshes at {quota.refresh_at:%Y-%m-%d %H:%M} UTC." if quota.refresh_at else ""
            yield Check(name="GPU quota", good=quota.left_s > 0, found=left, remedy=until, remote=True)
    yield Check(
        name="phone verification",
        good=None,
        found="not available through the API",
        remedy="GPU and internet need it: https://www.kaggle.com/settings must show a verified phone number.",
    )


def _versions() -> Check:
    names = ("kaggle", "kagglesdk", "requests")
    return Check(
        name="versions", good=True, found=", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    )


def _disk(folder: Path) -> Check:
    while not folder.exists():
        folder = folder.parent
    free_bytes = shutil.disk_usage(folder).free
    if not os.access(folder, os.W_OK):
        found = f"{free_bytes / 1e9:.1f} GB free, but {folder} cannot be written"
        return Check(
            name="disk", good=False, found=found, remedy="Change its permissions, or work in a copy of the project."
        )
    return Check(
        name="disk",
        good=free_bytes >= LEAST_FREE_BYTES,
        found=f"{free_bytes / 1e9:.1f} GB free",
        remedy="" if free_bytes >= LEAST_FREE_BYTES else "Free some space: outputs and checkpoints are copied here.",
    )


def _clock(account: Account) -> Check:
    skew_s = account.connection.clock_skew_s
    if skew_s is None:
        return Check(name="clock", good=None, found="the service sent no date")
    good = abs(skew_s) <= MOST_SKEW_S
    remedy = "" if good else "Set this computer's clock: signed addresses and tokens depend on it."
    return Check(name="clock", good=good, found=f"{skew_s:+.0f} s from Kaggle's", remedy=remedy)
