"""The results as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.sumo.calibration import Discharge
from tests.sumo.open_road import OPEN_ROAD
from tests.sumo.rows import Delays, Row
from validation_ch7.section_7_6_rl_performance.verdict.statistics import Estimate

NOTHING = "-"


def discharge_table(ours: Discharge, sumo: Discharge) -> list[str]:
    """The measured queue discharge in both simulators."""
    lines = [_line("queue discharge", "ours", "SUMO"), _line(*["---"] * 3)]
    for text, name, digits in (
        ("saturation flow (veh/h per lane)", "saturation_veh_h", 0),
        ("start-up lost time (s)", "start_up_lost_s", 2),
        ("used part of the yellow (s)", "yellow_used_s", 2),
    ):
        numbers = [getattr(one, name) for one in (ours, sumo)]
        lines.append(_line(text, *(f"{number:.{digits}f}" for number in numbers)))
    return lines


def delay_table(rows: Sequence[Row]) -> list[str]:
    """Mean delays of all controllers in both simulators, SUMO's order."""
    heads = ("controller", "ours (s)", "SUMO (s)", "SUMO against ours (%)", "SUMO's departDelay + timeLoss (s)")
    lines = [_line(*heads), _line(*["---"] * len(heads))]
    for row in sorted(rows, key=lambda row: float(row.sumo.total_s.mean())):
        ours = None if row.ours is None else row.mean(row.ours.total_s)
        loss = None if row.sumo.time_loss_s is None else row.mean(row.sumo.time_loss_s)
        lines.append(
            _line(row.name, _text(ours), _text(row.mean(row.sumo.total_s)), _signed(row.difference_pct()), _text(loss))
        )
    return lines


def cause_table(rows: Sequence[Row]) -> list[str]:
    """Means of parts of the delay: without the signal, because of it, and before and after the stop line."""
    heads = ("controller", "because of the signal", "before the stop line", "after the stop line")
    lines = [_line(*heads), _line(*["---"] * len(heads))]
    (open_road,) = (row for row in rows if row.name == OPEN_ROAD)
    for row in rows:
        if row.ours is not None and open_road.ours is not None:
            pairs = [
                (row.ours.total_s - open_road.ours.total_s, row.sumo.total_s - open_road.sumo.total_s),
                (row.ours.before_s, row.sumo.before_s),
                (row.ours.after_s, row.sumo.after_s),
            ]
            known = pairs[1:] if row is open_road else pairs
            cells = [_pair(float(ours.mean()), float(sumo.mean())) for ours, sumo in known]
            lines.append(_line(row.name, *([NOTHING] * (3 - len(cells))), *cells))
    return lines


def policy_table(rows: Iterable[Row], policies: Sequence[Row]) -> list[str]:
    """Reduction of the mean delay by each policy, and the share of scenarios with less delay, in both simulators."""
    heads = ("policy", "against", "less delay, ours (%)", "less delay, SUMO (%)", "better in, ours", "better in, SUMO")
    lines = [_line(*heads), _line(*["---"] * len(heads))]
    baselines = [row for row in rows if row not in policies and row.name != OPEN_ROAD]
    for policy in policies:
        for other in baselines:
            both = (False, True) if other.ours is not None else (True,)
            less = [_text(policy.less_than_pct(other, in_sumo=where)) for where in both]
            share = [f"{100 * policy.better_share(other, in_sumo=where):.0f} %" for where in both]
            missing = [NOTHING] * (2 - len(both))
            lines.append(_line(policy.name, other.name, *missing, *less, *missing, *share))
    return lines


def plain(delays: Delays | None) -> dict[str, list[float]] | None:
    """Delays as plain JSON."""
    if delays is None:
        return None
    found = {"total_s": delays.total_s, "before_s": delays.before_s, "time_loss_s": delays.time_loss_s}
    return {name: values.tolist() for name, values in found.items() if values is not None}


def _pair(ours: float, sumo: float) -> str:
    return f"{ours:.2f}, {sumo:.2f} ({100 * (sumo / ours - 1):+.0f} %)"


def _text(estimate: Estimate | None) -> str:
    return NOTHING if estimate is None else str(estimate)


def _signed(estimate: Estimate | None) -> str:
    return NOTHING if estimate is None else f"{estimate.value:+.1f} [{estimate.low:+.1f}, {estimate.high:+.1f}]"


def _line(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"
