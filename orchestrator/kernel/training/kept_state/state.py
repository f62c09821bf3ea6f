"""The state of a training: its kept parts and random generators, restored from a checkpoint and saved in the next."""

from __future__ import annotations

import hashlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orchestrator.kernel.checkpoint.resume_grade import EXACT
from orchestrator.kernel.outcome import CheckpointUnusable, SessionRefused
from orchestrator.kernel.session.context import SessionContext
from orchestrator.kernel.training.kept_state.archive import write_archive
from orchestrator.kernel.training.kept_state.checkpoints import Checkpoints, Saved
from orchestrator.kernel.training.kept_state.comparison import file_name, node_digest, random_name, same_part
from orchestrator.kernel.training.kept_state.decoder import Decoder
from orchestrator.kernel.training.kept_state.encoder import Encoder
from orchestrator.kernel.training.kept_state.environments import check_environments, prepare_environments
from orchestrator.kernel.training.kept_state.kept import Kept
from orchestrator.kernel.training.kept_state.logs import Logs, read_logs
from orchestrator.kernel.training.kept_state.objects.spaces import seed_spaces
from orchestrator.kernel.training.kept_state.random_state import capture_random, restore_random, seed_of
from orchestrator.kernel.training.kept_state.unchanged import UnchangedParts


class State:
    """Kept parts and random generators of one training.

    Args:
        context: The session.
        checkpoints: Where it is saved.
        saved: The checkpoint to restore, None for a fresh training.

    Attributes:
        kept: The parts that the script named.
        begun: Whether the random generators are restored; parts must be named before.
    """

    def __init__(self, context: SessionContext, checkpoints: Checkpoints, saved: Saved | None) -> None:
        self._context = context
        self._checkpoints = checkpoints
        self._saved = saved
        self._decoder = Decoder([] if saved is None else saved.parts_buffers)
        self._again = Encoder()
        self._warned: set[str] = set()
        self._unchanged = UnchangedParts({})
        self._templates: set[str] | None = None
        self._inexact: list[str] = []  # what the check of the environments found
        self.kept = Kept()
        self._restored = False
        self.begun = False

    def add(self, parts: dict[str, Any]) -> None:
        """Keep further parts, and restore them if there is a checkpoint.

        Raises:
            CheckpointUnusable: A part of the checkpoint does not fit the script's.
            SessionRefused: The resume is less exact than required.
        """
        self.kept._add(parts)
        prepare_environments(list(parts.values()))
        saved = self._saved
        if saved is None:
            return
        for name in parts:
            if name not in saved.parts:
                self._checkpoints.lower(f"the checkpoint has no part {name!r}; it starts from its initial value")
        # In the order of the save, in which shared objects are numbered; compared when all are in place.
        restored = [name for name in saved.parts if name in parts]
        for name in restored:
            self._restore(name, saved)
        for name in restored:
            self._compare(name, saved)

    def _restore(self, name: str, saved: Saved) -> None:
        part = saved.parts[name]
        try:
            value = self._decoder.part(part["value"], part.get("first", 0), getattr(self.kept, name))
        except (ValueError, LookupError, TypeError, RuntimeError, AttributeError) as fault:
            raise CheckpointUnusable(
                f"the part {name!r} of {saved.card.stem} cannot be restored: {fault}",
                remedy="Use the script that wrote it, or another folder (ORCHESTRATOR_FOLDER) to start over.",
            ) from fault
        setattr(self.kept, name, value)

    def _compare(self, name: str, saved: Saved) -> None:
        """Encode a restored part again, with the numbers of the save; a difference lowers the grade."""
        part, again = saved.parts[name], self._again
        again.buffers, again.count = [], part.get("first", 0)
        node = again.part(getattr(self.kept, name), name)
        if not same_part(node, again.buffers, part["value"], saved.parts_buffers) and not part["lost"]:
            self._checkpoints.lower(f"the part {name!r} was not completely restored")

    def restore_generators(self) -> None:
        """Set the random generators to the checkpoint's, if there is one and `begin` has not been called.

        Those of a model are restored by its own code.
        """
        if self._saved is None or self._saved.of_model:
            return
        self._restored = True
        generators = Decoder(self._saved.state_buffers).decode(self._saved.state["random"])
        if missing := restore_random(generators):
            self._checkpoints.lower(f"not restored: {missing}")

    @property
    def saved(self) -> Saved | None:
        """The checkpoint that will be resumed, until `begin`."""
        return self._saved

    def require(self, *, with_model: bool) -> None:
        """Check that the checkpoint is of this kind.

        Raises:
            SessionRefused: It holds a model and the script has none, or the other way round.
        """
        adopted = self._checkpoints.resumed
        if adopted is not None and adopted.is_adopted_model and not with_model:
            raise SessionRefused(
                f"{adopted.stem} is an adopted model of stable-baselines3, and this script does not call run.sb3",
                remedy="Build the model with run.sb3(...), or put the checkpoint aside to start from step 0.",
            )
        if self._saved is not None and self._saved.of_model is not with_model:
            what = "holds a model of run.sb3" if self._saved.of_model else "holds no model of run.sb3"
            raise SessionRefused(
                f"{self._saved.card.stem} {what}, so this script cannot continue it",
                remedy="Use the script that wrote it, or another folder (ORCHESTRATOR_FOLDER) to start over.",
            )

    def begin(self, *, with_model: bool = False, restore: bool = True) -> None:
        """Restore the random generators, and report what cannot be kept. Does nothing the second time.

        Args:
            with_model: A model of `Run.sb3` is part of the training; its own code restores the random generators.
            restore: Restore the generators even if they were restored before; what ran since may have used them.

        Raises:
            SessionRefused: An exact resume is required, but would not be possible.
        """
        if self.begun:
            return
        self.begun = True
        self.require(with_model=with_model)
        if restore or not self._restored:
            self.restore_generators()
        self._templates = set()
        lost = self.kept._capture(met=self._templates)[2]
        if not lost and "gymnasium" in sys.modules:
            findings = check_environments(list(self.kept._names.values()), self._context)
            self._inexact = self._checkpoints.checked(findings)
        self.lost([*lost, *self._inexact])
        seed = seed_of(self._context.ticket.spec)
        if self._saved is None and seed is not None and "gymnasium" in sys.modules:
            seed_spaces(self.kept._objects(), seed)
        self._unchanged = UnchangedParts(self.kept._replaceable())
        saved, self._saved = self._saved, None  # frees its memory
        if saved is not None and not with_model:
            self._continue_files(saved)
        self._decoder, self._again = Decoder([]), Encoder()
        if saved is None:
            return
        for name in saved.parts:
            if name not in self.kept._names:
                self._checkpoints.lower(f"the checkpoint holds the part {name!r}, which the script does not keep")

    def _continue_files(self, saved: Saved) -> None:
        logs = read_logs(self._context.models_dir, saved.card)
        if logs is not None:
            self.kept._open_files().restore(logs.files, logs.names)

    def beside_model(self, fields: dict[str, Any], own: Any) -> tuple[Callable[[Path], None], list[str]]:
        """The kept parts for a file beside a model's checkpoint.

        Args:
            fields: Further fields of the file, plain JSON.
            own: A tree of the model's code, with arrays.

        Returns:
            A function that writes the file, and what cannot be kept.
        """
        self._unchanged.name(self.kept._replaceable, self._context.reporter.say)
        parts, buffers, lost = self.kept._capture(self._templates)
        lost += self._inexact
        tree = {**fields, "parts": parts, "own": Encoder(buffers).encode(own, "own")}
        return lambda path: write_archive(path, tree, buffers), self.name_lost(lost)

    def lost(self, lost: list[str]) -> None:
        """Report once what cannot be kept.

        Raises:
            SessionRefused: An exact resume is required.
        """
        self.name_lost(lost)
        if lost and self._context.ticket.spec.get("resume_floor") == EXACT:
            raise SessionRefused(f"exact resumes are required, but these cannot be kept: {'; '.join(lost)}")

    def save(self, step: int, facts: dict[str, Any], *, write: Callable[[Path], object] | None) -> float:
        """Write a checkpoint after `step` steps.

        Args:
            step: Steps done.
            facts: Plain values of the run that the next session needs.
            write: Writes files of the script's own.

        Returns:
            Seconds that it took.

        Raises:
            OSError: A file cannot be written; earlier checkpoints are untouched.
        """
        self._unchanged.name(self.kept._replaceable, self._context.reporter.say)
        started_s = self._context.monotonic()
        parts, parts_buffers, lost = self.kept._capture(self._templates)
        lost += self._inexact
        encoder = Encoder()
        generators = encoder.encode(capture_random(), "random")
        files, names = self.kept._open_files().contents()
        card = self._checkpoints.write(
            step,
            parts=parts,
            parts_buffers=parts_buffers,
            state={"steps": step, **facts, "random": generators},
            state_buffers=encoder.buffers,
            lost=self.name_lost(lost),
            own_files=write,
            logs=Logs(files=files, names=names),
        )
        took_s = self._context.monotonic() - started_s
        self._context.deadline.measured("save", took_s)
        self._context.reporter.event("saved", steps=step, checkpoint=card.stem)
        return took_s

    def digests(self, write: Callable[[Path], object] | None) -> dict[str, str]:
        """Digest of each kept part, each random generator, and each file that `write` saves."""
        digests = self.kept._digests()
        for library, generator in capture_random().items():
            encoder = Encoder()
            node = encoder.encode(generator, library)
            digests[random_name(library)] = node_digest(node, encoder.buffers)
        if write is not None:
            with tempfile.TemporaryDirectory(prefix="orchestrator-trace-") as scratch:
                write(Path(scratch))
                digests |= {
                    file_name(path.relative_to(scratch).as_posix()): hashlib.sha256(path.read_bytes()).hexdigest()
                    for path in sorted(Path(scratch).rglob("*"))
                    if path.is_file()
                }
        return digests

    def name_lost(self, lost: list[str]) -> list[str]:
        """Report once what cannot be kept, without a refusal; returns it."""
        for one in lost:
            if one not in self._warned:
                self._warned.add(one)
                self._context.reporter.say(f"[CHECKPOINT] Not kept, so a resume is not exact: {one}")
        return lost
