"""GPU and CPU sessions in one campaign: the file, where a trial may run, and the forecast of both kinds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.core.campaign.config import Campaign
from orchestrator.core.campaign.session_slots import BackendLimits, Sessions, Slots, slots_of
from orchestrator.core.campaign.trial_status import State, TrialStatus
from orchestrator.core.errors import BadInput
from orchestrator.core.reporting.campaign_forecast import forecast_campaign
from orchestrator.core.reporting.forecast_report import CampaignForecast
from orchestrator.core.reporting.session_kinds import trainings_per_week
from orchestrator.core.scheduling.forecast import forecast
from orchestrator.core.scheduling.packs import Packing, places_by_site, planned_places
from orchestrator.core.scheduling.placement import possible_sites
from orchestrator.core.scheduling.quota import WEEK_S, Allowance
from orchestrator.core.scheduling.speeds import speeds
from orchestrator.core.scheduling.workload import Option, RemainingWork
from orchestrator.core.section.session_kind import SessionKind
from orchestrator.core.section.site import Site
from orchestrator.core.section.slurm import SlurmSettings
from tests.conftest import PROJECT_ROOT
from tests.doubles.clock import FakeClock
from tests.simulation.campaigns import expanded
from tests.unit.core.scheduling.test_forecast import shared, work_of

GPU, CPU, HERE = Site("kaggle", SessionKind.GPU), Site("kaggle", SessionKind.CPU), Site("local")


def of_kinds(gpu: int = 0, cpu: int = 0) -> Slots:
    """Slots of Kaggle's kinds."""
    return slots_of((("kaggle", BackendLimits(sessions=Sessions(gpu=gpu, cpu=cpu))),))


def shared_by_kinds(slots: int) -> Slots:
    """Slots that both kinds share."""
    return slots_of((("kaggle", BackendLimits(sessions=slots)),))


BOTH = of_kinds(2, 5)
FILE = """
campaign: both
backend: kaggle
{limits}
assume: {{steps_per_s: 100, start_s: 240, save_s: 900}}
trials:
  main:
    section: section_7_6
    seeds: 4
    settings: {{{settings}}}
    matrix: {{algorithm: [DQN, PPO]}}
"""


def waiting(limits: str = "sessions: {gpu: 2, cpu: 5}", settings: str = "") -> tuple[Campaign, list[TrialStatus]]:
    campaign, trials = expanded(FILE.format(limits=limits, settings=settings))
    return campaign, [TrialStatus(trial=trial, state=State.WAITING) for trial in trials]


def kinds_of(limits: str = "sessions: {gpu: 2, cpu: 5}", settings: str = "", **traits: object) -> tuple[Site, ...]:
    campaign, statuses = waiting(limits, settings)
    # Keyword arguments of several types.
    return possible_sites(campaign, replace(statuses[0], **traits), {})  # type: ignore[arg-type]


def plan(campaign: Campaign, statuses: list[TrialStatus], allowed: Allowance | None = None) -> CampaignForecast:
    return forecast_campaign(campaign, statuses, now=FakeClock().now(), allowed=allowed)


def test_the_shipped_campaigns_complete_eight_times_as_many_trainings_a_week_as_one_training_a_session() -> None:
    """28 GPU hours a week and two sessions: 27.7 trainings, each alone."""
    weekly = {}
    for name in ("chapter_7_6", "chapter_7_6_cpu"):
        text = (PROJECT_ROOT / f"configs/campaigns/{name}.yaml").read_text("utf-8")
        campaign, trials = expanded(text)
        places = planned_places(campaign, trials[0].card, lambda card, backend: card.kaggle.places)
        week = Allowance(left_s=28 * 3600.0, weekly_s=28 * 3600.0, refresh_in_s=WEEK_S)
        ahead = forecast_campaign(
            campaign,
            [TrialStatus(trial=trial, state=State.WAITING) for trial in trials],
            now=FakeClock().now(),
            longest_s={"kaggle": 43_200.0},
            allowed=week if name == "chapter_7_6" else None,
            places=places,
        )
        assert ahead.alone is not None
        weekly[name] = (sum(ahead.alone[1].values()), sum(ahead.per_week.values()))
    assert weekly["chapter_7_6"] == (pytest.approx(27.7, abs=0.1), pytest.approx(55.4, abs=0.1))
    assert weekly["chapter_7_6_cpu"] == (pytest.approx(830.8, abs=0.1), pytest.approx(3323.1, abs=0.2))


@pytest.mark.parametrize("pinned", ["", "kaggle.gpu: false"])
def test_packs_are_planned_on_a_backend_without_kinds(pinned: str) -> None:
    text = FILE.format(limits="concurrency: 2\npack: 4", settings=pinned).replace("backend: kaggle", "backend: local")
    campaign, trials = expanded(text)
    ahead = forecast_campaign(
        campaign,
        [TrialStatus(trial=trial, state=State.WAITING) for trial in trials],
        now=FakeClock().now(),
        allowed=None,
        places=places_by_site(campaign, trials[0].card, lambda card, backend: 1),
    )
    assert (len(trials), ahead.ahead.kernels) == (8, 2)


@pytest.mark.parametrize(("array", "placed"), [(1, 2), (8, 8)])
def test_the_tasks_of_an_array_are_planned_each_on_a_machine_of_its_own(array: int, placed: int) -> None:
    text = FILE.format(limits="concurrency: 2\npack: 16", settings="").replace("backend: kaggle", "backend: slurm")
    campaign, trials = expanded(text)
    card = replace(trials[0].card, slurm=SlurmSettings(cpus=2, array=array))
    here = Site("slurm")
    assert places_by_site(campaign, card, lambda card, backend: 2) == {here: 16 if array == 1 else array}
    places = planned_places(campaign, card, lambda card, backend: 2)
    assert places == {here: placed}
    statuses = [
        TrialStatus(trial=replace(trial, variant=replace(trial.variant, card=card)), state=State.WAITING)
        for trial in trials
    ]
    ahead = forecast_campaign(campaign, statuses, now=FakeClock().now(), allowed=None, places=places)
    assert ("pack: 16: a machine runs 2 side by side" in "\n".join(ahead.lines())) is (array == 1)


@pytest.mark.parametrize(("pack", "planned"), [("auto", {GPU: 2, CPU: 4}), ("3", {GPU: 2, CPU: 3}), ("1", {})])
def test_no_more_trainings_are_planned_together_than_a_machine_runs_side_by_side(
    pack: str, planned: dict[Site, int]
) -> None:
    """`pack: 16` was planned as sixteen times the trainings of a week, on a machine of two GPUs and four cores."""
    limits = f"sessions: {{gpu: 2, cpu: 5}}\npack: {pack}"
    campaign, statuses = waiting(limits)
    places = planned_places(campaign, statuses[0].trial.card, lambda card, backend: card.kaggle.places)
    assert places == (planned or {GPU: 1, CPU: 1})
    ahead = forecast_campaign(campaign, statuses, now=FakeClock().now(), allowed=None, places=places)
    one = trainings_per_week(ahead.loads, campaign.slots, None)
    assert {site: round(number / one[site]) for site, number in ahead.per_week.items()} == places
    waits = "pack: 3: a GPU session runs 2 side by side, the others wait: planned with 2"
    assert [note for note in ahead.to_json()["notes"] if note.startswith("pack")] == ([waits] if pack == "3" else [])
    together = "2 GPU and 5 CPU session(s) at a time, with up to 2 in a GPU session and {} in a CPU session together"
    assert (together.format(places[CPU]) in ahead.lines()[0]) is (pack != "1")


def test_packs_of_both_kinds_share_the_week() -> None:
    works = [both(index) for index in range(56)]
    places = {GPU: 2, CPU: 4}
    allowed = Allowance(left_s=28 * 3600.0, weekly_s=28 * 3600.0, refresh_in_s=WEEK_S)
    alone = forecast(works, slots=BOTH, allowance=allowed)
    packed = forecast(works, slots=BOTH, allowance=allowed, packing=Packing(places=places))
    assert packed.unfinished == alone.unfinished == ()
    assert packed.sessions == alone.sessions == alone.kernels == 56
    assert packed.kernels < 0.4 * alone.kernels and packed.makespan_s < 0.4 * alone.makespan_s
    assert Packing(places=places).seats(BOTH) == 24


def test_a_training_with_a_better_kind_of_its_own_joins_no_pack_of_the_other_kind() -> None:
    works = [both(0, sites=(CPU, GPU)), both(1, sites=(GPU, CPU)), both(2, sites=(CPU, GPU))]
    slots = of_kinds(1, 1)
    packed = forecast(works, slots=slots, packing=Packing(places={GPU: 2, CPU: 4}))
    assert packed.sites.keys() == {GPU, CPU} and {kind: one[0] for kind, one in packed.sites.items()} == {
        CPU: 2,
        GPU: 1,
    }


def test_sessions_and_concurrency_exclude_each_other() -> None:
    with pytest.raises(BadInput, match="sessions replaces concurrency: give only one of them"):
        waiting("sessions: {gpu: 2, cpu: 5}\nconcurrency: 2")
    assert waiting("concurrency: 3")[0].slots == shared_by_kinds(3)
    assert waiting("")[0].slots == shared_by_kinds(1)
    assert waiting()[0].slots == BOTH


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ("sessions: {}", "give at least one session"),
        ("sessions: {gpu: 0, cpu: 0}", "give at least one session"),
        ("sessions: {gpu: -1, cpu: 2}", "gpu must lie between 0 and 100000, not -1"),
        ("sessions: {tpu: 1}", "tpu"),
        ("sessions: {cpu: 5}\nweekly_gpu_hours: 20", "weekly_gpu_hours limits GPU sessions, and sessions has none"),
    ],
)
def test_wrong_sessions_are_refused(limits: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        waiting(limits)


def test_on_another_backend_all_sessions_share_the_slots() -> None:
    campaign, statuses = waiting()
    local = replace(campaign, backend="local")
    assert local.slots == shared(7)
    assert possible_sites(local, statuses[0], {}) == (HERE,)


def test_a_push_asks_for_a_gpu_unless_card_campaign_or_measurement_say_otherwise() -> None:
    assert kinds_of("concurrency: 2") == (GPU,)
    assert kinds_of("concurrency: 2", "kaggle.gpu: false") == (CPU,)
    assert kinds_of() == (GPU, CPU)
    assert kinds_of("sessions: {cpu: 5}") == (CPU,)
    assert kinds_of(settings="kaggle.device: cpu") == (CPU, GPU)
    assert kinds_of(settings="kaggle.device: cuda") == (GPU,)


@pytest.mark.parametrize(("gpu", "expected"), [(99.0, (CPU, GPU)), (105.0, (CPU, GPU)), (130.0, (GPU, CPU))])
def test_a_measurement_of_both_kinds_decides_which_is_better(gpu: float, expected: tuple[Site, ...]) -> None:
    campaign, statuses = waiting()
    assert possible_sites(campaign, statuses[0], {GPU: gpu, CPU: 100.0}) == expected
    assert possible_sites(campaign, statuses[0], {GPU: gpu}) == (GPU, CPU)


def test_a_trial_that_has_begun_keeps_its_kind_and_only_a_pin_changes_it() -> None:
    assert kinds_of(sites=(CPU,)) == (CPU,)
    assert kinds_of(sites=(CPU, GPU)) == (GPU,)
    assert kinds_of("concurrency: 2", sites=(CPU,)) == (CPU,)
    assert kinds_of("sessions: {cpu: 5}", sites=(GPU,)) == ()
    assert kinds_of(settings="kaggle.gpu: true", sites=(CPU,)) == (GPU,)
    assert kinds_of(settings="kaggle.gpu: false", sites=(GPU,)) == (CPU,)


@pytest.mark.parametrize(
    ("limits", "settings"),
    [("sessions: {cpu: 5}", "kaggle.gpu: true"), ("sessions: {gpu: 2}", "kaggle.gpu: false")],
)
def test_a_pin_to_a_kind_that_the_campaign_lacks_is_refused(limits: str, settings: str) -> None:
    with pytest.raises(BadInput, match=r"trials.main needs [GC]PU sessions \(its settings\), and `sessions` has none"):
        waiting(limits, settings)


def test_the_speed_of_each_kind_is_measured_by_itself() -> None:
    campaign, statuses = waiting()
    hour = {"wall_s": 3600.0 + 1140.0, "sessions": 1}
    # Keyword arguments of several types.
    statuses[0] = replace(statuses[0], trained_steps=360_000, sites=(GPU,), **hour)  # type: ignore[arg-type]
    # Keyword arguments of several types.
    statuses[1] = replace(statuses[1], trained_steps=720_000, sites=(CPU,), **hour)  # type: ignore[arg-type]
    # Keyword arguments of several types.
    statuses[2] = replace(statuses[2], trained_steps=36_000, sites=(GPU, CPU), **hour)  # type: ignore[arg-type]
    rates = speeds(campaign, statuses)
    assert rates.of_sites(statuses[0].trial.variant) == {GPU: 100.0, CPU: 200.0}


def both(index: int, slowness: float = 1.0, sites: tuple[Site, ...] = (GPU, CPU), **traits: object) -> RemainingWork:
    options = tuple(Option(site, one, 9 * 3600.0) for site, one in zip(sites, (1.0, slowness), strict=False))
    values: dict[str, object] = {"hours": 8.0, "options": options, **traits}
    return work_of(index, **values)  # type: ignore[arg-type]  # keyword arguments of several types


def test_the_forecast_fills_both_kinds_and_counts_only_gpu_hours() -> None:
    allowed = Allowance(left_s=20 * 3600.0, weekly_s=20 * 3600.0, refresh_in_s=WEEK_S)
    result = forecast([both(index) for index in range(14)], slots=BOTH, allowance=allowed)
    hour = 8 + 1 / 12
    assert result.sites[GPU] == (2, pytest.approx(2 * hour * 3600))
    assert result.sites[CPU] == (12, pytest.approx(12 * hour * 3600))
    assert result.weeks == (pytest.approx(2 * hour * 3600),)
    assert result.makespan_s == pytest.approx(3 * hour * 3600) and result.unfinished == ()


def test_a_training_of_several_sessions_stays_in_its_kind_even_if_the_other_has_room() -> None:
    """Two start on GPUs; the quota ends in the middle, and they wait for the next week."""
    allowed = Allowance(left_s=18 * 3600.0, weekly_s=30 * 3600.0, refresh_in_s=3 * 86_400.0)
    slots = of_kinds(2, 2)
    result = forecast([both(index, hours=14.0) for index in range(4)], slots=slots, allowance=allowed)
    assert result.sites[GPU][0] == result.sites[CPU][0] == 4
    assert result.makespan_s > 3 * 86_400.0 and result.unfinished == ()


def test_a_slower_kind_takes_longer() -> None:
    slots = of_kinds(cpu=1)
    result = forecast([both(0, slowness=2.0, hours=4.0)], slots=slots)
    assert result.compute_s == pytest.approx(8 * 3600 + 300)


def test_a_trial_for_which_there_is_no_session_is_never_finished_and_holds_up_no_other() -> None:
    result = forecast([both(0, sites=()), both(1, sites=(CPU,))], slots=of_kinds(cpu=1))
    assert result.unfinished == (0,) and result.sites[CPU][0] == 1


def test_trainings_a_week_follow_from_slots_and_quota() -> None:
    allowed = Allowance(left_s=0.0, weekly_s=28 * 3600.0, refresh_in_s=WEEK_S)
    works = [both(index, hours=4 - 1 / 12, slowness=2.0) for index in range(3)]
    found = trainings_per_week(works, BOTH, allowed)
    assert found[GPU] == pytest.approx(28 / 4)
    assert found[CPU] == pytest.approx(5 * 168 / (2 * (4 - 1 / 12) + 1 / 12))


def test_the_plan_says_that_a_gpu_has_nothing_to_do_and_what_cpu_sessions_give() -> None:
    allowed = Allowance(left_s=28 * 3600.0, weekly_s=28 * 3600.0, refresh_in_s=WEEK_S)
    campaign, statuses = waiting("concurrency: 2", "kaggle.device: cpu")
    notes = plan(campaign, statuses, allowed).to_json()["notes"]
    assert notes[0] == "A GPU has nothing to do for main DQN, main PPO: it computes on the CPU (kaggle.device: cpu)"
    assert "sessions: {cpu: 5} would complete about 271 trainings a week instead of 9" in notes[1]
    assert "five" not in notes[1] and "without weekly quota" in notes[1]
    assert plan(*waiting("concurrency: 2"), allowed).to_json()["notes"] == []
    with_cpu = plan(*waiting(settings="kaggle.device: cpu"), allowed).to_json()["notes"]
    assert len(with_cpu) == 1 and with_cpu[0].startswith("A GPU has nothing to do")


def test_the_plan_says_which_trials_have_no_session_and_that_kaggle_has_fewer() -> None:
    campaign, statuses = waiting("sessions: {cpu: 9}")
    statuses[0] = replace(statuses[0], steps_done=10, sites=(GPU,))
    lines = plan(campaign, statuses).lines()
    assert "8 trials in 2 variants, 9 CPU session(s) at a time" in lines[0]
    assert any("9 CPU sessions are planned, and Kaggle runs 5 per account" in line for line in lines)
    assert any(line.startswith("main DQN seed 0 cannot start: it began in GPU sessions") for line in lines)


def test_the_limits_of_a_kind() -> None:
    assert BOTH.has_free(CPU, {GPU: 2, CPU: 4}) and not BOTH.has_free(GPU, {GPU: 2, CPU: 4})
    together = shared_by_kinds(2)
    assert not together.has_free(CPU, {GPU: 2}) and together.has_free(CPU, {GPU: 1})
    assert str(BOTH) == "2 GPU and 5 CPU" and str(of_kinds(cpu=3)) == "3 CPU" and str(together) == "2"


def test_a_new_training_does_not_begin_in_a_gpu_session_that_the_quota_cuts() -> None:
    """It would wait for the next week, and a CPU session trains it whole."""
    allowed = Allowance(left_s=6 * 3600.0, weekly_s=30 * 3600.0, refresh_in_s=WEEK_S)
    slots = of_kinds(1, 1)
    result = forecast([both(index) for index in range(2)], slots=slots, allowance=allowed)
    assert GPU not in result.sites and result.sites[CPU][0] == 2
    bound = forecast([both(0, sites=(GPU,)), both(1)], slots=slots, allowance=allowed)
    assert bound.sites[GPU][0] == 2 and bound.sites[CPU][0] == 1


def test_before_a_deadline_both_kinds_are_used() -> None:
    slots = of_kinds(1, 1)
    result = forecast([both(index) for index in range(2)], slots=slots, deadline_in_s=5 * 3600.0)
    assert result.sites[GPU] == result.sites[CPU] == (1, 5 * 3600.0) and result.unfinished == (0, 1)
