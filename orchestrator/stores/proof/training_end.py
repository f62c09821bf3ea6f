"""Reads how a training of a proof ended: its checkpoint part by part, its reports, its other results."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from orchestrator.core.errors import RunFailed
from orchestrator.core.proof.ends import TracePoint, TrainingEnd
from orchestrator.kernel.checkpoint.card import CheckpointCard
from orchestrator.kernel.checkpoint.survey import survey_checkpoints
from orchestrator.kernel.reading.archive import MOST_UNPACKED, Archive, is_archive, open_archive
from orchestrator.kernel.reading.json_text import MAX_STATE_DEPTH, Unreadable, read_bounded, read_json, read_lines
from orchestrator.kernel.training.kept_state.archive import read_archive
from orchestrator.kernel.training.kept_state.comparison import file_name, node_digest, random_name
from orchestrator.kernel.training.kept_state.objects.places import without_places
from orchestrator.kernel.training.progress import PROGRESS_NAME
from orchestrator.kernel.wire import CHECKPOINTS, LOGS_SUFFIX, MODEL_SUFFIX, STATE_SUFFIX

_TREE = "tree.json"
_SB3_TREE = "state.json"
_MOST_REPORT_BYTES = 1 << 30


def newest_card(models_dir: Path, scenario: str) -> CheckpointCard | None:
    """The newest verified checkpoint of a training."""
    return survey_checkpoints(models_dir, scenario).latest


def read_end(
    models_dir: Path, scenario: str, *, results_dir: Path, trace: Path, last_line: str, reasons: tuple[str, ...] = ()
) -> TrainingEnd:
    """Read the end of a training.

    Args:
        models_dir: Holds the folder `checkpoints`.
        scenario: Part of the names of its checkpoints.
        results_dir: The script's `run.folder`.
        trace: File of digests; need not exist.
        last_line: Last line of the output.
        reasons: Why a resume was not exact.

    Raises:
        RunFailed: There is no checkpoint, or it cannot be read.
    """
    card = newest_card(models_dir, scenario)
    if card is None:
        raise RunFailed(f"the training left no checkpoint in {models_dir}", remedy="Read its output.")
    try:
        conditions, points = _trace(trace)
        return TrainingEnd(
            steps=card.steps,
            parts=_parts(models_dir / CHECKPOINTS, card),
            reports=tuple(read_reports(results_dir / PROGRESS_NAME)),
            results=dict(_results(results_dir)),
            last_line=last_line,
            lost=tuple(card.identity.get("lost_state", ())),
            grades=tuple(ancestor.continued for ancestor in card.ancestry),
            reasons=reasons,
            trace=points,
            conditions=conditions,
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as fault:
        raise RunFailed(f"the results of the training in {models_dir} cannot be read: {fault}") from fault


def _parts(folder: Path, card: CheckpointCard) -> dict[str, str]:
    """Part of a checkpoint -> digest: parts and files of a script, or members of a model and of its state."""
    model = folder / (card.stem + MODEL_SUFFIX)
    if _holds(model, _TREE):
        return _parts_of_script(model, folder / (card.stem + STATE_SUFFIX))
    digests: dict[str, str] = {}
    for entry in card.files:
        path = folder / entry.path
        if entry.path.endswith(LOGS_SUFFIX):  # wall times
            continue
        if _holds(path, _TREE):
            digests |= _kept_parts(path)
        else:
            digests |= _members(path, entry.path.removeprefix(card.stem).lstrip("."))
    return digests


def _kept_parts(path: Path) -> dict[str, str]:
    tree, buffers = read_archive(path)
    digests = {name: node_digest(part["value"], buffers) for name, part in tree["parts"].items()}
    return digests | ({"callbacks": node_digest(tree["own"], buffers)} if "own" in tree else {})


def _holds(path: Path, member: str) -> bool:
    if not is_archive(path):
        return False
    with _opened(path) as archive:
        return member in archive


def _opened(path: Path) -> AbstractContextManager[Archive]:
    return open_archive(path, path.name, MOST_UNPACKED)


def _parts_of_script(model: Path, state: Path) -> dict[str, str]:
    digests = _kept_parts(model)
    with _opened(model) as archive:
        for name in archive:
            if name.startswith("files/"):
                digests[file_name(name.removeprefix("files/"))] = hashlib.sha256(archive.read(name)).hexdigest()
    plain, state_buffers = read_archive(state)
    for library, node in plain["random"]["of"]:
        digests[random_name(library)] = node_digest(node, state_buffers)
    return digests


def _members(path: Path, suffix: str) -> dict[str, str]:
    """Digests inside a zip; of any other file, its digest under its suffix."""
    if not is_archive(path):
        return {suffix: hashlib.sha256(path.read_bytes()).hexdigest()}
    with _opened(path) as archive:
        content = {name: archive.read(name) for name in archive}
    if _SB3_TREE in content:
        return _sections(read_json(content[_SB3_TREE], _SB3_TREE, depth=MAX_STATE_DEPTH, halves=True)["tree"], content)
    return {f"{name} in the {suffix}": hashlib.sha256(data).hexdigest() for name, data in content.items()}


def _sections(tree: Mapping[str, Any], content: Mapping[str, bytes]) -> dict[str, str]:
    """Digest of each part of a side file, with the arrays that it refers to.

    `provenance` is left out: it records how the training was cut.
    """
    digests = {}
    parts = {**tree, **tree.get("training", {})}
    for name, node in parts.items():
        if name in ("training", "provenance"):
            continue
        digest = hashlib.sha256(json.dumps(without_places(node), sort_keys=True).encode())
        for array in _arrays(node):
            digest.update(content[f"{array}.npy"])
        digests[name.replace("_", " ")] = digest.hexdigest()
    return digests


def _arrays(node: Any) -> Iterator[str]:
    if isinstance(node, dict) and set(node) == {"$array"}:
        yield str(node["$array"])
    elif isinstance(node, dict):
        for item in node.values():
            yield from _arrays(item)
    elif isinstance(node, list):
        for item in node:
            yield from _arrays(item)


def read_reports(path: Path) -> Iterator[dict[str, Any]]:
    """The reports in a file of `run.report`; none if there is no file."""
    if path.is_file():
        for _, report in read_lines(read_bounded(path, _MOST_REPORT_BYTES), path.name):
            if isinstance(report, Unreadable):
                raise report
            yield report


def _results(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if path.is_file() and not path.is_symlink() and path != folder / PROGRESS_NAME:
            yield f"result {path.relative_to(folder).as_posix()}", hashlib.sha256(path.read_bytes()).hexdigest()


def _trace(path: Path) -> tuple[dict[str, Any], tuple[TracePoint, ...]]:
    conditions: dict[str, Any] = {}
    points: list[TracePoint] = []
    content = read_bounded(path, _MOST_REPORT_BYTES) if path.is_file() else b""
    for _, plain in read_lines(content, path.name):
        if isinstance(plain, Unreadable):
            continue  # a kill cut it off
        if "conditions" in plain:
            conditions = plain["conditions"]
        else:
            points.append(TracePoint(step=plain["step"], parts=plain["parts"]))
    return conditions, tuple(points)
