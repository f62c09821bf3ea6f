"""From sessions and their reports to the values of the page, without files."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from orchestrator.core.ledger.records import SessionRecord, Stage
from orchestrator.core.page.conversion.chain import Chain, Reports
from orchestrator.core.page.conversion.curves import curve_of
from orchestrator.core.page.conversion.limits import TABLES_OF_SCRIPT, Tables, left_out_of, limits_of, tables_of
from orchestrator.core.page.conversion.masked import masked_page
from orchestrator.core.page.conversion.reading import reports_in
from orchestrator.core.page.conversion.rows import grade_of, numbers_of, row_of
from orchestrator.core.page.conversion.settings import flat_settings, without_shared
from orchestrator.core.page.conversion.weeks import weeks_of
from orchestrator.core.page.page import Headline, Page, Picture, Subject
from orchestrator.core.page.source import Source
from orchestrator.core.reporting.learning_curve import LostSteps, SessionCurve, lost_steps, stitch
from orchestrator.core.session.time_budget import Quota
from orchestrator.core.timestamps import latest_time
from orchestrator.kernel.reporting.trial_report import CurvePoint

NOW = datetime(2026, 12, 2, 12, tzinfo=UTC)
SPEC = {"profile": "quick", "target_steps": 100, "lineage": {"seed": 1}, "deadline_s": 60.0, "criteria": {}}


def session(number: int, start: int, end: int, **more: Any) -> SessionRecord:
    return SessionRecord(
        key=f"r/s{number:02d}a1",
        run_id="r",
        lineage_id="l" * 64,
        session=number,
        attempt=1,
        slug=f"s{number:02d}",
        nonce="n",
        ticket={"spec": SPEC, "bundle_digest": "c" * 64},
        handle="kaggle://me/s",
        stage=Stage.CLOSED,
        **{
            "backend": "kaggle",
            "planned_at": "2026-11-30T00:00:00+00:00",
            "steps_start": start,
            "steps_done": end,
            "end_reason": "finished",
            "no_claim": True,
            "wall_s": 10.0,
            **more,
        },
    )


def reports(record: SessionRecord, seen: int, scores: dict[int, float], rewards: dict[int, float]) -> Reports:
    points = tuple(CurvePoint(steps=at, score=one, measures={}, session=record.slug) for at, one in scores.items())
    start = record.steps_start or 0
    return Reports(
        curve=SessionCurve(steps_start=start, steps_seen=seen, points=points),
        rewards=tuple(rewards.items()),
        selects_best=True,
    )


def chain(*read: tuple[SessionRecord, Reports], **more: Any) -> Chain:
    records = tuple(record for record, _ in read)
    return Chain(
        lineage_id="l" * 64,
        label="DQN",
        section="s",
        profile="quick",
        seed=1,
        target_steps=100,
        settings={},
        command="make it",
        everything=records,
        records=records,
        reports={record.key: one for record, one in read},
        **more,
    )


def test_lost_steps_add_up_to_those_of_the_stitched_curve() -> None:
    curves = [
        SessionCurve(steps_start=start, steps_seen=seen) for start, seen in ((0, 30), (20, 25), (25, 60), (0, 90))
    ]
    assert lost_steps(curves) == (
        LostSteps(place=0, steps_from=20, steps_to=30),
        LostSteps(place=2, steps_from=0, steps_to=60),
    )
    assert stitch(curves).wasted_steps == 70


def test_a_thinned_curve_keeps_its_ends_and_names_the_best() -> None:
    one = session(1, 0, 1000)
    scores = {step: -abs(step - 333.0) for step in range(1000)}
    curve = curve_of(chain((one, reports(one, 1000, scores, dict.fromkeys(range(1000), 1 / 3)))), 20)
    assert len(curve.steps) == len(curve.rewards) == 20 and (curve.steps[0], curve.steps[-1]) == (0, 999)
    assert 333 not in curve.steps and (curve.best_steps, curve.best_score) == (333, 0.0)
    assert set(curve.rewards) == {0.333333}


def test_the_best_evaluation_is_the_first_of_equal_ones() -> None:
    one = session(1, 0, 30)
    assert curve_of(chain((one, reports(one, 30, {10: 1.0, 20: 2.0, 30: 2.0}, {}))), 20).best_steps == 20


def test_only_evaluations_that_name_a_best_model_have_one() -> None:
    one, events = session(1, 0, 30), [{"kind": "evaluated", "steps": 10, "score": 1.0}]
    known = reports(one, 30, {10: 1.0}, {}).curve
    for odd in (None, True, -1, "10"):
        assert not reports_in([{**events[0], "best_steps": odd}], known).selects_best
    script = chain((one, reports_in(events, known)))
    assert curve_of(script, 20).steps == (10,) and curve_of(script, 20).best_steps is None
    section = chain((one, reports_in([{**events[0], "best_steps": 10}], known)))
    assert (curve_of(section, 20).best_steps, curve_of(section, 20).best_score) == (10, 1.0)
    manifest = SimpleNamespace(outcome=SimpleNamespace(training={"best_model_steps": 10}))
    assert curve_of(replace(script, manifest=cast("Any", manifest)), 20).best_steps == 10  # its event file is gone


def test_of_two_sessions_from_one_step_the_later_one_is_the_seam() -> None:
    first, dead, last = (
        session(1, 0, 50),
        session(2, 50, 50, steps_done=None),
        session(3, 50, 100, resume_grade="exact"),
    )
    read = [(one, reports(one, one.steps_done or 60, {}, {})) for one in (first, dead, last)]
    curve = curve_of(chain(*read), 20)
    assert [(one.steps, one.session, one.grade) for one in curve.seams] == [(50, "s03", "exact")]
    assert [(one.steps_from, one.steps_to, one.session) for one in curve.wasted] == [(50, 60, "s02")]


def test_a_killed_session_has_the_grade_that_the_next_checkpoint_states() -> None:
    first, killed = session(1, 0, 50), session(2, 50, 70)
    read = [(one, reports(one, 70, {}, {})) for one in (first, killed)]
    assert grade_of(chain(*read)) == ""
    found = chain(*read, grades={50: "statistical"})
    assert grade_of(found) == "statistical" and curve_of(found, 20).seams[0].grade == "statistical"


@pytest.mark.parametrize(
    ("trainings", "points", "full_sources", "shares"),
    [(0, 1000, True, False), (59, 1000, True, False), (60, 120, False, False), (10_000, 20, False, True)],
)
def test_more_trainings_have_less_each(trainings: int, points: int, full_sources: bool, shares: bool) -> None:
    limits = limits_of(trainings)
    assert (limits.points, limits.full_sources, limits.shares_settings) == (points, full_sources, shares)


def test_the_page_says_what_the_limits_leave_out() -> None:
    one = session(1, 0, 100, numbers={f"n{place}": float(place) for place in range(9)})
    long = chain((one, reports(one, 100, {step: 0.0 for step in range(30)}, {})))
    many = limits_of(10_000)
    assert [name.name for name in numbers_of(long, many)] == ["n0", "n1", "n2"]
    assert numbers_of(long, many)[0].source == Source(session="s01")
    curves, numbers, settings = left_out_of([long], many, tables_of(Subject.SECTION, "lake"))
    by = "`python -m orchestrator report lake` writes"
    assert curves.endswith(f"evenly spread: {by} learning_curves.csv with every evaluation.")
    assert numbers.endswith(f"numbers of its section: {by} trainings.csv with all of them.") and "Settings" in settings
    assert list(left_out_of([long], limits_of(1), tables_of(Subject.SECTION, "lake"))) == []


@pytest.mark.parametrize(
    ("tables", "where"),
    [
        (tables_of(Subject.RUN, "lake"), "`python -m orchestrator report lake` writes learning_curves.csv"),
        (tables_of(Subject.PROJECT, "lake"), "`python -m orchestrator report SECTION` writes learning_curves.csv"),
        (tables_of(Subject.CAMPAIGN, "sweep"), "`python -m orchestrator campaign report sweep` writes learning"),
        (TABLES_OF_SCRIPT, "events.jsonl in the folder of the training has all of them."),
    ],
)
def test_each_page_names_the_file_or_command_that_has_every_evaluation(tables: Tables, where: str) -> None:
    one = session(1, 0, 100)
    long = chain((one, reports(one, 100, {step: 0.0 for step in range(30)}, {})))
    (sentence, _) = left_out_of([long], limits_of(10_000), tables)
    assert f"evenly spread: {where}" in sentence


def test_settings_are_flat_and_those_that_all_share_can_be_taken_out() -> None:
    spec = {"lineage": {"algorithm": "DQN", "net": [64, 64], "own": {}}, "criteria": {"least": 1.5}, "script": "x.py"}
    flat = {"algorithm": "DQN", "net": "[64, 64]", "own": "{}", "criteria.least": "1.5"}
    assert flat_settings(spec) == flat
    row = row_of(chain(), limits_of(1))
    rows, shared = without_shared([replace(row, settings={"a": "1", "b": value}) for value in ("2", "3")])
    assert shared == {"a": "1"} and [dict(one.settings) for one in rows] == [{"b": "2"}, {"b": "3"}]
    assert without_shared([]) == ((), {})


def test_a_session_counts_in_the_week_of_its_begin() -> None:
    gpu = {"machine": {"accelerator": "T4"}}
    late = session(1, 0, 1, started_at="2026-12-04T23:59:59+00:00", **gpu)
    first = session(2, 0, 1, started_at="2026-12-05T00:00:00+00:00", **gpu)
    cpu = session(3, 0, 1, machine={"accelerator": ""}, started_at="2026-12-06T00:00:00+00:00")
    here = session(4, 0, 1, backend="local")
    quota = Quota(resource="GPU", used_s=0, reserved_s=0, allowed_s=100.0, refresh_at=datetime(2026, 12, 5, tzinfo=UTC))
    found = weeks_of([late, first, cpu, here], {"kaggle": quota}, NOW, "local")
    assert [(one.begins_at[:10], one.used_s, one.limit_s) for one in found] == [
        ("2026-11-28", 10.0, 100.0),
        ("2026-12-05", 10.0, 100.0),
    ]


def test_a_mask_reaches_names_and_texts_and_leaves_pictures() -> None:
    row = row_of(chain(), limits_of(1))
    page = Page(
        subject=Subject.RUN,
        title="key",
        made_at="",
        command="",
        headline=Headline(verdict="", text="", lines=("a key",)),
        trainings=(replace(row, settings={"key": "a key"}),),
        pictures=(Picture(title="key", media_type="image/png", data="a key", source=Source(session="s")),),
    )
    seen: list[str] = []

    def mask(text: str) -> str:
        seen.append(text)
        return text.replace("key", "[hidden]")

    hidden = masked_page(page, mask)
    assert hidden.subject is Subject.RUN and (hidden.title, hidden.headline.lines) == ("[hidden]", ("a [hidden]",))
    assert dict(hidden.trainings[0].settings) == {"[hidden]": "a [hidden]"}
    assert (hidden.pictures[0].title, hidden.pictures[0].data) == ("[hidden]", "a key")
    seen.clear()
    assert masked_page(hidden, mask) is hidden and len(seen) == 1  # all texts at once


def test_a_secret_over_several_lines_of_a_page_is_hidden() -> None:
    lines = ("The verdict", "-----BEGIN", "first half", "second half", "-----END", "8.5 s")
    page = Page(
        subject=Subject.RUN, title="", made_at="", command="", headline=Headline(verdict="", text="", lines=lines)
    )
    shown = masked_page(page, lambda text: re.sub("-----BEGIN.*?-----END", "[hidden]", text, flags=re.DOTALL))
    assert "half" not in str(shown) and len(shown.headline.lines) == len(lines)
    assert (shown.headline.lines[0], shown.headline.lines[-1]) == ("The verdict", "8.5 s")


def test_rewards_of_strange_reports_are_left_out() -> None:
    events: list[Any] = [
        {"kind": "progress", "steps": 1, "reward_mean": 1.5, "reward": 9.0},
        {"kind": "progress", "steps": True, "reward": 1.0},
        {"kind": "progress", "steps": 2, "reward": None, "ep_rew_mean": -2},
        {"kind": "progress", "steps": 3, "reward": "NaN"},
        {"kind": "progress", "steps": -1, "reward": 1.0},
        {"kind": "other", "steps": 4, "reward": 1.0},
        {"kind": "progress", "steps": 5, "reward": 1e400},
        {"at": "yesterday"},
        {"kind": "progress", "steps": 6, "reward": "none", "score": 4},
    ]
    found = reports_in(events, cast(SessionCurve, SimpleNamespace()))
    assert found.rewards == ((1, 1.5), (2, -2.0), (6, 4.0)) and latest_time(events) is None
