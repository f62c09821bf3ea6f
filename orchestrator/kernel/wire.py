"""File names, paths, schemas and the report tag that the orchestrator, the kernel and the sections share.

The writer and the reader of each format stand side by side, so that they cannot drift apart.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from orchestrator.kernel.reading.json_text import Unreadable, read_json, shown
from orchestrator.kernel.reading.shapes import require
from orchestrator.kernel.ticket_shape import TICKET

WIRE_VERSION = 1

MANIFEST_NAME = "session_manifest.json"
EVENTS_NAME = "events.jsonl"
PACK_NAME = "pack.json"
"""How each session of a pack ended; beside their folders."""
NO_MANIFEST = "The session ended with exit code {code} and without a manifest."
"""Line of a pack's log about a session whose process was killed: some backends give a pack's log, not its record."""
METADATA_NAME = "training_metadata.json"
PROOF_NAME = "proof.json"
BEST_MODEL = PurePosixPath("best_model/best_model.zip")
BEST_MODEL_CARD = PurePosixPath("best_model/best_model.json")
BEST_MODEL_NORMALIZATION = PurePosixPath("best_model/best_model.vecnormalize.json")
CHECKPOINTS = "checkpoints"
STATE_SUFFIX = ".state.npz"
CARD_SUFFIX = ".json"
MODEL_SUFFIX = ".zip"
KEPT_SUFFIX = ".kept.zip"
"""Suffix of the file beside a model zip that holds the parts which a script kept."""
LOGS_SUFFIX = ".logs"
"""Suffix of the file that holds a training's logs up to the checkpoint: curves, monitor files, evaluations."""
NORMALIZATION_SUFFIX = ".vecnormalize.json"
"""Suffix of the statistics file beside the zip of a normalized model; see `normalization_file`."""

BEST_MODEL_FILES = (BEST_MODEL, BEST_MODEL_NORMALIZATION, BEST_MODEL_CARD)
"""Files of one best model: the zip, its statistics if the training normalizes, and the card that lists both."""

REPORT_TAG = "[ORC] "
PROGRESS_KINDS = ("progress", "alive")
"""Reports that state how far a session is: those of its code, and their repetition while it makes none."""

ALONE_RUN = "alone"
"""Run id of every session of a script that runs without a project."""

ENDING = "ending"
"""Kind of the last report of a session."""

CHECKPOINT_PATTERN = re.compile(r"^(?P<scenario>.+)_checkpoint_(?P<steps>\d+)_steps$")


def models_path(root: Path, section_dir: str, trial: str | None = None) -> Path:
    """The models directory under any root: the kernel's working folder, a results folder or `validation_ch7`.

    Training, export, fetch and restore all use this function, so that their paths always agree.

    Args:
        root: Folder that holds the section's folder.
        section_dir: Folder name of the section, e.g. `section_7_6_rl_performance`.
        trial: First eight characters of the lineage id for a campaign trial, None for the default run.
    """
    section = root / section_dir
    if trial is not None:
        section = section / "trials" / trial
    return section / "data" / "models"


def member_folder(number: int) -> str:
    """Folder of one session of a pack, below the kernel's working folder.

    Args:
        number: Of the member, from 1 on.
    """
    return f"member_{number:02d}"


def member_mark(number: int) -> str:
    """What each log line of one session of a pack begins with."""
    return f"[{number}] "


def code_folder(block: Mapping[str, Any]) -> PurePosixPath:
    """Folder of a section's code below the project: that of its script, or of its entry point's module.

    Its `requirements.txt`, `schema.py` and report are there.

    Args:
        block: A spec or a card, with the key `script` or `entry_point`.
    """
    script = block.get("script")
    return PurePosixPath(script).parent if script else PurePosixPath(*str(block["entry_point"]).split(".")[:-1])


def checkpoint_stem(scenario: str, steps: int) -> str:
    """File stem shared by a checkpoint's model, side file and card."""
    return f"{scenario}_checkpoint_{steps}_steps"


def checkpoint_steps(stem: str) -> int | None:
    """Steps encoded in a checkpoint stem, or None when the stem is not one."""
    match = CHECKPOINT_PATTERN.match(stem)
    return int(match["steps"]) if match else None


def final_model_name(scenario: str) -> str:
    """File name of the model at the target."""
    return f"{scenario}_final{MODEL_SUFFIX}"


def canonical_json(value: object) -> str:
    """Canonical JSON text of a value, for digests: sorted keys, no spaces, no NaN.

    Raises:
        ValueError: The value holds NaN or an infinity.
        TypeError: The value is not plain JSON.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest_of(value: object) -> str:
    """Hex sha256 of a plain value's canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode("ascii")).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """One file of a manifest or a card: POSIX path relative to its owner's folder, size and sha256."""

    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """Complete input of one session: embedded in its script, copied into its manifest, compared after the fetch.

    Attributes:
        spec: The lineage plus this session's target, cadence, deadline and backend, as plain JSON.
        spec_digest: `digest_of(spec)`.
        bundle_digest: Digest over names and bytes of the code that must run.
        inputs: Files of the models directory that the session must find, by digest, before it trains.
            Empty for a fresh training.
        proven: Facts of a proof that this code resumes exactly, with `versions` and `device` for which they hold; None
            without one. The JSON form then lacks the key.
    """

    run_id: str
    session: int
    attempt: int
    nonce: str
    section: str
    section_dir: str
    lineage_id: str
    spec: Mapping[str, Any]
    spec_digest: str
    bundle_digest: str
    inputs: tuple[FileEntry, ...] = ()
    proven: Mapping[str, Any] | None = None
    wire_version: int = WIRE_VERSION

    def to_json(self) -> dict[str, Any]:
        """Plain JSON form, the inverse of `from_json`."""
        plain = {name: getattr(self, name) for name in self.__slots__ if name != "inputs"}
        plain["spec"] = dict(self.spec)
        plain["inputs"] = [asdict(entry) for entry in self.inputs]
        if self.proven is None:
            del plain["proven"]
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Ticket:
        """Read a ticket.

        Raises:
            Unreadable: Another wire version wrote it, a field is missing or has the wrong type, or its spec does not
                match its digest.
        """
        if plain.get("wire_version") != WIRE_VERSION:
            why = f"is {shown(plain.get('wire_version'))}, this code reads {WIRE_VERSION}"
            raise Unreadable("the ticket", why, "wire_version")
        require(TICKET, plain, "the ticket")
        ticket = cls(**{**plain, "inputs": tuple(FileEntry(**entry) for entry in plain["inputs"])})
        if digest_of(dict(ticket.spec)) != ticket.spec_digest:
            raise Unreadable("the ticket", "the spec does not match the digest in its ticket")
        return ticket

    def stamp(self) -> dict[str, Any]:
        """Identity that every result of the session carries, so that results of another session are refused."""
        return {
            "run_id": self.run_id,
            "session": self.session,
            "attempt": self.attempt,
            "nonce": self.nonce,
            "section": self.section,
            "lineage_id": self.lineage_id,
            "spec_digest": self.spec_digest,
            "bundle_digest": self.bundle_digest,
        }


def report_line(kind: str, **fields: Any) -> str:
    """One tagged line of JSON for the kernel's log; `parse_report` reads it."""
    return REPORT_TAG + canonical_json({"kind": kind, **fields})


def parse_report(line: str) -> dict[str, Any] | None:
    """The report in a log line, None if the line has none or is damaged."""
    _, tag, body = line.partition(REPORT_TAG)
    if not tag:
        return None
    try:
        report = read_json(body)
    except Unreadable:
        return None
    return report if isinstance(report, dict) and isinstance(report.get("kind"), str) else None
