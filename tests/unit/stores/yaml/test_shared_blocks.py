"""Merge keys and shared blocks in cards and campaigns give the same trainings; faults have their lines."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from orchestrator.core.campaign.expansion import Trial, expand
from orchestrator.core.errors import BadInput
from orchestrator.core.section.card import SEEDS_END, SectionCard
from orchestrator.core.section.overrides import MOST_TRIALS
from orchestrator.core.session.spec import SessionSpec
from orchestrator.stores.campaign.campaign_yaml import campaign_schema, card_reader, load_campaign, parse_campaign
from orchestrator.stores.section.card_yaml import choose, load_card, parse_card, read_settings
from orchestrator.stores.yaml.known_keys import required_keys
from orchestrator.stores.yaml.text_files import read_text
from tests.conftest import PROJECT_ROOT

CARDS = PROJECT_ROOT / "configs" / "sections"
TEXT = (CARDS / "section_7_6.yaml").read_text("utf-8")
HEAD = "campaign: a\ntrials:\n  m:\n    section: section_7_6\n"

SHARED_BLOCKS = """
x-replay: &replay
  n_envs: 20
  learning_rate: {start: 5.0e-4, end: 1.0e-4, over_steps: 400000}
  exploration: &exploration {start: 1.0, end: 0.02, over_steps: 15000}
  batch_size: 256
  buffer_size: 100000
  learning_starts: 1000
  gamma: 0.97
  train_freq: 1
  gradient_steps: 1
  target_update_interval: 500
  selection_scenarios: 20
"""


def merged_text() -> str:
    """The shipped card with DQN and QRDQN from one shared block."""
    head, rest = TEXT.split("algorithms:", 1)
    ppo = "  PPO:" + rest.split("  PPO:", 1)[1]
    algorithms = "algorithms:\n  DQN: {<<: *replay}\n  QRDQN:\n    n_quantiles: 25\n    <<: *replay\n"
    return SHARED_BLOCKS + head + algorithms + ppo


def parse(text: str) -> SectionCard:
    return parse_card(text, "section_7_6.yaml")


def trials_of(text: str) -> tuple[Trial, ...]:
    return expand(parse_campaign(text, "a.yaml"), card_reader(CARDS))


def spec_of(card: SectionCard) -> SessionSpec:
    return SessionSpec(
        card=card, profile="full", sizes=card.profiles["full"], backend="local", session_device="cpu", proof={}
    )


def test_a_card_with_merge_keys_equals_the_expanded_card() -> None:
    card, merged = parse(TEXT), parse(merged_text())
    assert merged == card
    for algorithm in card.algorithms.names:
        one, other = card.chosen(algorithm=algorithm), merged.chosen(algorithm=algorithm)
        assert one.lineage.id == other.lineage.id
        assert spec_of(one).to_json() == spec_of(other).to_json()


def test_settings_change_merged_keys_and_cannot_change_the_shared_block(tmp_path: Path) -> None:
    (tmp_path / "section_7_6.yaml").write_text(merged_text(), encoding="utf-8")
    values = read_settings(["algorithms.DQN.gamma=0.9"])
    assert load_card(tmp_path, "section_7_6", values) == load_card(CARDS, "section_7_6", values)
    with pytest.raises(BadInput, match=r"the card has no x-replay\.gamma"):
        load_card(tmp_path, "section_7_6", {"x-replay.gamma": 0.9})


def test_a_campaign_with_merge_keys_equals_the_expanded_campaign() -> None:
    written = """
campaign: a
trials:
  one:
    section: section_7_6
    seeds: 2
    settings: {environment.decision_s: 5.0, algorithms.DQN.gamma: 0.9}
    cells: [{algorithm: DQN, algorithms.DQN.n_envs: 10}, {algorithm: DQN, algorithms.DQN.n_envs: 40}]
  two:
    section: section_7_6
    seeds: 2
    settings: {environment.decision_s: 20.0, algorithms.DQN.gamma: 0.9}
    after: [one]
"""
    merged = """
x-group: &group {section: section_7_6, seeds: 2}
x-five: &five {environment.decision_s: 5.0, algorithms.DQN.gamma: 0.9}
x-dqn: &dqn {algorithm: DQN, algorithms.DQN.n_envs: 10}
campaign: a
trials:
  one: &one
    <<: *group
    settings: *five
    cells: [*dqn, {<<: *dqn, algorithms.DQN.n_envs: 40}]
  two:
    <<: [*group]
    settings: {environment.decision_s: 20.0, <<: *five}
    after: [one]
"""
    assert parse_campaign(merged, "a.yaml") == parse_campaign(written, "a.yaml")
    assert [one.lineage_id for one in trials_of(merged)] == [one.lineage_id for one in trials_of(written)]


@pytest.mark.parametrize("key", ["replay", "xreplay", "X-replay", "_replay"])
def test_a_block_without_the_prefix_is_refused(key: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse(merged_text().replace("x-replay:", f"{key}:"))
    assert f"line 2: {key}: unknown key" in str(caught.value)
    with pytest.raises(BadInput, match="line 1: sed: unknown key, did you mean seed"):
        parse("sed: 3\n" + TEXT)


def test_a_shared_block_inside_a_group_is_refused() -> None:
    with pytest.raises(BadInput, match=r"line 5: trials\.m\.x-a: unknown key; a shared block .* at the left margin"):
        parse_campaign(HEAD + "    x-a: {}\n", "a.yaml")


def test_the_schema_allows_shared_blocks() -> None:
    assert campaign_schema()["patternProperties"].keys() == {"^x-"}


def test_all_faults_of_a_card_are_reported_with_their_lines() -> None:
    text = (
        TEXT.replace("seed: 0", "sed: 0")
        .replace("network: [64, 64]", "network: [64, many]")
        .replace("    batch_size: 1024", "    net_arch: []\n    batch_size: 1024")
        .replace("    normalize_advantage: true", "    normalize_advantage: yes")
        .replace("    buffer_size: 100000        #", "    buffer_size: 100_000        #")
        + "\ndevice: cpu\n2: x\n"
    )
    with pytest.raises(BadInput) as caught:
        parse(text)
    message = str(caught.value).splitlines()
    lines = text.splitlines()

    def line_of(words: str) -> int:
        return next(number for number, line in enumerate(lines, start=1) if words in line)

    expected = [
        (line_of("sed: 0"), "sed: unknown key, did you mean seed?"),
        (line_of("many"), "network.1: Input should be a valid integer"),
        (line_of("100_000"), "100_000 is text in YAML 1.2, write the digits without _"),
        (line_of("net_arch"), "unknown key, it is policy_kwargs.net_arch of the algorithm, or the card's `network`"),
        (line_of("normalize_advantage: yes"), "yes is text in YAML 1.2, write true"),
        (len(lines) - 1, f"key 'device' is given twice (first in line {line_of('device: cpu')})"),
        (len(lines), "the key 2 is not text"),
    ]
    assert len(message) == len(expected)
    for line, (number, words) in zip(message, expected, strict=True):
        assert line.startswith(f"section_7_6.yaml, line {number}: ") and words in line


def test_each_wrong_value_of_a_block_is_reported_with_its_own_line() -> None:
    text = TEXT.replace("dx_m: ", "dx_m: -").replace("decision_s: ", "decision_s: -")
    with pytest.raises(BadInput) as caught:
        parse(text)
    message = str(caught.value).splitlines()
    assert len(message) == 2 and len({line.split(":")[0] for line in message}) == 2


def test_a_float_without_fraction_is_accepted_as_an_integer() -> None:
    card = parse(
        TEXT.replace("target_steps: ", "target_steps: 1e6 # ", 1).replace("buffer_size: 100000 ", "buffer_size: 1e5 ")
    )
    written = parse(TEXT.replace("target_steps: ", "target_steps: 1000000 # ", 1))
    assert card == written and type(card.profiles["quick"].target_steps) is int
    assert card.lineage.id == written.lineage.id
    with pytest.raises(BadInput, match="target_steps: Input should be a valid integer"):
        parse(TEXT.replace("target_steps: ", "target_steps: 1.5e0 # ", 1))
    (trial,) = trials_of(HEAD + "    seeds: !!float 1\n    settings: {profiles.full.target_steps: 2e6}\n")
    assert trial.target_steps == 2_000_000 and not trial.card.trial


def test_a_number_with_a_leading_zero_is_decimal() -> None:
    assert parse(TEXT.replace("seed: 0", "seed: 010")).seed == 10


@pytest.mark.parametrize(("value", "read"), [("1e-3", 1e-3), ("lin_0.001", "lin_0.001")])
def test_a_learning_rate_is_a_number_or_a_line_to_the_target(value: str, read: object) -> None:
    text = TEXT.replace("learning_rate: {start: 5.0e-4, end: 1.0e-4, over_steps: 400000}", f"learning_rate: {value}", 1)
    assert parse(text).algorithms.DQN.learning_rate == read


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("0.1", "write {start: 0.1, end: 0.1, over_steps: 1}"),
        ("lin_0.1", "write {start: 0.1, end: 0.0, over_"),
    ],
)
def test_an_exploration_in_zoo_notation_is_refused_with_the_right_notation(value: str, hint: str) -> None:
    text = TEXT.replace("exploration: {start: 1.0, end: 0.02, over_steps: 15000}", f"exploration: {value}", 1)
    with pytest.raises(BadInput) as caught:
        parse(text)
    assert "algorithms.DQN.exploration" in str(caught.value) and hint in str(caught.value)


def test_nested_settings_are_refused_with_the_dotted_key() -> None:
    with pytest.raises(BadInput) as caught:
        parse_campaign(HEAD + "    settings:\n      environment: {decision_s: 5.0}\n", "a.yaml")
    (line,) = str(caught.value).splitlines()
    assert (
        line.startswith("a.yaml, line 6: trials.m.settings.environment: ")
        and "write a nested key with dots, as environment.decision_s" in line
    )


def test_an_empty_file_is_refused_with_required_keys_and_an_example(tmp_path: Path) -> None:
    for text in ("", "# later\n", "---\n"):
        with pytest.raises(BadInput) as caught:
            parse(text)
        assert "section_7_6.yaml is empty" in str(caught.value)
        assert all(key in str(caught.value) for key in required_keys(SectionCard))
        assert "configs/sections/section_7_6.yaml" in caught.value.remedy
    (tmp_path / "a.yaml").write_text("", encoding="utf-8")
    with pytest.raises(BadInput) as caught:
        load_campaign(tmp_path / "a.yaml")
    assert "campaign, trials" in str(caught.value) and "smoke.yaml" in caught.value.remedy


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (TEXT.encode("utf-16"), "it is UTF-16"),
        ("# réseau\n".encode("cp1252") + TEXT.encode(), "line 1 holds a byte that is not UTF-8 (0xe9)"),
        (b"#" * (2 << 20), "larger than"),
    ],
)
def test_a_file_that_is_not_utf_8_or_too_large_is_refused_with_the_reason(
    tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "section_7_6.yaml").write_bytes(content)
    with pytest.raises(BadInput, match="cannot be read") as caught:
        load_card(tmp_path, "section_7_6")
    assert message in str(caught.value) and caught.value.remedy


def test_a_card_with_windows_line_ends_is_the_same_card(tmp_path: Path) -> None:
    (tmp_path / "section_7_6.yaml").write_bytes(b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode())
    assert load_card(tmp_path, "section_7_6") == parse(TEXT)


def test_a_folder_in_place_of_a_card_is_refused(tmp_path: Path) -> None:
    (tmp_path / "section_7_6.yaml").mkdir()
    with pytest.raises(BadInput, match="it is a folder"):
        load_card(tmp_path, "section_7_6")


@pytest.mark.parametrize(
    "body",
    [
        "    seeds: 99999999\n",
        "    seeds: {completed: 1, spares: 99999999}\n",
        f"    seeds: 1000\n    matrix: {{a: {list(range(200))}}}\n",
        f"    matrix: {{a: {list(range(400))}, b: {list(range(400))}, c: {list(range(400))}}}\n",
        "    search: {space: {a: {low: 0, high: 99999999999}}, sampler: grid}\n",
        "    search: {space: {a: {low: 0, high: 99999999999}}, sampler: grid, trials: 3}\n",
        "    search: {space: {a: [1, 2]}, sampler: random, trials: 99999999}\n",
        "    seeds: 60000\n  n:\n    section: section_7_6\n    seeds: 60000\n",
    ],
)
def test_too_many_trials_are_refused_quickly(body: str) -> None:
    began = time.process_time()
    with pytest.raises(BadInput) as caught:
        parse_campaign(HEAD + body, "a.yaml")
    assert str(MOST_TRIALS) in str(caught.value) and "a.yaml, line" in str(caught.value)
    assert time.process_time() - began < 5.0


def test_an_explicit_list_of_seeds() -> None:
    trials = trials_of(HEAD + "    seeds: [3, 7, 11]\n")
    assert [(one.seed, one.rank, one.spare) for one in trials] == [(3, 0, False), (7, 1, False), (11, 2, False)]
    card = load_card(CARDS, "section_7_6")
    assert [one.lineage_id for one in trials] == [card.chosen(seed=seed).lineage.id for seed in (3, 7, 11)]
    assert trials[0].variant.completed == 3


@pytest.mark.parametrize(
    ("seeds", "message"),
    [
        ("[]", "seeds is empty"),
        ("[3, 3]", "contains 3 twice"),
        ("[-1]", f"lie in [0, {SEEDS_END - 1}], not -1"),
        (f"[{SEEDS_END}]", f"not {SEEDS_END}"),
        (f"{{completed: 2, first: {SEEDS_END - 1}}}", "first is too large"),
    ],
)
def test_invalid_seeds_are_refused(seeds: str, message: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_campaign(HEAD + f"    seeds: {seeds}\n", "a.yaml")
    assert message in str(caught.value) and "line 5" in str(caught.value)


def test_the_range_of_a_seed_is_that_of_the_libraries() -> None:
    card = load_card(CARDS, "section_7_6")
    assert choose(card, algorithm=None, seed=SEEDS_END - 1).seed == SEEDS_END - 1
    for seed in (-1, SEEDS_END, 10**22):
        with pytest.raises(BadInput, match="seed must not be negative or above"):
            choose(card, algorithm=None, seed=seed)
        with pytest.raises(BadInput, match="seed must not be negative or above"):
            parse(TEXT.replace("seed: 0", f"seed: {seed}"))


def test_sizes_of_an_unused_profile_are_refused() -> None:
    sizes = "    settings: {profiles.full.target_steps: 5000}\n"
    with pytest.raises(BadInput, match="has no effect: the group runs the profile quick"):
        parse_campaign(HEAD + "    profile: quick\n" + sizes, "a.yaml")
    assert trials_of(HEAD + sizes)[0].target_steps == 5000
    both = "    settings: {profiles.full.target_steps: 5000, profiles.quick.target_steps: 500}\n"
    assert trials_of(HEAD + "    profile: quick\n" + both)[0].target_steps == 500


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such files")
def test_a_pipe_in_place_of_a_card_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "mine.yaml")
    with pytest.raises(BadInput, match=r"mine\.yaml cannot be read: it is a pipe or a device"):
        read_text(tmp_path / "mine.yaml")
