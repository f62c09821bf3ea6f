"""`validation_output/results/`: the fetched outputs of sessions, verified before they are used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from orchestrator.core.checkpoint.inventory import FetchedCheckpoints
from orchestrator.core.ledger.records import SessionRecord
from orchestrator.core.reporting.learning_curve import SessionCurve
from orchestrator.core.section.size_limits import MOST_WHOLE
from orchestrator.core.session.backend_types import Handle
from orchestrator.core.session.slug import results_folder
from orchestrator.kernel.checkpoint.card import CheckpointCard
from orchestrator.kernel.checkpoint.normalization_file import normalization_path, read_normalization
from orchestrator.kernel.checkpoint.save import KEPT_CHECKPOINTS
from orchestrator.kernel.checkpoint.survey import survey_checkpoints
from orchestrator.kernel.files.digests import file_entry, first_fault, sha256_file
from orchestrator.kernel.session.manifest import Manifest, read_manifest
from orchestrator.kernel.wire import (
    CHECKPOINTS,
    MANIFEST_NAME,
    METADATA_NAME,
    FileEntry,
    Ticket,
    checkpoint_steps,
    final_model_name,
    models_path,
)
from orchestrator.stores.checkpoint.entries import best_model_entries, checkpoint_entries, describes
from orchestrator.stores.session.event_log import evaluations_in, session_curve
from orchestrator.stores.session.results_author import author_of

_ROLLOUT_STEPS = 1 << 20
"""More than any rollout; a session exceeds its target by less than one."""


def fetched_folder(results: Path, record: SessionRecord) -> Path | None:
    """The fetched outputs of a session; None if they are nowhere.

    The ledger states an absolute path. A project that was moved or copied has its own outputs below its present folder:
    these count first, because the path may be of the original.

    Args:
        results: `validation_output/results` of the project.
    """
    recorded = [] if record.results_dir is None else [Path(record.results_dir)]
    places = [results / path.name for path in recorded]
    if record.handle:
        places.append(results / results_folder(Handle.parse(record.handle).owner, record.slug))
    return next((place for place in (*places, *recorded) if is_folder(place)), None)


def is_folder(path: Path) -> bool:
    """Whether a path that another computer wrote is a folder that can be looked at."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


class ResultsTree:
    """The results folder of a project.

    Args:
        root: `validation_output/results`.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def folder(self, owner: str, slug: str) -> Path:
        """Where a session's outputs go."""
        return self._root / results_folder(owner, slug)

    def taken(self, owner: str) -> Sequence[str]:
        """Slugs of this owner that already have a folder."""
        prefix = results_folder(owner, "")
        return [path.name.removeprefix(prefix) for path in sorted(self._root.glob(f"{prefix}*"))]

    def author(self, folder: Path, section_dir: str, scenario: str) -> Ticket | None:
        """Ticket of the session that wrote a results folder, as the folder states it; None if it states none."""
        return author_of(folder, section_dir, scenario)

    def manifest(self, folder: Path) -> tuple[Manifest | None, tuple[str, ...]]:
        """The manifest of a session, and the faults of the outputs that it lists."""
        try:
            manifest = read_manifest(folder)
        except ValueError as fault:
            return None, (str(fault),)
        if manifest is None:
            return None, ()
        return manifest, tuple(_output_faults(manifest, folder))

    def discard_foreign_manifest(self, folder: Path, nonce: str) -> None:
        """Delete the manifest in a results folder unless it has this nonce.

        A stale listing has left it. A later fetch that finds no manifest takes that of an earlier fetch.
        """
        try:
            manifest = read_manifest(folder)
        except ValueError:
            return  # unreadable: a fetch does not take it
        if manifest is not None and manifest.stamp.get("nonce") != nonce:
            (folder / MANIFEST_NAME).unlink(missing_ok=True)

    def manifest_sha256(self, folder: Path) -> str:
        """Digest of the manifest's file."""
        return sha256_file(folder / MANIFEST_NAME)

    def evaluations(self, folder: Path) -> tuple[tuple[int, float], ...]:
        """Evaluations that a session reported in its event file, oldest first: steps and score."""
        return evaluations_in(folder)

    def stretch(self, record: SessionRecord) -> SessionCurve | None:
        """The learning curve of a session; None for one that never trained.

        Raises:
            RunFailed: Its event file is damaged, or of another session.
        """
        folder = fetched_folder(self._root, record)
        return session_curve(record if folder is None else replace(record, results_dir=str(folder)))

    def incoming(self, folder: Path, ticket: Ticket) -> FetchedCheckpoints:
        """The files of a session for the models directory.

        Only checkpoints that this session saved or was given are accepted; others would be old results of another
        session.
        """
        root = models_path(folder, ticket.section_dir)
        scenario = str(ticket.spec["scenario"])
        survey = survey_checkpoints(root, scenario)
        faults = dict(survey.faults)
        own: list[CheckpointCard] = []
        least_steps, most_steps = _own_steps(folder, ticket)
        for card in survey.verified:
            if not (own_stamp := _has_stamp(card, ticket)) and not _is_given(card, ticket, root):
                faults[card.stem] = "it was saved by another session"
            elif card.steps > most_steps:
                faults[card.stem] = f"it states {card.steps} steps, but the session can have done {most_steps} at most"
            elif own_stamp and least_steps is not None and card.steps < least_steps:
                faults[card.stem] = f"it states {card.steps} steps, but the session began at {least_steps}"
            else:
                own.append(card)
        kept = tuple(own[:KEPT_CHECKPOINTS])
        entries: list[FileEntry] = []
        if kept:
            entries = [*checkpoint_entries(root, kept), *_beside(root, kept[0], ticket, scenario)]
        return FetchedCheckpoints(root=root, verified=kept, entries=tuple(entries), faults=faults)


def _output_faults(manifest: Manifest, folder: Path) -> Iterator[str]:
    for entry in manifest.files:
        path = PurePosixPath(entry.path)
        if path.is_absolute() or ".." in path.parts:
            yield f"the manifest lists {entry.path!r}, which is outside its folder"
            continue
        try:
            fault = first_fault((entry,), folder)
        except (OSError, ValueError):  # not a valid file name here
            fault = f"{entry.path} is missing"
        if fault:
            yield fault


def _own_steps(folder: Path, ticket: Ticket) -> tuple[int | None, int]:
    """Bounds of the steps of a session's checkpoints: from its manifest, else up to its target plus one rollout.

    Without a target there is no upper bound.
    """
    stems = [PurePosixPath(entry.path).stem for entry in ticket.inputs]
    given = [steps for stem in stems if (steps := checkpoint_steps(stem)) is not None]
    try:
        manifest = read_manifest(folder)
    except ValueError:
        manifest = None
    own = manifest is not None and manifest.stamp.get("nonce") == ticket.nonce
    if manifest is not None and own and manifest.outcome.steps_done is not None:
        return manifest.outcome.steps_start, max([manifest.outcome.steps_done, *given])
    target = ticket.spec["target_steps"]
    return None, MOST_WHOLE if target is None else max([int(target), *given]) + _ROLLOUT_STEPS


def _has_stamp(card: CheckpointCard, ticket: Ticket) -> bool:
    return all(card.stamp.get(name) == value for name, value in ticket.stamp().items())  # includes the lineage


def _is_given(card: CheckpointCard, ticket: Ticket, root: Path) -> bool:
    # Its inputs are accepted too, of any lineage: a training may start from the weights of another one.
    given = {(entry.path, entry.sha256) for entry in ticket.inputs}
    entry = file_entry(root / CHECKPOINTS / card.name, root)
    return (entry.path, entry.sha256) in given


def _beside(root: Path, newest: CheckpointCard, ticket: Ticket, scenario: str) -> Iterator[FileEntry]:
    """Best model, metadata and final model with its statistics, each only if it can be verified."""
    yield from best_model_entries(root, ticket.lineage_id)
    metadata = root / METADATA_NAME
    if metadata.is_file() and describes(metadata, (newest,)):
        yield file_entry(metadata, root)
    target = ticket.spec["target_steps"]
    if target is None or newest.steps >= int(target):
        yield from _final_model(root, newest, scenario)


def _final_model(root: Path, newest: CheckpointCard, scenario: str) -> Iterator[FileEntry]:
    """The model at the target, with its statistics if the training normalizes: both or neither."""
    final = root / final_model_name(scenario)
    if not final.is_file():
        return
    if newest.has_normalization:
        try:
            read_normalization(final)
        except (OSError, ValueError):
            return  # the model alone would act wrongly; the newest checkpoint holds both
        yield file_entry(normalization_path(final), root)
    yield file_entry(final, root)
