"""All figures of a comparison, in drawing order, all from the session's own numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from orchestrator.kernel.outcome import Verdict
from validation_ch7.figures.style import write_figure
from validation_ch7.section_7_6_rl_performance.controllers.interface import Controller
from validation_ch7.section_7_6_rl_performance.evaluation.evaluation import EvaluationResult
from validation_ch7.section_7_6_rl_performance.figures.crossing_gif import write_crossing
from validation_ch7.section_7_6_rl_performance.figures.delay_distributions import delay_figure
from validation_ch7.section_7_6_rl_performance.figures.learning_curve import LearningCurve, learning_curve_figure
from validation_ch7.section_7_6_rl_performance.figures.phase_diagram import phase_figure
from validation_ch7.section_7_6_rl_performance.figures.scenario_choice import Scene, record_scene
from validation_ch7.section_7_6_rl_performance.figures.space_time import space_time_figure
from validation_ch7.section_7_6_rl_performance.figures.summary_figure import comparison_figure
from validation_ch7.section_7_6_rl_performance.verdict.sanity_checks import POLICY
from validation_ch7.section_7_6_rl_performance.verdict.statistics import Bootstrap
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.model.arz import Floats

SUMMARY_NAME = "fig_rl_performance.png"
BESIDE = "fixed_time"
"""Controller that is drawn beside the policy, for any baseline: a fixed plan is the most familiar control."""

Page = Callable[[Path], None]


@dataclass(frozen=True, kw_only=True)
class Album:
    """Data for the figures.

    Attributes:
        results: Controller name -> its result.
        controllers: Controller name -> controller, for running a scenario again.
        settings: The crossing.
        baseline: Controller that the policy is compared with.
        verdict: Verdict on the comparison; an invalid one is marked in every figure.
        bootstrap: Resampling of the scenarios.
        curve: The policy's learning curve.
        stamp: Stamp of the drawing session; printed on every figure.
    """

    results: Mapping[str, EvaluationResult]
    controllers: Mapping[str, Controller]
    settings: EnvironmentSettings
    baseline: str
    verdict: Verdict
    bootstrap: Bootstrap
    curve: LearningCurve
    stamp: str

    def pages(self) -> Iterator[tuple[str, Page]]:
        """File name and writer of each figure; a figure is drawn when its writer is called."""
        yield SUMMARY_NAME, self._summary
        yield "fig_learning_curve.png", self._learning_curve
        yield "fig_delay_distributions.png", self._delays
        if self.has_scene:
            yield "fig_space_time.png", self._space_time
            yield "fig_phase_diagram.png", self._phases
            yield "crossing.gif", self._crossing

    @property
    def has_scene(self) -> bool:
        """Whether both controllers of the side-by-side figures were evaluated."""
        return all(name in self.results and name in self.controllers for name in (POLICY, BESIDE))

    @cached_property
    def _scene(self) -> Scene:
        """The recorded scenario; recorded once, at first use."""
        policy, other = ((self.results[name], self.controllers[name]) for name in (POLICY, BESIDE))
        return record_scene(policy, other, settings=self.settings)

    @property
    def _delays_s_per_veh(self) -> dict[str, Floats]:
        return {name: result.delay_s_per_veh for name, result in self.results.items()}

    def _summary(self, path: Path) -> None:
        drawn = comparison_figure(
            self._delays_s_per_veh,
            baseline=self.baseline,
            verdict=self.verdict,
            bootstrap=self.bootstrap,
            curve=self.curve,
            stamp=self.stamp,
        )
        write_figure(drawn, path)

    def _learning_curve(self, path: Path) -> None:
        write_figure(learning_curve_figure(self.curve, verdict=self.verdict, stamp=self.stamp), path)

    def _delays(self, path: Path) -> None:
        drawn = delay_figure(self._delays_s_per_veh, baseline=self.baseline, verdict=self.verdict, stamp=self.stamp)
        write_figure(drawn, path)

    def _space_time(self, path: Path) -> None:
        write_figure(space_time_figure(self._scene, verdict=self.verdict, stamp=self.stamp), path)

    def _phases(self, path: Path) -> None:
        write_figure(phase_figure(self._scene, verdict=self.verdict, stamp=self.stamp), path)

    def _crossing(self, path: Path) -> None:
        write_crossing(self._scene, path, verdict=self.verdict, stamp=self.stamp)


def draw(album: Album, folder: Path, *, must_leave: Callable[[], bool], say: Callable[[str], None]) -> None:
    """Write the figures: the summary always, the others while there is time.

    Args:
        album: Data for the figures.
        folder: Folder of the files.
        must_leave: Whether the session must stop now; called before each figure except the first.
        say: Receives a message about figures that were not drawn.

    Raises:
        OSError: A file cannot be written.
    """
    pages = list(album.pages())
    for place, (name, write) in enumerate(pages):
        if place and must_leave():
            left_out = ", ".join(name for name, _ in pages[place:])
            say(f"The session must stop. The numbers are complete, but these figures were not drawn: {left_out}.")
            return
        write(folder / name)
    if not album.has_scene:
        say(f"No figure of the crossing was drawn: it needs results of both {POLICY} and {BESIDE}.")
