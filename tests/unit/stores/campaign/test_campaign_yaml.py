"""A campaign file: its trials, the messages for wrong files, and the JSON schema for editors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.core.campaign.expansion import Trial, expand
from orchestrator.core.errors import BadInput
from orchestrator.pipeline.search.replay import SearchReplay
from orchestrator.search.proposer import OptunaProposer
from orchestrator.stores.campaign.campaign_yaml import (
    campaign_path,
    campaign_schema,
    card_reader,
    load_campaign,
    parse_campaign,
)
from orchestrator.stores.ledger.sqlite import SqliteLedger
from orchestrator.stores.section.card_yaml import load_card
from tests.conftest import PROJECT_ROOT
from tests.simulation.computer import MemoryResults

CARDS = PROJECT_ROOT / "configs" / "sections"
SHIPPED = PROJECT_ROOT / "configs" / "campaigns"
HEAD = "campaign: a\ntrials:\n  m:\n    section: section_7_6\n"


def trials_of(body: str) -> tuple[Trial, ...]:
    return expand(parse_campaign(HEAD + body, "a.yaml"), card_reader(CARDS))


def test_a_matrix_with_exclude_and_include() -> None:
    trials = trials_of(
        "    seeds: 2\n"
        "    matrix: {algorithm: [DQN, PPO], environment.decision_s: [5.0, 10.0]}\n"
        "    exclude: [{algorithm: PPO, environment.decision_s: 5.0}]\n"
        "    include: [{algorithm: QRDQN}]\n"
    )
    assert [trial.label for trial in trials[::2]] == [
        "m DQN decision_s=5.0 seed 0",
        "m DQN decision_s=10.0 seed 0",
        "m PPO decision_s=10.0 seed 0",
        "m QRDQN seed 0",
    ]
    assert [trial.seed for trial in trials[:2]] == [0, 1]
    assert {trial.card.environment.decision_s for trial in trials} == {5.0, 10.0}


def test_explicit_cells_and_spares() -> None:
    trials = trials_of(
        "    seeds: {completed: 2, first: 5, spares: 1}\n    cells: [{algorithm: DQN}, {algorithm: PPO}]\n"
    )
    assert [(trial.seed, trial.spare) for trial in trials[:3]] == [(5, False), (6, False), (7, True)]


def test_a_trial_has_the_lineage_that_run_gives_it() -> None:
    card = load_card(CARDS, "section_7_6")
    (own, other) = trials_of("    seeds: 2\n")
    assert own.lineage_id == card.lineage.id and not own.card.trial
    assert other.lineage_id == card.chosen(seed=1).lineage.id and other.card.trial
    many = trials_of("    seeds: {completed: 12, first: 95}\n    matrix: {algorithm: [DQN, PPO]}\n")
    assert [trial.lineage_id for trial in many] == [trial.card.lineage.id for trial in many]
    (with_settings,) = trials_of("    settings: {environment.decision_s: 5.0}\n")
    assert with_settings.card == load_card(CARDS, "section_7_6", {"environment.decision_s": 5.0})
    assert with_settings.card.trial and with_settings.lineage_id not in (own.lineage_id, other.lineage_id)


def test_a_setting_outside_the_lineage_keeps_the_training_of_the_card() -> None:
    (trial,) = trials_of("    settings: {profiles.full.deadline_s: 3600.0}\n")
    assert trial.variant.sizes.deadline_s == 3600.0 and not trial.card.trial


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "campaign: a\nconcurency: 2\ntrials: {}\n",
            "a.yaml, line 2: concurency: unknown key, did you mean concurrency?",
        ),
        ("campaign: a\ntrials:\n  m:\n    seeds: 1\n", "a.yaml, line 3: trials.m.section: missing"),
        (HEAD + "    seeds: {completed: 0}\n", "a.yaml, line 5: trials.m.seeds: completed must be at least 1"),
        (HEAD + "    profile: tiny\n", "a.yaml, line 5: trials.m.profile: Input should be 'quick' or 'full'"),
        (HEAD + "pack: many\n", "a.yaml, line 5: pack: Input should be a valid integer or 'auto'"),
        (HEAD + "    after: [q]\n", "trials.m.after names 'q', which is not a group"),
        (HEAD + "    seed: 1\n", "a.yaml, line 5: trials.m.seed: unknown key, did you mean seeds?"),
        (HEAD + "    concurrency: 1\n", "trials.m.concurrency: unknown key, it belongs to the campaign itself"),
        (HEAD + "    after: [m]\n", "has a cycle: m -> m"),
        (HEAD + "    settings: {seed: 3}\n", "seed cannot be set by a campaign: use seeds"),
        (HEAD + "stop: {failures: {tired: 1}}\n", "tired is not a failure"),
        (HEAD + "stop: {deadline: '2026-01-01T00:00:00'}\n", "deadline needs a time zone"),
        (HEAD + "notify: {}\n", "give either webhook or webhook_variable"),
        (HEAD + "    search: {space: {}, trials: 3}\n", "a.yaml, line 5: trials.m.search: space has no key"),
        (HEAD + "    search: {space: {a: [1]}, trials: 3}\n", "batch is needed: the number of proposals made together"),
        (HEAD + "    search: {space: {a: [1]}, trials: 3, sampler: random, pruner: median}\n", "batch is needed"),
        (HEAD + "    search: {space: {a: [1]}}\n", "trials is needed: the sampler tpe has no end of its own"),
        (
            HEAD + "    search: {space: {a: [1]}, trails: 3}\n",
            "trials.m.search.trails: unknown key, did you mean trials?",
        ),
        (HEAD + "    search: {space: {a: {low: 2, high: 1}}, trials: 3}\n", "low must be below high, both finite"),
        (HEAD + "    search: {space: {a: {low: 0, high: 1, log: true}}, trials: 3}\n", "low must be above 0 for log"),
        (HEAD + "    search: {space: {a: {low: 0.1, high: 1.0}}, sampler: grid}\n", "space.a needs choices or a step"),
        (HEAD + "    search: {space: {a: [1]}, trials: 3, objective: x, pruner: median}\n", "a pruner compares scores"),
        (
            HEAD + "    search: {space: {a: [1]}, trials: 3, objective: delay rl}\n",
            "keys of the summary joined with dots",
        ),
        (
            HEAD + "    search: {space: {a: [1]}, trials: 3, pruner: {kind: median, factor: 3}}\n",
            "factor has no effect with",
        ),
        (
            HEAD + "    search: {space: {seed: [1]}, trials: 3, batch: 1}\n",
            "seed cannot be set by a campaign: use seeds",
        ),
        (
            HEAD + "    search: {space: {profiles.full.target_steps: [1]}, trials: 3}\n",
            "other sizes cannot be compared",
        ),
        (
            HEAD + "    search: {space: {a: [1]}, trials: 3, batch: 1}\n    cells: [{a: 1}]\n",
            "search replaces matrix",
        ),
        (HEAD + "    priority: 1\n    priority: 2\n", "a.yaml, line 6: key 'priority' is given twice"),
    ],
)
def test_a_wrong_file_is_refused_with_line_and_key(text: str, expected: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_campaign(text, "a.yaml")
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("body", "expected", "remedy"),
    [
        (
            "    settings: {environment.decison_s: 5.0}\n",
            "the card has no environment.decison_s",
            "environment.decision_s?",
        ),
        ("    settings: {decision_s: 5.0}\n", "the card has no decision_s", "Did you mean environment.decision_s?"),
        (
            "    settings: {environment.decision_s: fast}\n",
            "environment.decision_s: Input should be a valid number",
            "",
        ),
        ("    settings: {environment.decision_s: 5.3}\n", "decision_s must be a multiple of dt_s", ""),
        ("    settings: {algorithm: SARSA}\n", "algorithm: Input should be 'DQN'", ""),
        ("    matrix: {algorithm: [DQN, PPO]}\n    exclude: [{algorithm: A2C}]\n", "exclude matches nothing", ""),
        ("    cells: [{algorithm: DQN}, {}]\n", "is the same training as", ""),
        ("    settings: {algorithms.PPO.n_steps.x: 1}\n", "the card has no algorithms.PPO.n_steps.x", ""),
    ],
)
def test_a_setting_that_the_card_does_not_accept_is_refused(body: str, expected: str, remedy: str) -> None:
    with pytest.raises(BadInput) as caught:
        trials_of(body)
    assert expected in str(caught.value) and remedy in caught.value.remedy


@pytest.mark.parametrize(
    ("body", "second"),
    [
        ("    matrix: {algorithm: [DQN, PPO]}\n    include: [{algorithm: DQN}]\n", 3),
        ("    matrix: {algorithm: [DQN, DQN]}\n", 2),
        ("    cells: [{algorithm: DQN}, {algorithm: DQN}]\n", 2),
    ],
)
def test_a_training_that_occurs_twice_is_refused_with_both_places(body: str, second: int) -> None:
    with pytest.raises(BadInput) as caught:
        trials_of(body)
    assert str(caught.value) == (
        f"a: m DQN seed 0 (trials.m, variant {second} of the campaign) is the same training as "
        "m DQN seed 0 (trials.m, variant 1 of the campaign)"
    )


def test_the_committed_schema_equals_the_generated_one() -> None:
    committed = json.loads((SHIPPED / "schema.json").read_text(encoding="utf-8"))
    assert committed == json.loads(json.dumps(campaign_schema()))


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_shipped_campaigns_are_valid_and_name_the_schema(path: Path) -> None:
    campaign = load_campaign(path)
    replay = SearchReplay(campaign, card_reader(CARDS), SqliteLedger(Path(":memory:")), MemoryResults(), OptunaProposer)
    trials = replay.trials()
    assert len({trial.lineage_id for trial in trials}) == len(trials) > 1
    assert "schema.json" in path.read_text(encoding="utf-8").splitlines()[0]


def test_a_campaign_is_found_by_its_name(tmp_path: Path) -> None:
    assert campaign_path(SHIPPED, "smoke") == campaign_path(SHIPPED, "smoke.yaml") == SHIPPED / "smoke.yaml"
    with pytest.raises(BadInput) as caught:
        campaign_path(SHIPPED, "smok")
    assert caught.value.remedy == "Did you mean smoke?"


@settings(max_examples=25, deadline=None)
@given(st.permutations(["DQN", "PPO", "QRDQN"]), st.integers(1, 4), st.integers(0, 3))
def test_more_seeds_and_another_order_keep_the_existing_trials(order: list[str], seeds: int, more: int) -> None:
    before = trials_of(f"    seeds: {seeds}\n    matrix: {{algorithm: [DQN, PPO]}}\n")
    after = trials_of(f"    seeds: {seeds + more}\n    matrix: {{algorithm: [{', '.join(order)}]}}\n")
    assert {trial.lineage_id for trial in before} <= {trial.lineage_id for trial in after}
    assert len(after) == 3 * (seeds + more)
