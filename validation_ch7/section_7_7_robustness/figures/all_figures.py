"""All figures of a study, from its own numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from orchestrator.kernel.outcome import Verdict
from validation_ch7.figures.style import write_figure
from validation_ch7.section_7_7_robustness.estimates import Row
from validation_ch7.section_7_7_robustness.figures.degradation_figure import delay_figure, ratio_figure
from validation_ch7.section_7_7_robustness.schema import Criteria


@dataclass(frozen=True, kw_only=True)
class Album:
    """Data for the figures.

    Attributes:
        rows: Of all conditions.
        criteria: Of the card; the limits are drawn.
        verdict: An invalid study is marked in every figure.
        stamp: Stamp of the drawing session; printed on every figure.
    """

    rows: Sequence[Row]
    criteria: Criteria
    verdict: Verdict
    stamp: str

    def pages(self) -> Iterator[tuple[str, Callable[[], Figure]]]:
        """File name and drawing of each figure."""
        rows, verdict, stamp = self.rows, self.verdict, self.stamp
        yield "fig_degradation_ratio.png", lambda: ratio_figure(rows, self.criteria, verdict=verdict, stamp=stamp)
        yield "fig_degradation_delay.png", lambda: delay_figure(rows, verdict=verdict, stamp=stamp)


def draw(album: Album, folder: Path, *, must_leave: Callable[[], bool], say: Callable[[str], None]) -> None:
    """Write the figures while there is time.

    Args:
        album: Data for the figures.
        folder: Folder of the files.
        must_leave: Whether the session must stop now; called before each figure.
        say: Receives a message about figures that were not drawn.

    Raises:
        OSError: A file cannot be written.
    """
    pages = list(album.pages())
    for place, (name, page) in enumerate(pages):
        if must_leave():
            left_out = ", ".join(name for name, _ in pages[place:])
            say(f"The session must stop. The numbers are complete, but these figures were not drawn: {left_out}.")
            return
        write_figure(page(), folder / name)
