"""What a program uses after each virtual hour, and whether it grows."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import sqlite3
import threading
import tracemalloc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.core.ledger.events import EventKind
from orchestrator.stores.project import Project

_TESTS = str(Path(__file__).resolve().parents[1])


@dataclass(frozen=True, kw_only=True)
class Limit:
    """Bound of one measure.

    Attributes:
        name: In the table.
        slope: Most growth in a virtual hour, over the second half of the soak.
    """

    name: str
    slope: float


LIMITS: Mapping[str, Limit] = {
    "rss_kib": Limit(name="memory of the process, KiB", slope=300.0),
    # The interpreter's table of interned strings alone may grow by 1.9 MiB at once: 53 KiB an hour over 36 hours.
    "traced_kib": Limit(name="memory allocated by the program, KiB", slope=100.0),
    "descriptors": Limit(name="open file handles", slope=0.05),
    "threads": Limit(name="threads", slope=0.02),
    "ledger_bytes": Limit(name="ledger, bytes a session", slope=60.0),
    "ledger_events": Limit(name="ledger, events a session", slope=0.02),
    "results_bytes": Limit(name="results, bytes a session", slope=200.0),
    "archived": Limit(name="files in archives but for walks back", slope=0.05),
    "unfinished": Limit(name="unfinished or staged files", slope=0.05),
    "temporary": Limit(name="entries in the temporary folder", slope=0.02),
}


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One measurement."""

    hour: float
    values: Mapping[str, float]


def sample(hour: float, project: Project, temporary: Path, sessions: int) -> Sample:
    """Measure this process and what it has written.

    Args:
        temporary: The folder for temporary files.
        sessions: Sessions that were started so far.
    """
    gc.collect()
    with contextlib.closing(sqlite3.connect(project.own / "ledger.sqlite")) as ledger:
        (pages,), (size,) = (ledger.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size"))
        (events,) = ledger.execute("SELECT count(*) FROM events").fetchone()
        left = _left_by_walks(ledger)
    paths = [path for path in project.state.rglob("*") if path.is_file()]
    values = {
        "rss_kib": _resident_kib(),
        "traced_kib": _traced_kib(),
        "descriptors": _descriptors(),
        "threads": float(threading.active_count()),
        "ledger_bytes": pages * size / max(1, sessions),
        "ledger_events": events / max(1, sessions),
        "results_bytes": sum(x.stat().st_size for x in paths if x.is_relative_to(project.results)) / max(1, sessions),
        "archived": float(sum("archive" in x.parts and not left & {*map(str, x.parents)} for x in paths)),
        "unfinished": float(sum(_is_unfinished(x.relative_to(project.state)) for x in paths)),
        "temporary": float(len(list(temporary.iterdir()))),
    }
    return Sample(hour=hour, values=values)


def _left_by_walks(ledger: sqlite3.Connection) -> set[str]:
    """Archives of the checkpoints from which two sessions in a row failed: kept on purpose, and each has its event."""
    rows = ledger.execute("SELECT body FROM events WHERE kind = ?", (EventKind.WALKED_BACK.value,))
    return {str(json.loads(body)["archive"]) for (body,) in rows}


def _is_unfinished(path: Path) -> bool:
    return any(part.startswith((".partial-", ".fetching-", ".begun-", ".incoming-")) for part in path.parts)


def _resident_kib() -> float:
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0.0  # measured on Linux only
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024


def _descriptors() -> float:
    try:
        return float(len(os.listdir("/proc/self/fd")))  # noqa: PTH208 links to files that may be gone
    except OSError:
        return 0.0


def _traced_kib() -> float:
    """Memory that was allocated outside the tests' own code; 0 if it is not traced."""
    if not tracemalloc.is_tracing():
        return 0.0
    kept = tracemalloc.take_snapshot().filter_traces(
        [tracemalloc.Filter(False, f"{_TESTS}/*"), tracemalloc.Filter(False, tracemalloc.__file__)]
    )
    return sum(trace.size for trace in kept.traces) / 1024


def slope(samples: Sequence[Sample], name: str) -> float:
    """Growth of a measure in an hour: the slope of a least-squares line."""
    if len(samples) < 2:
        return 0.0
    middle_h = sum(one.hour for one in samples) / len(samples)
    mean = sum(one.values[name] for one in samples) / len(samples)
    spread = sum((one.hour - middle_h) ** 2 for one in samples)
    return sum((one.hour - middle_h) * (one.values[name] - mean) for one in samples) / spread


def second_half(samples: Sequence[Sample]) -> Sequence[Sample]:
    """The samples of the second half of the time."""
    middle_h = (samples[0].hour + samples[-1].hour) / 2
    return [one for one in samples if one.hour >= middle_h]


def growing(samples: Sequence[Sample]) -> list[str]:
    """Measures above their limits, a sentence each."""
    later = second_half(samples)
    return [
        f"{limit.name}: {slope(later, name):+.3f} an hour, at most {limit.slope}"
        for name, limit in LIMITS.items()
        if slope(later, name) > limit.slope
    ]


def table(samples: Sequence[Sample]) -> list[str]:
    """The measures as lines of text."""
    later = second_half(samples)
    rows = [("measure", "start", "half-way", "end", "growth an hour", "limit")]
    for name, limit in LIMITS.items():
        values = (samples[0].values[name], later[0].values[name], samples[-1].values[name])
        rows.append((limit.name, *(f"{one:.1f}" for one in values), f"{slope(later, name):+.3f}", f"{limit.slope}"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
