"""The models directory that training reads, `validation_ch7/{section}/data/models/`, and its lock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from filelock import FileLock, Timeout

from orchestrator.core.checkpoint.inventory import CheckpointInventory, FetchedCheckpoints, Replaced
from orchestrator.core.errors import BadInput, InUse, RunFailed
from orchestrator.core.session.zip_archive import pack
from orchestrator.kernel.checkpoint.survey import Survey, survey_checkpoints
from orchestrator.kernel.files.atomic import make_folder
from orchestrator.kernel.files.digests import first_fault
from orchestrator.kernel.wire import BEST_MODEL, BEST_MODEL_FILES, FileEntry
from orchestrator.stores.checkpoint.archived_sets import archived_sets
from orchestrator.stores.checkpoint.archives import archived_files, discard_replaced, free_folder, move_to_archive
from orchestrator.stores.checkpoint.atomic_swap import begin, discard_staged, finish, recover_swap, sync_staged
from orchestrator.stores.checkpoint.entries import checkpoint_entries, copied_fault, is_plain_file
from orchestrator.stores.checkpoint.own_files import (
    entries_beside,
    files_below,
    final_names,
    names_beside,
    signature_of,
)
from orchestrator.stores.checkpoint.restore_journal import FRESH, RESTORE, STAGE, Change
from orchestrator.stores.checkpoint.volumes import (
    is_apart,
    require_readable,
    require_usable,
    volume_of,
    writing,
)
from orchestrator.stores.locks import lock_fault


class ModelsDirectory:
    """The models directory of one training.

    Args:
        path: The models directory; it need not exist.
        scenario: Scenario in the names of its checkpoints.
    """

    def __init__(self, path: Path, scenario: str) -> None:
        self._path = path
        self._scenario = scenario

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the directory's lock.

        Raises:
            InUse: Another run holds it.
            BadInput: It cannot be used: a file or a broken link is in the place of a folder.
        """
        lock_path = self._path.parent / "models.lock"
        try:
            make_folder(self._path.parent)
            lock = FileLock(lock_path, timeout=0)
            lock.acquire()
        except Timeout:
            raise InUse(
                f"another run is using {self._path}",
                remedy="Wait for it to end; `python -m orchestrator status` shows it.",
            ) from None
        except OSError as fault:
            raise lock_fault(lock_path, "the models directory", fault) from fault
        try:
            require_usable(self._path)
            yield
        finally:
            lock.release()

    def recover(self) -> str | None:
        """Finish an interrupted change; returns what was done, None if there is nothing to report."""
        with writing(self._path):
            return recover_swap(self._path, self._scenario)

    def view(self) -> CheckpointInventory:
        """What the directory holds, with every checkpoint verified.

        Raises:
            BadInput: It cannot be read.
        """
        require_readable(self._path)
        try:
            return self._view(None)
        except OSError as fault:
            raise BadInput(
                f"{self._path} cannot be read: {fault.strerror or fault} ({fault.filename})",
                remedy="Give yourself the right to read it, then run the same command again.",
            ) from fault

    def unchanged(self, inventory: CheckpointInventory) -> bool:
        """Whether no file was written, added or removed since `view` gave this; False where that is not certain."""
        return inventory.signature is not None and signature_of(self._path) == inventory.signature

    def _view(self, survey: Survey | None) -> CheckpointInventory:
        signature = signature_of(self._path)
        survey = survey or survey_checkpoints(self._path, self._scenario)
        # As their cards say, and as was just verified.
        checkpoints = tuple(checkpoint_entries(self._path, survey.verified))
        beside = entries_beside(self._path, self._scenario, survey.verified)
        ours = {entry.path for entry in (*checkpoints, *beside)}
        there = tuple(files_below(self._path))
        sent = [entry for entry in beside if entry.path not in final_names(self._scenario)] if survey.verified else []
        return CheckpointInventory(
            root=self._path,
            verified=survey.verified,
            faults=survey.faults,
            leftovers=tuple(name for name in names_beside(self._scenario) if name in there),
            entries=(*checkpoints, *sent),
            own=tuple(name for name in there if name not in ours),
            archived=tuple(path.as_posix() for path in archived_files(self._path)),
            exists=self._path.is_dir(),
            signature=signature,
        )

    def packed(self, entries: Sequence[FileEntry]) -> bytes:
        """These files as one deterministic zip, to be sent inside a script."""
        return pack((entry.path, (self._path / entry.path).read_bytes()) for entry in entries)

    def replace_with(
        self, incoming: FetchedCheckpoints, token: str, before: CheckpointInventory | None = None
    ) -> Replaced:
        """Put a verified set in place; what it replaces lies in the archive until `discard_archive(token)`.

        The user's own files stay, except one at the place of a new file, which moves to the archive permanently. The
        best model stays if the incoming set has none.

        Args:
            before: What is in place, None to survey it.

        Returns:
            What is in place then. Its files were verified while they were copied, and are not read again.

        Raises:
            RunFailed: A copied file does not have its digest; the directory is unchanged.
            BadInput: A folder in it cannot be written to.
        """
        require_usable(self._path)
        before = before or self.view()
        with writing(self._path):
            archive = self._replace_with(incoming, token, before)
        placed = {card.stem for card in incoming.verified}
        faults = {stem: fault for stem, fault in before.faults.items() if stem not in placed}
        return Replaced(inventory=self._view(Survey(verified=incoming.verified, faults=faults)), archive=archive)

    def _replace_with(self, incoming: FetchedCheckpoints, token: str, before: CheckpointInventory) -> Path:
        place = tuple(entry for entry in incoming.entries if not self._is_in_place(entry))
        change = Change(act=STAGE, folder=free_folder(self._path, token), place=place)
        begin(self._path, change)
        try:
            faults = (self._staging_fault(entry, incoming.root, change.folder) for entry in place)
            fault = next(filter(None, faults), None)
            if fault is None:
                sync_staged(self._path, change)
                change = replace(change, act=RESTORE, retire=tuple(self._retired(incoming, before)))
                begin(self._path, change)
        except OSError:
            discard_staged(self._path, change)
            raise
        if fault is not None:
            finish(self._path, change, self._scenario)
            raise RunFailed(f"restore refused: {fault}", remedy="Check the disk, then run the same command again.")
        finish(self._path, change, self._scenario)
        return volume_of(self._path, "any").archived(change.folder, "")

    def archive(self, token: str) -> Path:
        """Move everything to the archive permanently; returns the folder. Linked folders have their own archive.

        The empty directory stays, since a missing one counts as a loss.
        """
        change = Change(act=FRESH, folder=free_folder(self._path, token))
        with writing(self._path):
            make_folder(self._path)
            begin(self._path, change)
            finish(self._path, change, self._scenario)
        return volume_of(self._path, "any").archived(change.folder, "")

    def archive_leftovers(self, token: str) -> Path:
        """Move best model, metadata and final model to the archive permanently; returns the folder."""
        folder = free_folder(self._path, token)
        best = self._path / BEST_MODEL.parent
        with writing(self._path):
            for name in names_beside(self._scenario):
                move_to_archive(self._path, name, folder)
            if best.is_dir() and not is_apart(self._path, best.name) and next(best.iterdir(), None) is None:
                best.rmdir()
        return volume_of(self._path, "any").archived(folder, "")

    def archived_sets(self) -> Iterator[FetchedCheckpoints]:
        """The verified checkpoints of each folder of the archive, and the faults of the others."""
        return archived_sets(self._path, self._scenario)

    def discard_archive(self, token: str) -> None:
        """Delete the replaced files of earlier sessions, once the new set is recorded."""
        discard_replaced(self._path, token)

    def _is_in_place(self, entry: FileEntry) -> bool:
        path = self._path / entry.path
        return is_plain_file(path) and first_fault((entry,), self._path) is None

    def _staging_fault(self, entry: FileEntry, source: Path, folder: str) -> str | None:
        staged = volume_of(self._path, entry.path).staged(folder, entry.path)
        return copied_fault(entry, source / entry.path, staged)

    def _retired(self, incoming: FetchedCheckpoints, before: CheckpointInventory) -> Iterator[FileEntry]:
        """Files of earlier sessions that the new set does not have with the same bytes.

        The best model is among them only if the new set has one.
        """
        brought = {entry.path: entry.sha256 for entry in incoming.entries}
        best = {name.as_posix() for name in BEST_MODEL_FILES}
        beside = entries_beside(self._path, self._scenario, before.verified)
        for entry in (*checkpoint_entries(self._path, before.verified), *beside):
            stays = entry.path in best and BEST_MODEL.as_posix() not in brought
            if not stays and brought.get(entry.path) != entry.sha256:
                yield entry
