"""Size and time of the page: `make bench-page`.

Exits with 1 if a goal is missed. Ledger, event files and manifests are real files; nothing is trained. Times are CPU
seconds of this process, because other work on the machine changes them less; wall seconds are shown as well.
"""

from __future__ import annotations

import math
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from orchestrator.core.page.page import Page
from orchestrator.page.document import TEMPLATES, embedded, html
from orchestrator.wiring.page import reading
from orchestrator.wiring.pages import page_of
from tests.browser import chromium
from tests.browser.chromium import Browser
from tests.doubles.pictures import gif, png
from tests.doubles.trained_project import Made, TrainedProject, campaign_yaml

NUMBERS = {f"measure_{place}.mean": 1.0 + place / 7 for place in range(31)}
"""As many numbers as section 7.6 reports."""
Answer = TypeVar("Answer")
_missed: list[str] = []


def require(met: bool, goal: str) -> None:
    print(f"  {'met' if met else 'MISSED'}: {goal}", flush=True)
    if not met:
        _missed.append(goal)


def measured(what: str, act: Callable[[], Answer]) -> tuple[Answer, float]:
    """The result of `act` and its CPU seconds, which are also printed."""
    began_s, wall_s = time.process_time(), time.perf_counter()
    answer = act()
    spent_s = time.process_time() - began_s
    print(f"  {what}: {spent_s:.2f} s CPU ({time.perf_counter() - wall_s:.2f} s wall)", flush=True)
    return answer, spent_s


# A frame of 1.24 MB: its place and size, bits of a code, blocks of 255 bytes, end.
_FRAME = b"\x2c\0\0\0\0\x01\0\x01\0\0\x02" + (b"\xff" + bytes(255)) * 4_844 + b"\0"


def write_figures(folder: Path) -> None:
    """The pictures of one session of section 7.6 and of its report, as large as they are; and one that is too large."""
    folder.mkdir(parents=True)
    figures = {"delays": 91_000, "curves": 94_000, "learning": 87_000, "delay_distributions": 130_000}
    figures |= {"phase_diagram": 211_000, "performance": 253_000, "space_time": 263_000}
    for name, size in figures.items():
        (folder / f"{name}.png").write_bytes(png(bytes(size)))
    (folder / "crossing.gif").write_bytes(gif(_FRAME))
    (folder / "film.png").write_bytes(png(bytes(3_000_000)))


def opened_s(text: str) -> float | None:
    """CPU seconds of the process of the page until Chromium has drawn it whole; None without Chromium."""
    executables = chromium.paths()
    if not executables:
        print("  opened: not measured, Chromium is not installed", flush=True)
        return None
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "report.html")
        file.write_text(text, encoding="utf-8")
        browser = Browser(Path(folder, "browser"), executables[0])
        try:
            tab = browser.open("about:blank")
            tab.call("Performance.enable")
            began_s = time.perf_counter()
            tab.go(file.as_uri())
            tab.ready()
            wall_s = time.perf_counter() - began_s
            metrics = {one["name"]: one["value"] for one in tab.call("Performance.getMetrics")["metrics"]}
        finally:
            browser.close()
    spent_s = float(metrics["ProcessTime"])
    print(f"  opened in Chromium: {spent_s:.2f} s CPU ({wall_s:.2f} s wall)", flush=True)
    return spent_s


def read(trained: TrainedProject) -> Page:
    """The page of its campaign."""
    return page_of(trained.project, "pages", command="report pages", now=datetime.now(UTC))


def sessions_of(seed: int, reports: int, evaluations: int) -> tuple[Made, Made]:
    """Two sessions to 40 million steps in all, with a reward at each report."""
    half = 20_000_000

    def made(start: int, **more: object) -> Made:
        at = [start + half * (place + 1) // reports for place in range(reports)]
        evaluated = [start + half * (place + 1) // evaluations for place in range(evaluations)]
        return Made(
            start=start,
            end=start + half,
            rewards={steps: -200 + 30 * math.log10(steps + seed) for steps in at},
            evaluations={steps: -22.123456789 + math.sin(steps + seed) / 3 for steps in evaluated},
            **more,
        )

    return made(0, reason="paused"), made(half, grade="exact", numbers=NUMBERS)


def measure(trials: int, reports: int, evaluations: int) -> tuple[float, float, float | None, int, int, int]:
    """Seconds to gather, to render and to open, bytes of the file and of its data, number of its pictures."""
    with tempfile.TemporaryDirectory() as folder:
        seeds = max(1, trials // 6)
        gammas = [0.9, 0.95, 0.96, 0.97, 0.98, 0.99] if trials >= 6 else []
        began_s = time.perf_counter()
        trained = TrainedProject(Path(folder, "project"), campaign_yaml(seeds, gammas))
        for trial in trained.trials:
            trained.train(trial, *sessions_of(trial.seed, reports, evaluations))
        print(f"{len(trained.trials)} trials, {time.perf_counter() - began_s:.1f} s to write them", flush=True)
        write_figures(trained.project.campaign_reports / "pages")
        reading.forget()
        page, gathered_s = measured("gathered", partial(read, trained))
        text, rendered_s = measured("rendered", partial(html, page, TEMPLATES))
        data = len(embedded(page).encode()) - sum(len(one.data) for one in page.pictures)
        measured("gathered again, as a served page does", partial(read, trained))
        open_s = opened_s(text) if trials < 1_000 else None
    size = len(text.encode())
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"  file {size / 1e6:.2f} MB, of it data without pictures {data / 1e6:.2f} MB", flush=True)
    print(f"  memory {memory_mb:.0f} MB", flush=True)
    return gathered_s, rendered_s, open_s, size, data, len(page.pictures)


def main() -> int:
    gathered_s, rendered_s, open_s, size, data, pictures = measure(60, reports=500, evaluations=50)
    require(size < 6e6, "60 trials below 6 MB")
    require(pictures == 8, "60 trials with all pictures of a session of section 7.6")
    require(data < 1e6, "60 trials with less than 1 MB of data beside the pictures")
    require(gathered_s + rendered_s < 3.0, "60 trials in less than 3 s")
    if open_s is not None:
        require(open_s < 3.0, "60 trials open in less than 3 s")
    gathered_s, rendered_s, _, size, _, _ = measure(10_000, reports=20, evaluations=10)
    require(size < 40e6, "10,000 trials below 40 MB")
    require(gathered_s + rendered_s < 120.0, "10,000 trials in less than 2 minutes")
    return 1 if _missed else 0


if __name__ == "__main__":
    sys.exit(main())
