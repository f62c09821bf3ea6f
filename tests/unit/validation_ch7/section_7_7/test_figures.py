"""The degradation curves: legends beside the data, every family a panel, and odd studies drawn too."""

from __future__ import annotations

import pytest
from made_study import bare_row, own_keys

from orchestrator.kernel.outcome import Verdict
from tests.doubles.legends import legends_over_data
from tests.marks import first_cases
from validation_ch7.section_7_6_rl_performance.verdict.statistics import Estimate
from validation_ch7.section_7_7_robustness.conditions.all_conditions import FAMILIES, conditions_of
from validation_ch7.section_7_7_robustness.estimates import Row
from validation_ch7.section_7_7_robustness.figures.all_figures import Album

ALL = ("rl", "rl aaaaaaaa", "rl bbbbbbbb", "actuated", "rollout", "fixed_time", "max_pressure", "longest_queue")


def album(families: tuple[str, ...], controllers: tuple[str, ...], *, delay_s: float = 20.0) -> Album:
    severities = {name: own_keys().study.families["full"][name] for name in families}
    rows: list[Row] = []
    for condition in conditions_of(severities):
        for place, name in enumerate(controllers):
            value = delay_s * (1.0 + condition.severity + 0.1 * place)
            ratio = None if name == "actuated" else Estimate(value=1.0 + 0.1 * place, low=0.9, high=1.1 + 0.1 * place)
            rows.append(
                bare_row(
                    condition,
                    name,
                    n_policies=2 if name == "rl" and "rl bbbbbbbb" in controllers else int(name.startswith("rl")),
                    delay_s=Estimate(value=value, low=0.9 * value, high=1.1 * value),
                    ratio=ratio,
                )
            )
    return Album(rows=rows, criteria=own_keys().criteria, verdict=Verdict.INVALID, stamp="run r session 1 nonce n")


SINGLE = ("rl", "rl aaaaaaaa", "actuated")
CASES = [
    (("lane_blocked",), SINGLE),
    (tuple(FAMILIES), ALL),
    (tuple(FAMILIES)[:5], ("actuated",)),
    (tuple(FAMILIES), SINGLE),
    (("lane_blocked",), ALL),
]


@pytest.mark.parametrize(("families", "controllers"), first_cases(3, CASES))
def test_each_family_has_a_panel_and_no_legend_covers_data(
    families: tuple[str, ...], controllers: tuple[str, ...]
) -> None:
    for name, page in album(families, controllers).pages():
        drawn = page()
        drawn.draw_without_rendering()
        assert [axes.get_title(loc="left") for axes in drawn.axes] == [FAMILIES[one].title for one in families]
        assert legends_over_data(drawn) == [], name
        texts = [text.get_text() for text in drawn.legends[0].get_texts()]
        assert len(texts) == len(set(texts)) and not any(text.startswith("rl ") for text in texts)
        stamp = next(text for text in drawn.texts if text.get_text().startswith("run r"))
        assert not drawn.legends[0].get_window_extent().overlaps(stamp.get_window_extent())


def test_delays_of_all_sizes_have_ticks() -> None:
    for delay_s in (0.02, 5000.0):
        for _, page in album(("detector_noise",), ("rl", "actuated"), delay_s=delay_s).pages():
            drawn = page()
            drawn.draw_without_rendering()
            low, high = drawn.axes[0].get_ylim()
            assert sum(low <= tick <= high for tick in drawn.axes[0].get_yticks()) >= 2
