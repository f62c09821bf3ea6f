"""The checkpoint card: `{stem}.json`. It is written last, commits one checkpoint and describes all of its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.kernel.checkpoint.card_shape import CARD, MAX_NAME_BYTES
from orchestrator.kernel.checkpoint.resume_grade import EXACT, WEIGHTS_ONLY, worst
from orchestrator.kernel.files.digests import first_fault
from orchestrator.kernel.reading.json_text import Unreadable, read_object, shown
from orchestrator.kernel.reading.shapes import require
from orchestrator.kernel.wire import (
    CARD_SUFFIX,
    MODEL_SUFFIX,
    NORMALIZATION_SUFFIX,
    STATE_SUFFIX,
    FileEntry,
    checkpoint_stem,
    checkpoint_steps,
    digest_of,
)

CARD_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Ancestor:
    """One earlier checkpoint of the lineage.

    Attributes:
        continued: Grade of the resume from it; `exact` within one session.
    """

    steps: int
    digest: str
    continued: str = EXACT


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointCard:
    """Description of one checkpoint.

    Attributes:
        stem: Shared stem of its files.
        scenario: Scenario name in the stem.
        steps: Environment steps done when it was saved.
        files: Its model, side file and (if the training normalizes) statistics file; paths relative to their folder.
        identity: Algorithm, network, spaces, versions ...; a later session compares them before it resumes.
        stamp: Run, session, nonce and digests of the session that saved it.
        ancestry: Earlier checkpoints of the lineage, oldest first; empty for the first one.
        saved_at: ISO time, UTC; for people only, never compared.
        proof: Facts of a proof that the code that saved it resumes exactly: `grade`, number of `cuts`, `steps`, and
            `digest` of code and conditions. None without a proof; the file then lacks the key, as older cards do.
        adopted: Origin of a lineage that began with a model from elsewhere: `file`, `origin`, `sha256`, `steps` and
            `algorithm`. Every later checkpoint repeats it. None for other lineages; the file then lacks the key.
    """

    stem: str
    scenario: str
    steps: int
    files: tuple[FileEntry, ...]
    identity: Mapping[str, Any]
    stamp: Mapping[str, Any]
    saved_at: str
    ancestry: tuple[Ancestor, ...] = ()
    proof: Mapping[str, Any] | None = None
    adopted: Mapping[str, Any] | None = None
    card_version: int = field(default=CARD_VERSION)

    @property
    def lineage_id(self) -> str:
        """Lineage that the checkpoint belongs to."""
        return str(self.stamp["lineage_id"])

    @property
    def digest(self) -> str:
        """sha256 over files, steps, lineage and parent; also over grades that are not exact, and over `adopted`."""
        parent = self.ancestry[-1] if self.ancestry else None
        plain = {
            "files": [asdict(entry) for entry in self.files],
            "steps": self.steps,
            "lineage_id": self.lineage_id,
            "parent": parent.digest if parent else None,
        }
        grades = [ancestor.continued for ancestor in self.ancestry]
        if any(grade != EXACT for grade in grades):  # an edited card must not hide an inexact resume
            plain["continued"] = grades
        if self.adopted is not None:
            plain["adopted"] = dict(self.adopted)
        return digest_of(plain)

    @property
    def has_state(self) -> bool:
        """Whether a side file holds the training's state beside the weights."""
        return any(entry.path.endswith(STATE_SUFFIX) for entry in self.files)

    @property
    def has_normalization(self) -> bool:
        """Whether it has a statistics file (see `normalization_file`)."""
        return any(entry.path == self.stem + NORMALIZATION_SUFFIX for entry in self.files)

    @property
    def lowest_grade(self) -> str:
        """The least exact grade of all resumes that led to this checkpoint; `weights-only` after an adopted model."""
        begun = [WEIGHTS_ONLY] if self.adopted is not None else []
        return worst([*begun, *(ancestor.continued for ancestor in self.ancestry)])

    @property
    def is_adopted_model(self) -> bool:
        """Whether it is the adopted model itself: weights that no session of this lineage has trained."""
        return self.adopted is not None and not self.ancestry

    @property
    def name(self) -> str:
        """File name of the card."""
        return self.stem + CARD_SUFFIX

    def sha256_of(self, suffix: str) -> str:
        """sha256 of its file with this suffix, as the card states it.

        Raises:
            ValueError: The card lists no such file.
        """
        for entry in self.files:
            if entry.path == self.stem + suffix:
                return entry.sha256
        raise ValueError(f"{self.name} does not list {self.stem}{suffix}")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON form. It includes the digest, so that people can follow the chain."""
        left_out = {name for name in ("proof", "adopted") if getattr(self, name) is None}
        plain = {name: getattr(self, name) for name in self.__slots__ if name not in left_out}
        plain["files"] = [asdict(entry) for entry in self.files]
        plain["ancestry"] = [asdict(ancestor) for ancestor in self.ancestry]
        plain["digest"] = self.digest
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, Any], source: str = "the checkpoint card") -> CheckpointCard:
        """Read a card.

        Args:
            plain: Its JSON.
            source: Name of its file, for the error.

        Raises:
            Unreadable: It is not a card of this version, lists no file, or contradicts itself.
        """
        if plain.get("card_version") != CARD_VERSION:
            why = f"is {shown(plain.get('card_version'))}, this code reads {CARD_VERSION}"
            raise Unreadable(source, why, "card_version")
        require(CARD, plain, source)
        fields = {name: value for name, value in plain.items() if name != "digest"}
        fields["files"] = tuple(FileEntry(**entry) for entry in fields["files"])
        fields["ancestry"] = tuple(Ancestor(**ancestor) for ancestor in fields["ancestry"])
        card = cls(**fields)
        if card.digest != plain["digest"]:
            raise Unreadable(source, "the card's content does not match the digest that it states")
        if checkpoint_steps(card.stem) is not None and card.stem != checkpoint_stem(card.scenario, card.steps):
            raise Unreadable(source, f"the card of {card.stem} states {card.steps} steps of {card.scenario}")
        return card


def read_card(path: Path) -> CheckpointCard:
    """Read one card.

    Raises:
        Unreadable: The file is damaged, or its name does not match its stem; a `ValueError`.
    """
    if path.is_symlink():
        raise Unreadable(path.name, "it is a symbolic link; replace it by the file itself")
    card = CheckpointCard.from_json(read_object(path), path.name)
    if card.name != path.name:
        raise Unreadable(path.name, f"it is the card of {card.stem}")
    return card


def card_fault(card: CheckpointCard, folder: Path) -> str | None:
    """Why the files beside a card do not match it, or None when every byte agrees.

    A symbolic link is refused: its target may lie anywhere, and would be uploaded with a session.
    """
    if card.stem + MODEL_SUFFIX not in {entry.path for entry in card.files}:
        return f"{card.name} does not list its model {card.stem}{MODEL_SUFFIX}"
    for entry in card.files:
        fault = name_fault(entry.path, card.stem)
        if fault:
            return fault
        if (folder / entry.path).is_symlink():
            return f"{entry.path} is a symbolic link; replace it by the file itself"
    try:
        return first_fault(card.files, folder)
    except OSError as fault:
        return f"{Path(str(fault.filename)).name} cannot be read: {fault.strerror}"


def name_fault(name: str, stem: str) -> str | None:
    """Why this cannot be the name of a checkpoint file of this stem, None when it can."""
    if "/" in name or "\\" in name or name in ("", ".", "..") or not name.isprintable():
        return f"{name[:80]!r} is not a plain file name"
    if len(name.encode("utf-8", "surrogatepass")) > MAX_NAME_BYTES:
        return f"the file name {name[:40]!r}... is too long"
    if not name.startswith(stem):
        return f"{name!r} is not a file of {stem}"
    return None
