"""All figures of an examination, from its own numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from orchestrator.kernel.outcome import Verdict
from validation_ch7.figures.style import write_figure
from validation_ch7.section_7_3_analytical.checks import convergence, equilibrium, riemann, signal
from validation_ch7.section_7_3_analytical.examination import Examination
from validation_ch7.section_7_3_analytical.figures.equilibrium_figure import equilibrium_figure
from validation_ch7.section_7_3_analytical.figures.order_figure import order_figure
from validation_ch7.section_7_3_analytical.figures.riemann_figure import riemann_figure
from validation_ch7.section_7_3_analytical.figures.signal_figure import signal_figure


@dataclass(frozen=True, kw_only=True)
class Album:
    """Data for the figures.

    Attributes:
        examination: What the checks measured.
        verdict: An invalid examination is marked in every figure.
        stamp: Stamp of the drawing session; printed on every figure.
    """

    examination: Examination
    verdict: Verdict
    stamp: str

    def pages(self) -> Iterator[tuple[str, Callable[[], Figure]]]:
        """File name and drawing of each figure whose checks have run."""
        setting, results = self.examination.setting, self.examination.results
        verdict, stamp = self.verdict, self.stamp
        waves, smooth, relaxed, lights = (
            results.get(module.CHECK) for module in (riemann, convergence, equilibrium, signal)
        )
        if waves is not None:
            yield "fig_riemann.png", lambda: riemann_figure(waves, setting, verdict=verdict, stamp=stamp)
        if waves is not None and smooth is not None:
            yield "fig_convergence.png", lambda: order_figure(waves, smooth, setting, verdict=verdict, stamp=stamp)
        if relaxed is not None:
            yield "fig_equilibrium.png", lambda: equilibrium_figure(relaxed, setting, verdict=verdict, stamp=stamp)
        if lights is not None:
            yield "fig_signal.png", lambda: signal_figure(lights, setting, verdict=verdict, stamp=stamp)


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
