"""The page equals ledger and files: curve, seams, grades, lost steps, sessions, weeks, numbers, verdict."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.core.errors import BadInput, RemoteUnavailable
from orchestrator.core.ledger.records import SessionRecord
from orchestrator.core.page.conversion.limits import limits_of
from orchestrator.core.page.page import Page, Subject
from orchestrator.core.page.training import Seam, Wasted
from orchestrator.core.secret_search import SecretValue
from orchestrator.core.session.live_progress import LiveProgress
from orchestrator.core.session.time_budget import Quota
from orchestrator.kernel.wire import EVENTS_NAME, MANIFEST_NAME
from orchestrator.stores.ledger.reading import ledger_for_reading
from orchestrator.stores.ledger.sqlite import SqliteLedger
from orchestrator.stores.reporting import pictures
from orchestrator.stores.secrets.rules import also_hide
from orchestrator.stores.session import written_outputs
from orchestrator.wiring import autopsies, pages
from orchestrator.wiring.page import chains, parts, reading
from orchestrator.wiring.page.answers import Answers
from orchestrator.wiring.page.reading import PageReader, forget
from orchestrator.wiring.pages import page_of
from orchestrator.wiring.reports import section_trainings
from tests.doubles.pictures import png
from tests.doubles.trained_project import BEGAN, Made, TrainedProject, campaign_yaml

NOW = datetime(2026, 12, 2, tzinfo=UTC)
TOKEN = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"  # pragma: allowlist secret


@pytest.fixture
def trained(tmp_path: Path) -> TrainedProject:
    return TrainedProject(tmp_path / "project", campaign_yaml(seeds=3))


def page(trained: TrainedProject, target: str | None = None) -> Page:
    return page_of(trained.project, target, command="orchestrator report", now=NOW)


def chain(trained: TrainedProject) -> None:
    """A first session that was killed at step 27 after its save at 20, and two that continued."""
    trained.train(
        trained.trials[0],
        Made(
            end=20,
            seen=27,
            reason="crashed",
            manifest=False,
            evaluations={10: 1.0, 25: 9.0},
            rewards={5: -5.0, 26: -1.0},
        ),
        Made(
            start=20,
            end=30,
            reason="paused",
            grade="statistical",
            grade_reasons=("torch differs",),
            evaluations={25: 2.0},
            rewards={26: -3.0},
        ),
        Made(start=30, end=40, grade="exact", evaluations={40: 1.5}, numbers={"reward": 7.5, "length.mean": 3.0}),
    )


def test_a_curve_has_each_step_once_with_seams_grades_lost_steps_and_the_best(trained: TrainedProject) -> None:
    chain(trained)
    (one,) = page(trained, "section_7_6").trainings
    slugs = [session.slug for session in page(trained).sessions]
    assert (one.curve.steps, one.curve.scores) == ((10, 25, 40), (1.0, 2.0, 1.5))
    assert (one.curve.reward_steps, one.curve.rewards) == ((5, 26), (-5.0, -3.0))
    assert one.curve.seams == (
        Seam(steps=20, grade="statistical", session=slugs[1], reasons=("torch differs",)),
        Seam(steps=30, grade="exact", session=slugs[2]),
    )
    assert one.curve.wasted == (Wasted(steps_from=20, steps_to=27, session=slugs[0]),) and one.curve.wasted_steps == 7
    assert (one.curve.best_steps, one.curve.best_score) == (25, 2.0)
    assert (one.grade, one.state, one.verdict, one.steps, one.sessions) == ("statistical", "done", "supported", 40, 3)
    assert one.rate == pytest.approx(20 / 7200) and one.eta_s is None and one.wall_s == 7207.0


def test_every_number_names_session_code_and_command(trained: TrainedProject) -> None:
    chain(trained)
    (one,) = page(trained, "section_7_6").trainings
    with SqliteLedger(trained.project.own / "ledger.sqlite").connection:
        record = SqliteLedger(trained.project.own / "ledger.sqlite").sessions()[-1]
    assert {number.name: number.value for number in one.numbers} == record.numbers
    for number in one.numbers:
        assert (number.source.session, number.source.digest) == (record.slug, record.ticket["bundle_digest"])
        assert number.source.command == "python -m orchestrator run section_7_6 --quick --backend local --seed 0"
    assert len(one.policy_digest) == 64 and one.settings["hyper_parameters.gamma"] == "0.97"


def test_sessions_are_bars_and_a_killed_one_ends_with_its_last_report(trained: TrainedProject) -> None:
    chain(trained)
    killed, paused, finished = page(trained).sessions
    assert (killed.end_reason, killed.steps_done, killed.ended_at) == ("crashed", 20, "2026-11-30T08:00:07+00:00")
    assert (paused.steps_start, paused.steps_done, paused.grade) == (20, 30, "statistical")
    assert finished.began_at == "2026-11-30T10:00:00+00:00" and finished.ended_at == "2026-11-30T11:00:00+00:00"
    assert not any(one.in_flight for one in (killed, paused, finished))


def test_the_headline_has_the_sentences_of_the_verdict(trained: TrainedProject) -> None:
    chain(trained)
    head = page(trained, "section_7_6").headline
    assert (head.verdict, head.lines) == ("supported", ("It delays by 19.1 [18.0, 20.5] s less.",))
    assert head.source is not None and head.source.session == page(trained).sessions[-1].slug
    assert "40 of 40 steps" in head.text


def test_without_a_claim_or_without_an_end_the_headline_says_so(trained: TrainedProject) -> None:
    assert page(trained).headline.verdict == "" and page(trained).trainings == ()
    trained.train(trained.trials[0], Made(end=20, reason="paused"), run_end=None)
    half = page(trained)
    assert (half.headline.verdict, half.trainings[0].state) == ("unfinished", "between sessions")
    assert half.trainings[0].eta_s == pytest.approx(20 / (20 / 3600))
    trained.train(trained.trials[1], Made(end=40, verdict=None))
    assert page(trained, trained.trials[1].lineage_id).headline.text == "Finished, no claim: 40 of 40 steps."
    assert page(trained).headline.text.startswith("1 of 2 trainings finished: 1 no claim.")


def test_a_campaign_shows_every_trial_also_those_that_have_not_begun(trained: TrainedProject) -> None:
    chain(trained)
    found = page(trained, "pages")
    assert found.subject is Subject.CAMPAIGN and found.title == "Pages of a toy"
    assert [one.state for one in found.trainings] == ["done", "waiting", "waiting"]
    assert [one.verdict for one in found.trainings] == ["supported", "", ""]
    assert (found.headline.verdict, found.headline.text) == ("unfinished", "1 of 3 trainings finished; 2 waiting.")
    first, second = found.trainings[:2]
    assert set(first.settings) == set(second.settings)
    assert {key for key in first.settings if first.settings[key] != second.settings[key]} == {"seed"}


def test_the_statement_of_the_sections_own_report_stands_in_the_headline(trained: TrainedProject) -> None:
    for trial in trained.trials:
        trained.train(trial, Made(end=40, numbers={"reward": float(trial.seed)}))
    alone = page(trained, "pages").headline
    assert (alone.verdict, alone.lines) == ("no claim", ())
    assert alone.text == "Finished, no claim: 3 of 3 trainings finished; each judged alone: 3 supported."
    folder = trained.project.campaign_reports / "pages"
    folder.mkdir(parents=True)
    slugs = [one.slug for one in page(trained).sessions]
    statement = {"verdict": "inconclusive", "lines": ["DQN: inconclusive (33 [8, 36] %)."], "sessions": slugs}
    (folder / "statement.json").write_text(json.dumps(statement), encoding="utf-8")
    found = page(trained, "pages")
    assert (found.headline.verdict, found.headline.lines) == ("inconclusive", ("DQN: inconclusive (33 [8, 36] %).",))
    assert found.headline.text.startswith("Verdict: inconclusive, from all trainings together")
    reward = next(one for one in found.intervals if one.measure == "reward")
    assert (reward.variant, reward.n, reward.mean) == ("main", 3, 1.0)
    assert reward.low is not None and reward.high is not None and reward.low < 1.0 < reward.high
    assert reward.source.session == page(trained).sessions[-1].slug
    (folder / "statement.json").write_text("[", encoding="utf-8")
    assert any("statement" in note for note in page(trained, "pages").notes)


@pytest.mark.parametrize("covered", [None, [], ["s-of-january"], "fewer"])
def test_a_statement_about_other_results_is_no_answer(trained: TrainedProject, covered: list[str] | str | None) -> None:
    for trial in trained.trials:
        trained.train(trial, Made(end=40))
    folder = trained.project.campaign_reports / "pages"
    folder.mkdir(parents=True)
    slugs = [one.slug for one in page(trained).sessions]
    sessions = {} if covered is None else {"sessions": slugs[:2] if covered == "fewer" else covered}
    statement = {"verdict": "supported", "lines": ["Over 2 seeds DQN delays less."], **sessions}
    (folder / "statement.json").write_text(json.dumps(statement), encoding="utf-8")
    found = page(trained, "pages")
    assert (found.headline.verdict, found.headline.lines) == ("no claim", ())
    assert any(one.endswith("left out: python -m orchestrator campaign report pages") for one in found.notes)


def test_a_mean_over_seeds_names_the_target_of_its_trainings(trained: TrainedProject) -> None:
    trained.train(trained.trials[0], Made(end=40, numbers={"reward": 1.0}))
    longer = trained.trials[1]
    card, profile = longer.variant.card, longer.variant.profile
    sizes = {**card.profiles, profile: replace(longer.variant.sizes, target_steps=90)}
    variant = replace(longer.variant, card=replace(card, profiles=sizes))
    trained.train(replace(longer, variant=variant), Made(end=90, numbers={"reward": 5.0}))
    found = {one.variant.rpartition(", ")[2]: (one.n, one.mean) for one in page(trained, "section_7_6").intervals}
    assert found == {"target 40 steps": (1, 1.0), "target 90 steps": (1, 5.0)}


def test_weeks_count_what_spends_quota_and_only_elsewhere(trained: TrainedProject) -> None:
    gpu, cpu = {"accelerator": "NvidiaTeslaT4"}, {"accelerator": ""}
    trained.train(trained.trials[0], Made(end=40, hours=2, machine=gpu), backend="kaggle")
    trained.train(trained.trials[1], Made(end=40, hours=200, machine=cpu), backend="kaggle")
    trained.train(trained.trials[2], Made(end=40, hours=3, machine=gpu), backend="kaggle")
    weeks = page(trained).weeks
    assert [(one.begins_at[:10], one.ends_at[:10], one.used_s) for one in weeks] == [
        ("2026-11-30", "2026-12-07", 7200.0),
        ("2026-12-07", "2026-12-14", 10800.0),
    ]
    assert {one.backend for one in weeks} == {"kaggle"} and {one.limit_s for one in weeks} == {None}


def test_a_killed_session_took_until_its_latest_report_on_every_page(trained: TrainedProject) -> None:
    killed = Made(end=20, seen=27, reason="crashed", manifest=False, machine={"accelerator": "NvidiaTeslaT4"}, hours=12)
    at = 12 * 3600 - 15  # the last report, shortly before the time limit of the backend
    trained.train(trained.trials[0], replace(killed, rewards={26: 1.0}), Made(start=20, end=40), backend="kaggle")
    slug = page(trained).sessions[0].slug
    events = trained.folder(slug) / "events.jsonl"
    lines = events.read_text(encoding="utf-8").splitlines()
    last = {**json.loads(lines[-1]), "at": (BEGAN + timedelta(seconds=at)).isoformat()}
    events.write_text("\n".join([*lines[:-1], json.dumps(last)]) + "\n", encoding="utf-8")
    forget()
    for target in ("section_7_6", "pages"):
        found = page(trained, target)
        assert found.trainings[0].wall_s == at + 3600.0
        assert found.sessions[0].ended_at == "2026-11-30T19:59:45+00:00"
        assert [one.used_s for one in found.weeks] == [at + 3600.0]
    (row,) = section_trainings(trained.project, "section_7_6")
    assert row.wall_s == at + 3600.0


def test_a_backend_that_is_asked_says_when_its_weeks_begin_and_what_they_allow(
    trained: TrainedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained.train(trained.trials[0], Made(end=40, machine={"accelerator": "NvidiaTeslaT4"}), backend="kaggle")
    saturday = datetime(2026, 12, 5, tzinfo=UTC)
    quota = Quota(resource="GPU", used_s=0.0, reserved_s=0.0, allowed_s=108_000.0, refresh_at=saturday)
    monkeypatch.setattr(parts, "make_backend", lambda *_: SimpleNamespace(quota=lambda: quota))
    (week,) = page_of(trained.project, None, command="", now=NOW, ask=True).weeks
    assert (week.begins_at[:10], week.ends_at[:10], week.limit_s) == ("2026-11-28", "2026-12-05", 108_000.0)

    def refuse(*_: object) -> None:
        raise RemoteUnavailable("no network", remedy="")

    monkeypatch.setattr(parts, "make_backend", refuse)
    found = page_of(trained.project, None, command="", now=NOW, ask=True)
    assert found.notes == ("The quota of kaggle cannot be read: no network",) and found.weeks[0].limit_s is None


def test_trials_of_two_sections_are_never_averaged_together(trained: TrainedProject) -> None:
    for trial in trained.trials[:2]:
        trained.train(trial, Made(end=40))
    with ledger_for_reading(trained.project.own / "ledger.sqlite") as ledger:
        found = pages.chains_of(trained.project, PageReader(trained.project), ledger.runs(), ledger.sessions())
    one, other = (replace(chain, label="PPO") for chain in found)
    alone = [done.variant for done in parts._of_campaign([one, other])]
    assert alone == ["PPO", "PPO"]
    assert [done.variant for done in parts._of_campaign([one, replace(other, section="quay")])] == [
        "quay PPO",
        "section_7_6 PPO",
    ]


def test_what_a_large_page_leaves_out_is_no_fault(trained: TrainedProject, monkeypatch: pytest.MonkeyPatch) -> None:
    chain(trained)
    monkeypatch.setattr(pages, "limits_of", lambda _: limits_of(1_000))
    found = page(trained)
    assert found.notes == () and any("stated once" in one for one in found.left_out)


def test_a_session_in_flight_is_on_the_page(trained: TrainedProject) -> None:
    trained.train(trained.trials[0], Made(end=20, reason="paused"), Made(start=20, closed=False), run_end=None)
    found = page(trained, "section_7_6")
    assert [one.in_flight for one in found.sessions] == [False, True]
    assert found.trainings[0].state == "in flight" and found.trainings[0].verdict == "unfinished"
    assert found.sessions[1].ended_at is None and found.sessions[1].end_reason == ""


@pytest.mark.parametrize("target", [None, "section_7_6", "pages", "run"])
def test_what_backends_answered_is_in_headline_rows_bars_and_weeks_until_they_are_asked_again(
    trained: TrainedProject, monkeypatch: pytest.MonkeyPatch, target: str | None
) -> None:
    gpu, saturday = {"accelerator": "NvidiaTeslaT4"}, datetime(2026, 12, 5, tzinfo=UTC)
    trained.train(trained.trials[0], Made(closed=False, machine=gpu), run_end=None, backend="kaggle")
    plain = page_of(trained.project, None, command="", now=NOW)
    word = plain.sessions[0].slug if target == "run" else target

    def live_progress(project: object, card: object, sessions: Sequence[SessionRecord], *, ask: bool) -> list[Any]:
        reported = {"steps": 33, "reported_at": "2026-12-02T00:00:00+00:00"} if ask else {"steps": 0}
        silent = {"backend": "kaggle", "handle": None, "stage": "", "state": "", "target_steps": 40}
        return [LiveProgress(session=one.slug, **silent, **reported) for one in sessions]

    quota = Quota(resource="GPU", used_s=0.0, reserved_s=0.0, allowed_s=108_000.0, refresh_at=saturday)
    monkeypatch.setattr(chains, "live_progress", live_progress)
    monkeypatch.setattr(parts, "make_backend", lambda *_: SimpleNamespace(quota=lambda: quota))
    answers = Answers()
    for ask, steps, limit_s in ((False, 0, None), (True, 33, 108_000.0), (False, 33, 108_000.0)):
        found = page_of(trained.project, word, command="", now=NOW, ask=ask, answers=answers)
        row = next(one for one in found.trainings if one.sessions)
        assert (row.steps, found.sessions[0].steps_done) == (steps, steps)
        if target == "run":
            assert found.headline.text == f"Not finished: {steps} of 40 steps, in flight."
        assert [one.limit_s for one in found.weeks] == [limit_s] * len(found.weeks) and found.weeks
        assert {one.begins_at[:10] for one in found.weeks} <= ({"2026-11-30"} if limit_s is None else {"2026-11-28"})

    def refuse(*_: object) -> None:
        raise RemoteUnavailable("no network", remedy="")

    monkeypatch.setattr(parts, "make_backend", refuse)
    for ask in (True, False):
        found = page_of(trained.project, word, command="", now=NOW, ask=ask, answers=answers)
        assert "The quota of kaggle cannot be read: no network" in found.notes and found.weeks[0].limit_s is None


def test_of_an_event_file_that_grows_only_the_newest_reading_is_kept(trained: TrainedProject) -> None:
    trained.train(trained.trials[0], Made(end=20, reason="paused"), Made(start=20, end=40))
    reading.forget()
    path = trained.folder(page(trained).sessions[-1].slug) / "events.jsonl"
    for _ in range(20):
        with path.open("a", encoding="utf-8") as file:
            file.write("\n")
        page(trained)
    assert len(reading._read) == 2


def test_autopsies_and_pictures_are_read_again_only_when_their_files_change(
    trained: TrainedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained.train(trained.trials[0], Made(end=20, reason="section_failed"), run_end="section_failed")
    trained.train(trained.trials[1], Made(end=40))
    broken, finished = (trained.folder(one.slug) for one in page(trained).sessions)
    drawn = finished / "curve.png"
    drawn.write_bytes(png(b"first"))
    monkeypatch.setattr("orchestrator.stores.secrets.rules._known", {})
    done: list[str] = []
    for module, name in ((written_outputs, "_outputs"), (autopsies, "autopsy"), (pictures, "_picture")):
        act = getattr(module, name)

        def noted(*words: Any, _act: Any = act, _name: str = name) -> Any:
            done.append(_name)
            return _act(*words)

        monkeypatch.setattr(module, name, noted)
    for store in (written_outputs._read, autopsies._examined, pictures._read):
        store.clear()
    for target in ("section_7_6", "section_7_6", "section_7_6"):
        assert page(trained, target).trainings
    assert sorted(done) == ["_outputs", "_picture", "autopsy"]
    drawn.write_bytes(png(b"second"))
    shown = base64.b64decode(page(trained, "section_7_6").pictures[0].data)
    assert shown == png(b"second") and done.count("_picture") == 2 and done.count("autopsy") == 1
    (broken / "kernel.log").write_text("MemoryError: no memory\n", encoding="utf-8")
    page(trained, "section_7_6")
    assert done.count("_outputs") == done.count("autopsy") == 2
    also_hide([SecretValue(name="WEBHOOK", value="https://hooks.example/T0123456789abcdef")])
    page(trained, "section_7_6")  # what was masked before may hold a secret that is known now
    assert done.count("_outputs") == 2 and done.count("autopsy") == done.count("_picture") == 3


def test_a_bad_ending_has_its_autopsy(trained: TrainedProject) -> None:
    trained.train(trained.trials[0], Made(end=20, reason="section_failed"), run_end="section_failed")
    (one,) = page(trained, "section_7_6").trainings
    assert one.state == "failed" and one.ending is not None
    assert one.why == one.ending.sentence and one.ending.command and one.ending.advice
    assert page(trained, "pages").trainings[0].ending is not None


def test_each_session_that_ended_badly_has_its_autopsy_also_after_a_good_end(
    trained: TrainedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    crashed = Made(start=20, end=30, reason="crashed", manifest=False)
    trained.train(trained.trials[0], Made(end=20, reason="paused"), crashed, Made(start=30, end=40))
    slugs = [one.slug for one in page(trained).sessions]
    for target in ("section_7_6", "pages", None):
        one = page(trained, target).trainings[0]
        assert one.ending is None and one.state == "done"
        (ending,) = one.earlier_endings
        assert ending.session == slugs[1] and ending.sentence and ending.advice

    def refuse(*_: object) -> None:
        raise AssertionError("an autopsy is made once")

    monkeypatch.setattr("orchestrator.wiring.autopsies.autopsy", refuse)
    assert page(trained).trainings[0].earlier_endings == (ending,)


def test_the_last_session_of_a_failed_training_is_explained_once(trained: TrainedProject) -> None:
    crashed = Made(end=20, reason="crashed", manifest=False)
    trained.train(trained.trials[0], crashed, replace(crashed, start=20, end=25), run_end="crashed")
    (one,) = page(trained, "section_7_6").trainings
    assert one.ending is not None and len(one.earlier_endings) == 1
    assert one.earlier_endings[0].session == page(trained).sessions[0].slug


@pytest.mark.parametrize("damage", ["event file", "manifest", "folder", "all of an event file"])
def test_what_is_damaged_is_a_note_and_the_rest_stays(trained: TrainedProject, damage: str) -> None:
    chain(trained)
    before = page(trained, "section_7_6").trainings[0]
    folder = trained.folder(page(trained).sessions[-1].slug)
    if damage == "event file":
        (folder / EVENTS_NAME).write_bytes(b"{\n\x00\xff not json\n" * 3)
    elif damage == "all of an event file":
        (folder / EVENTS_NAME).unlink()
    elif damage == "manifest":
        (folder / MANIFEST_NAME).write_text('{"wire_version": 1', encoding="utf-8")
    else:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
    found = page(trained, "section_7_6")
    assert len(found.notes) == 1 and folder.name.removeprefix("owner_") in found.notes[0], found.notes
    assert str(trained.project.state) not in found.notes[0]  # a page may be shown to others
    (after,) = found.trainings
    assert (after.curve.steps, after.curve.seams, after.verdict) == (
        before.curve.steps,
        before.curve.seams,
        "supported",
    )
    assert (after.policy_digest == "") is (damage in ("manifest", "folder"))


def test_no_secret_is_on_the_page(trained: TrainedProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_API_TOKEN", "correct-horse-battery-staple-93")
    trained.train(
        trained.trials[0],
        Made(
            end=40,
            numbers={f"of.{TOKEN}": 1.0},
            problems=(f"it printed {TOKEN}",),
            reasons=("the token is correct-horse-battery-staple-93",),
        ),
    )
    text = json.dumps(page(trained, "section_7_6").to_json())
    assert TOKEN not in text and "battery-staple" not in text and "hidden" in text


def test_a_wrong_name_is_refused_with_the_nearest(trained: TrainedProject) -> None:
    chain(trained)
    for wrong, near in (("section_7_7", "section_7_6"), ("page", "pages"), ("7.6", "section_7_6")):
        with pytest.raises(BadInput) as refused:
            page(trained, wrong)
        assert near in refused.value.remedy
    with pytest.raises(BadInput, match="no campaign file"):
        page(trained, "nowhere.yaml")


def test_a_session_or_a_run_names_its_training(trained: TrainedProject) -> None:
    chain(trained)
    trained.train(trained.trials[1], Made(end=40))
    first = page(trained).sessions[0]
    for word in (first.slug, first.lineage_id[:8], trained.folder(first.slug).name):
        found = page(trained, word)
        assert found.subject is Subject.RUN and [one.lineage_id for one in found.trainings] == [first.lineage_id]
        assert len(found.sessions) == 3


def test_a_project_that_was_moved_keeps_its_curves(trained: TrainedProject, tmp_path: Path) -> None:
    chain(trained)
    curve = page(trained).trainings[0].curve
    moved = trained.project.state.rename(tmp_path / "moved")
    project = type(trained.project)(code=moved, state=moved)
    found = page_of(project, None, command="", now=NOW)
    assert found.trainings[0].curve == curve and found.notes == ()
    (row,) = section_trainings(project, "section_7_6")
    assert [point.steps for point in row.curve.points] == list(curve.steps)


def test_a_copied_project_reports_its_own_data(trained: TrainedProject, tmp_path: Path) -> None:
    trained.train(trained.trials[0], Made(end=40, evaluations={40: 1.5}))
    copy = tmp_path / "copy"
    shutil.copytree(trained.project.state, copy)
    for events in trained.project.results.glob("*/events.jsonl"):  # the original has gone on since
        events.write_text(events.read_text(encoding="utf-8").replace('"score": 1.5', '"score": 99.0'), encoding="utf-8")
    project = type(trained.project)(code=copy, state=copy)
    assert page_of(project, None, command="", now=NOW).trainings[0].curve.scores == (1.5,)
    (row,) = section_trainings(project, "section_7_6")
    assert [point.score for point in row.curve.points] == [1.5]
    assert page(trained).trainings[0].curve.scores == (99.0,)


def test_the_command_of_a_training_names_its_settings_or_shows_it(tmp_path: Path) -> None:
    trained = TrainedProject(tmp_path / "project", campaign_yaml(seeds=[5], gammas=[0.9]))
    trained.train(trained.trials[0], Made(end=40))
    wanted = "python -m orchestrator run section_7_6 --quick --backend local --set algorithms.DQN.gamma=0.9 --seed 5"
    assert page(trained).trainings[0].command == wanted
    card = trained.project.cards / "section_7_6.yaml"
    card.write_text(
        card.read_text(encoding="utf-8").replace("episode_s: 3600.0", "episode_s: 1800.0"), encoding="utf-8"
    )
    changed = page(trained).trainings[0].command
    assert "--set environment.episode_s=3600.0" in changed and "gamma=0.9" in changed
    card.unlink()
    lineage_id = trained.trials[0].lineage_id
    assert page(trained).trainings[0].command == f"python -m orchestrator why {lineage_id[:8]}"
