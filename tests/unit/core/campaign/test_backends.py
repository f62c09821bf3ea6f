"""Several backends in one campaign: the file, its limits, and where a trial may run."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.core.campaign.config import Campaign
from orchestrator.core.campaign.trial_status import State, TrialStatus
from orchestrator.core.errors import BadInput
from orchestrator.core.scheduling.placement import metered_site, no_session, possible_sites, waits_for_backend
from orchestrator.core.scheduling.speeds import Speeds
from orchestrator.core.scheduling.workload import remaining_work_of
from orchestrator.core.section.session_kind import SessionKind
from orchestrator.core.section.site import Site
from orchestrator.stores.campaign.campaign_yaml import on_backend
from tests.doubles.clock import FakeClock
from tests.simulation.campaigns import expanded

GPU, CPU = Site("kaggle", SessionKind.GPU), Site("kaggle", SessionKind.CPU)
SLURM, LOCAL = Site("slurm"), Site("local")
THREE = "backends: {kaggle: {sessions: {gpu: 2, cpu: 5}}, slurm: {sessions: 20}, local: {}}"


def campaign_of(limits: str = THREE, settings: str = "") -> tuple[Campaign, TrialStatus]:
    text = f"campaign: small\n{limits}\ntrials:\n  main: {{section: section_7_6, settings: {{{settings}}}}}\n"
    campaign, trials = expanded(text)
    return campaign, TrialStatus(trial=trials[0], state=State.WAITING)


def sites(limits: str = THREE, *began: Site, floor: str = "statistical", settings: str = "") -> tuple[Site, ...]:
    campaign, status = campaign_of(limits, settings)
    return possible_sites(campaign, with_floor(replace(status, sites=began), floor), {})


def with_floor(status: TrialStatus, floor: str) -> TrialStatus:
    variant = status.trial.variant
    card = replace(variant.card, resume_floor=floor)
    return replace(status, trial=replace(status.trial, variant=replace(variant, card=card)))


def test_each_backend_has_limits_of_its_own() -> None:
    slots = campaign_of()[0].slots
    assert slots.sites == (GPU, CPU, SLURM, LOCAL) and slots.total == 28
    assert [slots.of(site) for site in slots.sites] == [2, 5, 20, 1]
    assert str(slots) == "2 GPU and 5 CPU on kaggle, 20 on slurm and 1 on local"
    assert slots.metered == {GPU} and campaign_of("concurrency: 2")[0].slots.metered == {LOCAL}
    shared = campaign_of("backends: {kaggle: {sessions: 5}, local: {sessions: 2}}")[0].slots
    assert shared.has_free(GPU, {CPU: 4, LOCAL: 2}) and not shared.has_free(CPU, {GPU: 2, CPU: 3})
    assert (
        str(shared) == "5 on kaggle and 2 on local" and shared.name(GPU) == "kaggle" and slots.name(GPU) == "kaggle GPU"
    )


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ("backend: kaggle\nbackends: {kaggle: {sessions: 5}}", "backends replaces backend: give only one of them"),
        ("concurrency: 2\nbackends: {kaggle: {sessions: 5}}", "backends replaces concurrency: give only one of them"),
        ("sessions: {cpu: 5}\nbackends: {kaggle: {}}", "backends replaces sessions: give only one of them"),
        ("backends: {}", "backends names no backend"),
        ("backends: {slurm: {sessions: {gpu: 2}}}", r"backends\.slurm\.sessions must be a number: only kaggle"),
        (
            "backends: {slurm: {sessions: 0}}",
            r"line 2: backends\.slurm.*: sessions must lie between 1 and 100000, not 0",
        ),
        ("backends: {kaggle: {sessions: {gpu: 0}}}", "give at least one session: gpu, cpu or both"),
        ("backends: {moon: {sessions: 1}}", "moon"),
        ("backends: {slurm: {slots: 3}}", "slots"),
        ("backends: {slurm: {}, local: {}}\nweekly_gpu_hours: 9", "weekly_gpu_hours limits GPU sessions"),
        ("backends: {kaggle: {sessions: {cpu: 5}}}\nweekly_gpu_hours: 9", "weekly_gpu_hours limits GPU sessions"),
        ("backends: {kaggle: {sessions: {cpu: 5}}, local: {}}\nweekly_gpu_hours: 9", "weekly_gpu_hours limits GPU"),
    ],
)
def test_contradictions_are_refused_with_file_and_key(limits: str, message: str) -> None:
    with pytest.raises(BadInput, match=message) as refused:
        campaign_of(limits)
    assert str(refused.value).startswith("small.yaml")


def test_one_backend_in_backends_means_the_same_as_backend() -> None:
    assert (
        campaign_of("backends: {kaggle: {sessions: {cpu: 5}}}")[0]
        == campaign_of("backend: kaggle\nsessions: {cpu: 5}")[0]
    )
    assert campaign_of("backends: {slurm: {sessions: 7}}")[0] == campaign_of("backend: slurm\nconcurrency: 7")[0]


def test_a_new_trial_takes_the_backends_in_the_order_of_the_file() -> None:
    assert sites() == (GPU, CPU, SLURM, LOCAL)
    assert sites("backends: {local: {}, kaggle: {sessions: 5}}") == (LOCAL, GPU)
    assert sites(settings="kaggle.gpu: false") == (CPU, SLURM, LOCAL)


def test_a_pinned_kind_that_is_lacking_leaves_the_other_backends() -> None:
    assert sites("backends: {kaggle: {sessions: {gpu: 2}}, local: {}}", settings="kaggle.gpu: false") == (LOCAL,)


def test_a_trial_that_began_keeps_its_site_and_may_move_to_other_backends_of_the_same_device_first() -> None:
    assert sites(THREE, GPU) == (GPU, SLURM, LOCAL)
    assert sites(THREE, LOCAL) == (LOCAL, CPU, SLURM, GPU)
    assert sites(THREE, GPU, SLURM) == (SLURM, LOCAL, GPU)
    campaign, status = campaign_of()
    work = remaining_work_of(campaign, replace(status, sites=(GPU,)), Speeds(measured={}, assumed=10.0), {})
    assert work.site == GPU and work.moves
    assert [one.site for one in work.within(())] == [GPU]
    assert [one.site for one in work.within({GPU})] == [GPU, SLURM, LOCAL]


def test_a_card_that_demands_exact_keeps_its_training_where_it_began_or_refuses_it() -> None:
    assert sites(THREE, LOCAL, floor="exact") == (LOCAL,)
    two = "backends: {kaggle: {sessions: 5}, slurm: {}}"
    assert sites(two, LOCAL, floor="exact") == () and sites(two, LOCAL) == (SLURM, GPU)
    campaign, status = campaign_of(two)
    why, remedy = no_session(campaign, with_floor(replace(status, sites=(LOCAL,)), "exact"))
    assert why == "it began in sessions of local, which the campaign does not name, and its card requires exact resumes"
    assert "--backend NAME" in remedy


def test_a_trial_waits_an_hour_for_a_backend_that_is_away() -> None:
    now = FakeClock().now()
    status = replace(campaign_of()[1], sites=(GPU,))
    for minutes, waits in ((1, True), (59, True), (61, False)):
        idle = replace(status, idle_since=now - timedelta(minutes=minutes))
        assert waits_for_backend(idle, {"kaggle"}, now) is waits
        assert not waits_for_backend(idle, {"slurm"}, now)
        assert waits_for_backend(with_floor(idle, "exact"), {"kaggle"}, now)
    assert not waits_for_backend(replace(status, sites=()), {"kaggle"}, now)


def test_sessions_of_each_backend_are_limited_by_its_own_longest_session() -> None:
    campaign, status = campaign_of(settings="profiles.full.deadline_s: 30000.0")
    rates = Speeds(measured={}, assumed=10.0, by_site={0: {GPU: 20.0, SLURM: 5.0}})
    work = remaining_work_of(campaign, status, rates, {"slurm": 3000.0, "kaggle": 43_000.0})
    assert {one.site: one.session_s for one in work.options} == {GPU: 3e4, CPU: 3e4, SLURM: 3000.0, LOCAL: 3e4}
    assert {one.site: one.slowness for one in work.options} == {GPU: 1.0, CPU: 2.0, SLURM: 4.0, LOCAL: 2.0}
    placed = work.placed(SLURM)
    assert placed.session_s == 3000.0 and placed.train_s == 4.0 * work.train_s
    assert {one.site: one.slowness for one in placed.options} == {SLURM: 1.0, GPU: 0.25, CPU: 0.5, LOCAL: 0.5}


def test_one_of_the_backends_can_be_chosen_with_its_own_limits() -> None:
    campaign, _ = campaign_of(f"{THREE}\nweekly_gpu_hours: 9")
    alone = on_backend(campaign, "kaggle")
    assert alone.backend == "kaggle" and alone.slots.sites == (GPU, CPU) and alone.weekly_gpu_hours == 9
    slurm = on_backend(campaign, "slurm")
    assert slurm.slots.total == 20 and slurm.weekly_gpu_hours is None and list(slurm.limits) == ["slurm"]
    assert on_backend(campaign, None) is campaign
    with pytest.raises(BadInput, match="small does not name the backend 'local'"):
        on_backend(campaign_of("backends: {kaggle: {}, slurm: {}}")[0], "local")


def test_the_quota_is_asked_where_a_trial_may_use_a_gpu_session_of_kaggle() -> None:
    campaign, status = campaign_of()
    assert metered_site(campaign, [status.trial]) == GPU
    assert metered_site(*_with_trial("backends: {slurm: {}, local: {}}")) is None
    assert metered_site(*_with_trial(THREE, "kaggle.gpu: false")) is None
    assert metered_site(*_with_trial("concurrency: 2")) == LOCAL


def _with_trial(limits: str, settings: str = "") -> tuple[Campaign, list[object]]:
    campaign, status = campaign_of(limits, settings)
    return campaign, [status.trial]
