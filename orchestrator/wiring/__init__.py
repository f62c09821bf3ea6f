"""The only package that knows concrete classes: names in, objects out."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from orchestrator import __version__
from orchestrator.backends.local.backend import LocalBackend
from orchestrator.backends.local.installation import installed_versions
from orchestrator.core.checkpoint.compatibility import Compatibility, Intended, compare_checkpoint
from orchestrator.core.diagnostics.storage import long_path_fault
from orchestrator.core.errors import BadInput
from orchestrator.core.ledger.records import RunRecord, Stage
from orchestrator.core.section.card import SectionCard
from orchestrator.core.section.lineage import short
from orchestrator.core.session.slug import longest_inner_chars
from orchestrator.kernel.checkpoint.card import CheckpointCard
from orchestrator.kernel.files.storage import path_limit
from orchestrator.pipeline.context import RunContext
from orchestrator.ports import Backend, Clock, Narrator
from orchestrator.stores.checkpoint.models_dir import ModelsDirectory
from orchestrator.stores.ledger.reading import ledger_for_reading
from orchestrator.stores.ledger.sqlite import SqliteLedger
from orchestrator.stores.project import Project, require_unmoved, require_writable
from orchestrator.stores.proof.records import proof_of_code
from orchestrator.stores.secrets.outgoing import ALLOWED, Gate
from orchestrator.stores.secrets.rules import masking
from orchestrator.stores.session.code_bundle import CodeStore, FrozenCode
from orchestrator.stores.session.results import ResultsTree
from orchestrator.stores.system_clock import SystemClock


def _local(project: Project, card: SectionCard, clock: Clock) -> Backend:
    return LocalBackend(project.own / "local")


def _kaggle(project: Project, card: SectionCard, clock: Clock) -> Backend:
    from orchestrator.wiring.kaggle import kaggle_backend  # imported late: its client library takes half a second

    return kaggle_backend(card, clock)


def _brief_kaggle(project: Project, card: SectionCard, clock: Clock) -> Backend:
    from orchestrator.wiring.kaggle import kaggle_backend

    return kaggle_backend(card, clock, attempts=1)


def _slurm(project: Project, card: SectionCard, clock: Clock) -> Backend:
    from orchestrator.wiring.slurm import slurm_backend  # imported late: no other backend needs it

    return slurm_backend(project, card, clock)


def _brief_slurm(project: Project, card: SectionCard, clock: Clock) -> Backend:
    from orchestrator.wiring.slurm import slurm_backend

    return slurm_backend(project, card, clock, brief=True)


def _ray(project: Project, card: SectionCard, clock: Clock) -> Backend:
    from orchestrator.wiring.ray import ray_backend  # imported late: its client takes a second

    return ray_backend(card.ray)


LOCAL = "local"
"""The backend on this computer: a look at it costs no request."""

_Builder = Callable[[Project, SectionCard, Clock], Backend]

BACKENDS: Mapping[str, _Builder] = {LOCAL: _local, "kaggle": _kaggle, "slurm": _slurm, "ray": _ray}
"""Name -> function that builds it. A new backend is one line here."""


_BRIEF: Mapping[_Builder, _Builder] = {_kaggle: _brief_kaggle, _slurm: _brief_slurm}


def make_backend(
    name: str, project: Project, card: SectionCard, clock: Clock | None = None, *, brief: bool = False
) -> Backend:
    """The backend of that name; never a substitute.

    Args:
        brief: Whether a failed query is reported at once, because a person waits; else it is repeated.

    Raises:
        BadInput: There is no such backend.
        RemoteUnavailable: It cannot be used now: no credentials or no network.
    """
    if name not in BACKENDS:
        raise BadInput(f"there is no backend {name!r}", remedy=f"Known backends: {', '.join(BACKENDS)}.")
    build = BACKENDS[name]
    return (_BRIEF.get(build, build) if brief else build)(project, card, clock or SystemClock())


def open_runs(project: Project, card: SectionCard) -> list[RunRecord]:
    """Runs of a section that have not ended, oldest first. Creates no ledger."""
    with ledger_for_reading(project.own / "ledger.sqlite") as ledger:
        return [run for run in ledger.runs(card.lineage.id) if run.ended_at is None]


def backend_in_flight(project: Project, card: SectionCard) -> str | None:
    """Backend of the latest session of a training that is not closed; None without one."""
    with ledger_for_reading(project.own / "ledger.sqlite") as ledger:
        records = [one for one in ledger.sessions(card.lineage.id) if one.stage is not Stage.CLOSED]
    return records[-1].backend if records else None


def models_directory(project: Project, card: SectionCard) -> ModelsDirectory:
    """The models directory of a section's default run, or of a trial."""
    return ModelsDirectory(_models_path(project, card), card.scenario)


def _models_path(project: Project, card: SectionCard) -> Path:
    return project.models(card.directory, short(card.lineage.id) if card.trial else None)


def present_digest(project: Project) -> Callable[[SectionCard], str]:
    """Card -> digest of the present code of its section; the code of each section is read once."""
    return FrozenCode(CodeStore.of(project)).digest


def compatibility_in_place(
    project: Project,
    card: SectionCard,
    checkpoint: CheckpointCard,
    code_digest: Callable[[SectionCard], str] | None = None,
) -> Compatibility:
    """The grade at which a checkpoint would be continued with the present card and code.

    Args:
        code_digest: `present_digest` of a command that asks for several checkpoints.

    Raises:
        BadInput: The code cannot be packed.
    """
    # The library versions are known in advance only for sessions on this computer.
    local = card.backend == LOCAL
    device = card.kaggle.session_device if card.backend == "kaggle" else card.device
    intended = Intended(
        lineage=card.lineage,
        code_digest=(code_digest or present_digest(project))(card),
        versions=installed_versions() if local else {},
        device_class=None if device == "auto" else device,
    )
    return compare_checkpoint(checkpoint, intended)


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
    """Build everything that a run of a section needs.

    Args:
        only_look: Read only: create nothing, not even a folder.

    Raises:
        StorageFault: A folder cannot be written, or on Windows the project's path is too long.
        BadInput: Something else is in the place of a folder.
    """
    models = _models_path(project, card)
    ledger_path = project.own / "ledger.sqlite"
    if not only_look:
        inner_chars = longest_inner_chars(card.section, card.directory, card.scenario)
        if (fault := long_path_fault(str(project.state), inner_chars, path_limit())) is not None:
            raise fault
        for folder in (models.parent, project.results, project.own):
            require_writable(folder)
    gate = Gate(allowed=project.configs / ALLOWED)
    with ledger_for_reading(ledger_path) if only_look else closing(SqliteLedger(ledger_path, masking())) as ledger:
        yield RunContext(
            backend=backend,
            clock=clock or SystemClock(),
            ledger=ledger,
            models=models_directory(project, card),
            results=ResultsTree(project.results),
            code=CodeStore.of(project, gate),
            gate=gate,
            narrator=narrator,
            draw_token=lambda: secrets.token_hex(16),
            version=__version__,
            proven=partial(proof_of_code, project.own),
            require_home=require_unmoved(project.own),
        )
