"""All pictures of a comparison, in the order in which they are drawn; each of them of the session's own numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from orchestrator.kernel.outcome import Verdict
from validation_ch7.section_7_6_rl_performance.controllers.interface import Controller
from validation_ch7.section_7_6_rl_performance.evaluation.evaluation import EvaluationResult
from validation_ch7.section_7_6_rl_performance.figures.crossing_gif import write_crossing
from validation_ch7.section_7_6_rl_performance.figures.delay_distributions import delay_figure
from validation_ch7.section_7_6_rl_performance.figures.learning_curve import LearningCurve, learning_curve_figure
from validation_ch7.section_7_6_rl_performance.figures.phase_diagram import phase_figure
from validation_ch7.section_7_6_rl_performance.figures.scenario_choice import Scene, record_scene
from validation_ch7.section_7_6_rl_performance.figures.space_time import space_time_figure
from validation_ch7.section_7_6_rl_performance.figures.style import write_figure
from validation_ch7.section_7_6_rl_performance.figures.summary_figure import comparison_figure
from validation_ch7.section_7_6_rl_performance.verdict.sanity_checks import POLICY
from validation_ch7.section_7_6_rl_performance.verdict.statistics import Bootstrap
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.model.arz import Floats

SUMMARY_NAME = "fig_rl_performance.png"
BESIDE = "fixed_time"
"""What the policy is drawn beside, whatever it is judged against: everybody knows a fixed plan."""

Page = Callable[[Path], None]


@dataclass(frozen=True, kw_only=True)
class Album:
    """What the pictures are drawn from.

    Attributes:
        results: Controller name -> its hours.
        controllers: Controller name -> itself, for a scenario to be run once more.
        settings: The crossing.
        baseline: Controller that the policy is measured against.
        verdict: What the comparison says; an invalid one is marked in every picture.
        bootstrap: How scenarios are resampled.
        curve: How the policy learned.
        stamp: Which session draws; on every picture.
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
        """File name and writer of each picture; nothing is drawn before the writer is called."""
        yield SUMMARY_NAME, self._summary
        yield "fig_learning_curve.png", self._learning_curve
        yield "fig_delay_distributions.png", self._delays
        if self.has_scene:
            yield "fig_space_time.png", self._space_time
            yield "fig_phase_diagram.png", self._phases
            yield "crossing.gif", self._crossing

    @property
    def has_scene(self) -> bool:
        """Whether there are the two controllers that are drawn side by side."""
        return all(name in self.results and name in self.controllers for name in (POLICY, BESIDE))

    @cached_property
    def _scene(self) -> Scene:
        """Recorded once, when the first picture asks for it."""
        policy, other = ((self.results[name], self.controllers[name]) for name in (POLICY, BESIDE))
        return record_scene(policy, other, settings=self.settings)

    @property
    def _delays_s_per_veh(self) -> dict[str, Floats]:
        return {name: hours.delay_s_per_veh for name, hours in self.results.items()}

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
    """Write the pictures one after the other; the summary in any case, the others while there is time.

    Args:
        album: What they are drawn from.
        folder: Where the files go.
        must_leave: Whether the session must leave now; asked before each picture but the first.
        say: Told which pictures were not drawn, and why.

    Raises:
        OSError: The disk refused.
    """
    pages = list(album.pages())
    for place, (name, write) in enumerate(pages):
        if place and must_leave():
            left_out = ", ".join(name for name, _ in pages[place:])
            say(f"The session must leave; these pictures were not drawn, and the numbers are complete: {left_out}.")
            return
        write(folder / name)
    if not album.has_scene:
        say(f"No picture of the crossing: it needs both {POLICY} and {BESIDE}.")
