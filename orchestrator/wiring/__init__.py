"""The only room that knows concrete classes: names in, objects out."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from orchestrator import __version__
from orchestrator.backends.local.backend import LocalBackend
from orchestrator.backends.local.installation import installed_versions
from orchestrator.core.checkpoint.compatibility import Compatibility, Intended, compare
from orchestrator.core.diagnostics.health_check import Check
from orchestrator.core.errors import BadInput
from orchestrator.core.ledger.records import RunRecord
from orchestrator.core.section.card import SectionCard
from orchestrator.core.section.lineage import short
from orchestrator.core.session.backend_types import Quota
from orchestrator.kernel.checkpoint.card import CheckpointCard
from orchestrator.pipeline.context import RunContext
from orchestrator.ports import Backend, Clock, Narrator
from orchestrator.stores.checkpoint.models_dir import ModelsDirectory
from orchestrator.stores.ledger.reading import ledger_for_reading
from orchestrator.stores.ledger.sqlite import SqliteLedger
from orchestrator.stores.project import Project, require_writable
from orchestrator.stores.secrets.outgoing import Gate
from orchestrator.stores.session.code_bundle import CodeStore
from orchestrator.stores.session.results import ResultsTree
from orchestrator.stores.system_clock import SystemClock


def _local(project: Project, card: SectionCard, clock: Clock) -> Backend:
    return LocalBackend(project.own / "local")


def _kaggle(project: Project, card: SectionCard, clock: Clock) -> Backend:
    # Imported late: the client library takes half a second that no other command pays.
    from orchestrator.backends.kaggle.backend import KaggleBackend
    from orchestrator.backends.kaggle.client.api import KaggleApi
    from orchestrator.backends.kaggle.client.auth import sign_in
    from orchestrator.backends.kaggle.client.credentials import candidates
    from orchestrator.backends.kaggle.client.datasets_api import DatasetsApi
    from orchestrator.backends.kaggle.client.retry import Retry
    from orchestrator.backends.kaggle.session.checkpoint_dataset import CheckpointDataset

    retry = Retry(clock, random.SystemRandom().uniform)
    account = sign_in(candidates(), now=clock.now, retry=retry)
    storage = DatasetsApi(account.connection, account.name, retry)
    gateway = KaggleApi(account.connection, account.name, retry)
    return KaggleBackend(gateway, CheckpointDataset(storage, clock), card.kaggle, retry)


BACKENDS: Mapping[str, Callable[[Project, SectionCard, Clock], Backend]] = {"local": _local, "kaggle": _kaggle}
"""Name -> how to build it. A new backend is one line here."""


def make_backend(name: str, project: Project, card: SectionCard, clock: Clock | None = None) -> Backend:
    """The backend of that name. Never another one in its place.

    Raises:
        BadInput: There is no such backend.
        RemoteUnavailable: It cannot be used here: no credentials, no network.
    """
    if name not in BACKENDS:
        raise BadInput(f"there is no backend {name!r}", remedy=f"Known backends: {', '.join(BACKENDS)}.")
    return BACKENDS[name](project, card, clock or SystemClock())


def kaggle_quotas() -> tuple[str, tuple[Quota, ...]]:
    """Account name and weekly quotas.

    Raises:
        RemoteUnavailable: No credentials, or the service is away.
    """
    from orchestrator.backends.kaggle.client.api import KaggleApi
    from orchestrator.backends.kaggle.client.auth import sign_in
    from orchestrator.backends.kaggle.client.credentials import candidates
    from orchestrator.backends.kaggle.client.retry import Retry

    clock = SystemClock()
    retry = Retry(clock, random.SystemRandom().uniform)
    account = sign_in(candidates(), now=clock.now, retry=retry)
    return account.name, KaggleApi(account.connection, account.name, retry).quotas()


def kaggle_checkup(project: Project) -> Iterator[Check]:
    """The doctor's findings, one after another."""
    from orchestrator.backends.kaggle.client.api import KaggleApi
    from orchestrator.backends.kaggle.client.auth import sign_in
    from orchestrator.backends.kaggle.client.credentials import candidates
    from orchestrator.backends.kaggle.client.retry import Patience, Retry
    from orchestrator.backends.kaggle.health_check import examine

    clock = SystemClock()
    # A person waits for the answer: one repetition tells a hiccup from an outage.
    retry = Retry(clock, random.SystemRandom().uniform, Patience(attempts=2))
    return examine(
        candidates,
        lambda found: sign_in(found, now=clock.now, retry=retry),
        lambda account: KaggleApi(account.connection, account.name, retry),
        project.results,
    )


def open_runs(project: Project, card: SectionCard) -> list[RunRecord]:
    """Runs of a section that have not ended, oldest first; asking creates nothing, but may update an older ledger."""
    with ledger_for_reading(project.own / "ledger.sqlite") as ledger:
        return [run for run in ledger.runs(card.lineage.id) if run.ended_at is None]


def models_directory(project: Project, card: SectionCard) -> ModelsDirectory:
    """The models directory of a section's default run, or of a trial."""
    return ModelsDirectory(_models_path(project, card), card.scenario)


def _models_path(project: Project, card: SectionCard) -> Path:
    return project.models(card.directory, short(card.lineage.id) if card.trial else None)


def compatibility_in_place(project: Project, card: SectionCard, checkpoint: CheckpointCard) -> Compatibility:
    """How exact it would be to continue a checkpoint with the card and the code as they are now.

    Raises:
        BadInput: The code cannot be packed.
    """
    # Only of sessions on this computer are the libraries known before they start.
    local = card.backend == "local"
    device = card.device if local else card.kaggle.device
    intended = Intended(
        lineage=card.lineage,
        code_digest=CodeStore(project.code).digest(),
        versions=installed_versions() if local else {},
        device_class=None if device == "auto" else device,
    )
    return compare(checkpoint.identity, intended, has_state=checkpoint.has_state)


@contextmanager
def assemble(
    project: Project,
    card: SectionCard,
    backend: Backend,
    narrator: Narrator,
    *,
    clock: Clock | None = None,
    only_look: bool = False,
) -> Iterator[RunContext]:
    """Everything that a run of a section needs.

    Args:
        only_look: Create nothing, not even a folder.

    Raises:
        BadInput: A folder that must be written cannot be.
    """
    models = _models_path(project, card)
    ledger_path = project.own / "ledger.sqlite"
    if not only_look:
        for folder in (models.parent, project.results, project.own):
            require_writable(folder)
    gate = Gate()
    with ledger_for_reading(ledger_path) if only_look else closing(SqliteLedger(ledger_path)) as ledger:
        yield RunContext(
            backend=backend,
            clock=clock or SystemClock(),
            ledger=ledger,
            models=models_directory(project, card),
            results=ResultsTree(project.results),
            code=CodeStore(project.code, gate),
            gate=gate,
            narrator=narrator,
            draw_token=lambda: secrets.token_hex(16),
            version=__version__,
        )
