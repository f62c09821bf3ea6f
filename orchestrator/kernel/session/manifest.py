"""The manifest: the kernel's record of a session. It is written last and commits the session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.kernel.files.atomic import is_regular, sync_tree, walk, write_json
from orchestrator.kernel.files.digests import file_entry
from orchestrator.kernel.outcome import EXIT_CODES, KernelEnding, SectionOutcome, Verdict
from orchestrator.kernel.reading.json_text import Unreadable, read_object, shown
from orchestrator.kernel.reading.shapes import (
    COUNT,
    FILE_ENTRY,
    FLAG,
    NUMBER,
    TABLE,
    TEXT,
    TEXTS,
    fields,
    items,
    mapping,
    one_of,
    optional,
    require,
    whole,
)
from orchestrator.kernel.wire import MANIFEST_NAME, WIRE_VERSION, FileEntry, Ticket

ERROR_LIMIT_CHARS = 8_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Record of one session.

    Attributes:
        stamp: `Ticket.stamp()`; results with another stamp are refused.
        spec: The spec of the kernel's ticket, for comparison.
        exit_code: Exit code of the kernel process.
        error: Text of the failure (its last `ERROR_LIMIT_CHARS`), or None.
        inputs: Files of the models directory that the session started from.
        files: Every output except the manifest, with size and sha256; paths relative to the output folder.
        timings_s: Seconds in total (`wall`), and in each measured action.
        preflight: Findings of the preflight; empty if the session ended before it.
    """

    stamp: Mapping[str, Any]
    spec: Mapping[str, Any]
    started_at: str
    ended_at: str
    exit_code: int
    error: str | None
    outcome: SectionOutcome
    inputs: tuple[FileEntry, ...]
    files: tuple[FileEntry, ...]
    timings_s: Mapping[str, float]
    preflight: Mapping[str, Any] = field(default_factory=dict)
    wire_version: int = WIRE_VERSION

    def to_json(self) -> dict[str, Any]:
        """Plain JSON form."""
        plain = asdict(self)
        outcome = plain.pop("outcome")
        outcome["end_reason"] = outcome.pop("ending")
        if outcome["claim"] is None:
            del outcome["claim"]  # earlier versions refuse a key that they do not know
        return {**plain, **outcome}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any], source: str = MANIFEST_NAME) -> Manifest:
        """Read a manifest.

        Args:
            plain: Its JSON.
            source: Name of its file, for the error.

        Raises:
            Unreadable: It is not a manifest of this wire version, or it contradicts itself.
        """
        if plain.get("wire_version") != WIRE_VERSION:
            why = f"is {shown(plain.get('wire_version'))}, this code reads {WIRE_VERSION}"
            raise Unreadable(source, why, "wire_version")
        require(_SHAPE, plain, source)
        ending, verdict = KernelEnding(plain["end_reason"]), plain["verdict"]
        try:
            outcome = SectionOutcome(
                ending=ending,
                verdict=None if verdict is None else Verdict(verdict),
                verdict_reasons=tuple(plain["verdict_reasons"]),
                claim=plain.get("claim"),
                resume_reasons=tuple(plain["resume_reasons"]),
                **{name: plain[name] for name in _PLAIN_OUTCOME},
            )
        except ValueError as fault:
            raise Unreadable(source, str(fault)) from fault
        if plain["exit_code"] != EXIT_CODES[ending]:
            raise Unreadable(
                source, f"is {plain['exit_code']}, which does not match the end reason {ending}", "exit_code"
            )
        values: dict[str, Any] = {name: plain[name] for name in _PLAIN if name in plain}
        values |= {name: tuple(FileEntry(**entry) for entry in plain[name]) for name in ("inputs", "files")}
        return cls(outcome=outcome, **values)


_PLAIN_OUTCOME = (
    "steps_start",
    "steps_done",
    "resumed_from",
    "resume_grade",
    "training",
    "summary",
    "runtime",
)


_PLAIN = ("stamp", "spec", "started_at", "ended_at", "exit_code", "error", "timings_s", "preflight", "wire_version")

_SHAPE = fields(
    {
        "wire_version": COUNT,
        "stamp": fields(
            {},
            {
                **dict.fromkeys(("run_id", "nonce", "section", "lineage_id", "spec_digest", "bundle_digest"), TEXT),
                **dict.fromkeys(("session", "attempt"), COUNT),
            },
            others=True,
        ),
        "spec": TABLE,
        "started_at": TEXT,
        "ended_at": TEXT,
        "exit_code": whole(-255, 255),
        "error": optional(TEXT),
        "inputs": items(FILE_ENTRY),
        "files": items(FILE_ENTRY),
        "timings_s": mapping(NUMBER),
        "end_reason": one_of([one.value for one in KernelEnding]),
        "verdict": optional(one_of([one.value for one in Verdict])),
        "verdict_reasons": TEXTS,
        "resume_reasons": TEXTS,
        **dict.fromkeys(("steps_start", "steps_done"), optional(COUNT)),
        **dict.fromkeys(("resumed_from", "resume_grade"), optional(TEXT)),
        **dict.fromkeys(("training", "summary", "runtime"), TABLE),
    },
    {"claim": optional(FLAG), "preflight": TABLE},
)


def read_manifest(output: Path) -> Manifest | None:
    """The manifest in an output folder, None if there is none.

    Raises:
        Unreadable: The manifest is damaged; a `ValueError`.
    """
    path = output / MANIFEST_NAME
    return Manifest.from_json(read_object(path)) if path.is_file() else None


def write_manifest(
    working: Path,
    *,
    ticket: Ticket,
    outcome: SectionOutcome,
    error: str | None,
    started_at: str,
    ended_at: str,
    timings_s: Mapping[str, float],
    preflight: Mapping[str, Any],
) -> Manifest:
    """Write the manifest with all files below the output folder. Must be the last write of the session.

    A file whose name is not UTF-8 is left out: no JSON can hold the name. In other texts such bytes are escaped.
    """
    files = (Path(folder, name) for folder, _, names in walk(working) for name in names)
    paths = sorted(path for path in files if path.name != MANIFEST_NAME and is_regular(path))
    paths = [path for path in paths if (name := str(path.relative_to(working))) == _in_utf8(name)]
    manifest = Manifest(
        stamp=ticket.stamp(),
        spec=dict(ticket.spec),
        started_at=started_at,
        ended_at=ended_at,
        exit_code=EXIT_CODES[outcome.ending],
        error=error[-ERROR_LIMIT_CHARS:] if error else None,
        outcome=outcome,
        inputs=ticket.inputs,
        files=tuple(file_entry(path, working) for path in paths),
        timings_s={name: round(seconds, 3) for name, seconds in timings_s.items()},
        preflight=dict(preflight),
    )
    sync_tree(working)  # the manifest commits what it lists
    write_json(working / MANIFEST_NAME, _in_utf8(manifest.to_json()))
    return manifest


def _in_utf8(value: Any) -> Any:
    """The value with bytes that are not UTF-8, which Python keeps as half a surrogate pair, escaped in all texts."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, Mapping):
        return {_in_utf8(key): _in_utf8(inner) for key, inner in value.items()}
    return [_in_utf8(inner) for inner in value] if isinstance(value, list | tuple) else value
