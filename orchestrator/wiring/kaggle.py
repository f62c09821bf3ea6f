"""Builds what speaks to Kaggle. Imported late: the client library takes half a second."""

from __future__ import annotations

import random
import secrets
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from orchestrator.backends.kaggle.backend import MAX_SCRIPT_BYTES, VISIBILITY_S, KaggleBackend
from orchestrator.backends.kaggle.client.api import KaggleApi
from orchestrator.backends.kaggle.client.auth import Account, sign_in
from orchestrator.backends.kaggle.client.credentials import candidates, home_folder
from orchestrator.backends.kaggle.client.datasets_api import DatasetsApi
from orchestrator.backends.kaggle.client.retry import Patience, Retry
from orchestrator.backends.kaggle.diagnosis.first_session import FirstSession
from orchestrator.backends.kaggle.diagnosis.probe_dataset import ProbeDataset
from orchestrator.backends.kaggle.diagnosis.probe_sessions import Durations, ProbeSessions
from orchestrator.backends.kaggle.diagnosis.push_check import PushCheck
from orchestrator.backends.kaggle.health_check import examine
from orchestrator.backends.kaggle.session.checkpoint_dataset import CheckpointDataset
from orchestrator.core.diagnostics.health_check import Check
from orchestrator.core.diagnostics.masking import Mask
from orchestrator.core.secret_search import SecretValue
from orchestrator.core.section.card import SectionCard
from orchestrator.core.section.kaggle import KaggleSettings
from orchestrator.core.session.backend_types import Push
from orchestrator.core.session.time_budget import Quota
from orchestrator.ports import Clock
from orchestrator.stores.project import Project
from orchestrator.stores.secrets.in_use import secrets_in_use
from orchestrator.stores.system_clock import SystemClock


def kaggle_backend(card: SectionCard, clock: Clock, attempts: int | None = None) -> KaggleBackend:
    """The Kaggle backend of a section.

    Args:
        attempts: How often a query is tried; None for the usual number.

    Raises:
        RemoteUnavailable: No credentials, or Kaggle cannot be reached.
    """
    return KaggleBackend(*_parts(card, clock, attempts))


def _parts(
    card: SectionCard, clock: Clock, attempts: int | None = None
) -> tuple[KaggleApi, CheckpointDataset, KaggleSettings, Retry]:
    retry = _retry(clock, None if attempts is None else Patience(attempts=attempts))
    account = sign_in(candidates(), now=clock.now, retry=retry)
    datasets = DatasetsApi(account.connection, account.name, retry)
    return _api(account, retry), CheckpointDataset(datasets, clock), card.kaggle, retry


def kaggle_quotas() -> tuple[str, tuple[Quota, ...]]:
    """Account name and weekly quotas.

    Raises:
        RemoteUnavailable: No credentials, or Kaggle cannot be reached.
    """
    clock = SystemClock()
    retry = _retry(clock)
    account = sign_in(candidates(), now=clock.now, retry=retry)
    return account.name, _api(account, retry).quotas()


def kaggle_checkup(project: Project) -> Iterator[Check]:
    """The Kaggle checks of `doctor`, one after another."""
    clock = SystemClock()
    # Only one repetition, since a person waits: enough to survive a single failed request.
    retry = _retry(clock, Patience(attempts=2))
    return examine(
        candidates,
        lambda found: sign_in(found, now=clock.now, retry=retry),
        lambda account: _api(account, retry),
        project.results,
    )


def kaggle_backend_without_quota(card: SectionCard) -> KaggleBackend:
    """The Kaggle backend of a section that prepares a push whatever is left of the quota.

    Raises:
        RemoteUnavailable: No credentials, or Kaggle cannot be reached.
    """
    return _WithoutQuota(*_parts(card, SystemClock()))


class _WithoutQuota(KaggleBackend):
    def quota(self) -> Quota | None:
        return None


def kaggle_push_check(push: Push, report: Callable[[Check], None]) -> None:
    """Save the script of a push without a session, read it back and delete it; each step is reported at once.

    Raises:
        RemoteUnavailable: No credentials, or Kaggle cannot be reached.
    """
    clock = SystemClock()
    retry = _retry(clock, Patience(attempts=3))
    api = _api(sign_in(candidates(), now=clock.now, retry=retry), retry)
    PushCheck(api, clock, report, most_bytes=MAX_SCRIPT_BYTES, visible_s=VISIBILITY_S).run(push)


def kaggle_first_session(
    progress: Callable[[str], None], durations: Durations | None = None
) -> tuple[list[Check], dict[str, Any], Mask]:
    """Run the sessions of `doctor --first-session`.

    Returns:
        The rows of the report, and what the sessions said of their machine, both without user name and secrets; and
        what removes these from other texts.

    Raises:
        RemoteUnavailable: No credentials, or Kaggle cannot be reached.
    """
    clock, durations = SystemClock(), durations or Durations()
    retry = _retry(clock, Patience(attempts=3))
    account = sign_in(candidates(), now=clock.now, retry=retry)
    values = (*secrets_in_use(), SecretValue(name="token", value=account.credentials.secret))
    mask = Mask(account.name, values, str(home_folder()))
    with tempfile.TemporaryDirectory() as folder:
        datasets = DatasetsApi(account.connection, account.name, retry)
        dataset = ProbeDataset(datasets, clock, Path(folder), durations.patience_s)
        api = _api(account, retry)
        sessions = ProbeSessions(api, clock, secrets.token_hex(8), durations)
        session = FirstSession(api, sessions, dataset, clock, lambda line: progress(mask.text(line)), durations)
        rows = session.run()
    return [mask.check(row) for row in rows], mask.plain(session.facts), mask


def _retry(clock: Clock, patience: Patience | None = None) -> Retry:
    return Retry(clock, random.SystemRandom().uniform, patience)


def _api(account: Account, retry: Retry) -> KaggleApi:
    return KaggleApi(account.connection, account.name, retry)
