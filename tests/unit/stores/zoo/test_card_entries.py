"""Entries of RL Zoo in a card: each form becomes the card's own, and what cannot be carried is refused by name."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.core.errors import BadInput
from orchestrator.core.section.card import SectionCard
from orchestrator.kernel.algorithms.hyperparameters import read_hyper_parameters
from orchestrator.stores.section.card_schema import card_schema
from orchestrator.stores.section.card_yaml import parse_card, set_in_card
from orchestrator.stores.yaml.document import read_document
from orchestrator.stores.zoo.card_entries import translated
from orchestrator.stores.zoo.hyperparameter_file import read_zoo_file
from tests.conftest import PROJECT_ROOT

FILES = PROJECT_ROOT / "tests/fixtures/rl_zoo"
SIZES = {"checkpoint_every_steps": 100, "evaluate_every_steps": 500, "evaluation_scenarios": 3}
CARD = "section: own\nentry_point: own.entry\nalgorithm: {algorithm}\nprofiles:\n  quick: {quick}\n  full: {full}\n"


def text_of(algorithm: str, blocks: str, full: int | None = None) -> str:
    quick: dict[str, Any] = {"target_steps": 1000, **SIZES}
    sizes = quick if full is None else {**SIZES, "target_steps": full}
    wanted = {**SIZES} if full is None else sizes
    head = CARD.format(algorithm=algorithm, quick=quick, full=wanted).replace("'", "")
    return f"{head}algorithms:\n{blocks}"


def card_of(algorithm: str, blocks: str, full: int | None = None) -> SectionCard:
    return parse_card(text_of(algorithm, blocks, full), "own.yaml")


def block_of(algorithm: str, block: dict[str, Any]) -> Any:
    """The hyper-parameters of a card with one block."""
    lines = yaml.safe_dump({algorithm: block}, width=10_000)
    return card_of(algorithm, "".join(f"  {line}\n" for line in lines.splitlines()), 1000).hyper_parameters


def refused(algorithm: str, blocks: str, full: int | None = None) -> str:
    with pytest.raises(BadInput) as caught:
        card_of(algorithm, blocks, full)
    return str(caught.value)


def real_entries() -> list[tuple[str, str, str]]:
    found = []
    for path in sorted(FILES.glob("*.yml")):
        file = read_zoo_file(path, None)
        found += [(path.stem, file.algorithm.name, name) for name in file.entries if file.algorithm]
    return found


@pytest.mark.parametrize(("stem", "algorithm", "name"), real_entries())
def test_real_entries_are_blocks_as_they_are(stem: str, algorithm: str, name: str) -> None:
    plain = read_document((FILES / f"{stem}.yml").read_text("utf-8"), stem).plain[name]
    steps = int(plain["n_timesteps"])
    block = yaml.safe_dump(plain, width=10_000)
    card = card_of(stem, f"  {stem}:\n" + "".join(f"    {line}\n" for line in block.splitlines()))
    assert card.algorithm == algorithm and card.profiles["full"].target_steps == steps
    found = card.hyper_parameters
    assert found is not None and found.n_envs == plain.get("n_envs", 1)
    assert found.policy_name == plain["policy"]
    assert read_hyper_parameters(algorithm, json.loads(json.dumps(card.lineage.hyper_parameters))) == found
    for key in ("gamma", "ent_coef", "learning_rate", "gradient_steps"):
        assert plain.get(key) is None or found.value(key) == plain[key]


def test_algorithms_may_be_one_entry() -> None:
    plain = "  n_timesteps: !!float 1e5\n  policy: MlpPolicy\n  learning_rate: lin_0.001\n  n_steps: 32\n  n_envs: 2\n"
    card = card_of("ppo", plain)
    assert card.algorithms.names == ("PPO",) and card.profiles["full"].target_steps == 100_000
    own = card_of("PPO", "  PPO: {learning_rate: lin_0.001, n_steps: 32, n_envs: 2, policy: MlpPolicy}\n", 100_000)
    assert own.lineage.id == card.lineage.id
    assert "own.yaml, line 10: algorithms.PPO.learning_rate" in refused("PPO", plain.replace("lin_", "exp_"))


def test_forms_become_the_cards_own() -> None:
    found = block_of(
        "TD3",
        {
            "policy_kwargs": "dict(net_arch=[400, 300], activation_fn=nn.ReLU, optimizer_class=th.optim.Adam)",
            "noise_type": "ornstein-uhlenbeck",
            "noise_std": 0.5,
            "train_freq": "(1, 'episode')",
            "gradient_steps": -1,
            "normalize": "dict(norm_obs=True, norm_reward=False)",
            "env_wrapper": [{"a.One": {"skip": 2}}, "b.Two"],
            "buffer_size": "1_000",
            "learning_rate": "1e-3",
            "n_timesteps": 1000,
        },
    )
    own = block_of(
        "TD3",
        {
            "policy_kwargs": {"net_arch": [400, 300], "activation_fn": "relu", "optimizer_class": "adam"},
            "action_noise": {"kind": "ornstein_uhlenbeck", "sigma": 0.5, "theta": 0.15, "dt": 0.01},
            "train_freq": [1, "episode"],
            "gradient_steps": -1,
            "normalize": {"norm_obs": True, "norm_reward": False},
            "env_wrapper": [{"a.One": {"skip": 2}}, "b.Two"],
            "buffer_size": 1000,
            "learning_rate": 0.001,
        },
    )
    assert found == own


def test_classes_and_buffers_in_words_of_torch() -> None:
    found = block_of("A2C", {"policy_kwargs": "dict(optimizer_class=RMSpropTFLike, optimizer_kwargs=dict(eps=1e-5))"})
    assert found.policy_kwargs.given == {"optimizer_class": "rmsprop_tf_like", "optimizer_kwargs": {"eps": 1e-5}}
    mapped = block_of("PPO", {"policy_kwargs": {"activation_fn": "nn.Tanh", "net_arch": [8]}})
    assert mapped.policy_kwargs.given == {"activation_fn": "tanh", "net_arch": (8,)}
    her = {"policy": "MultiInputPolicy", "replay_buffer_class": "HerReplayBuffer"}
    buffer = block_of(
        "SAC", {**her, "replay_buffer_kwargs": "dict(n_sampled_goal=4, goal_selection_strategy='future')"}
    )
    assert buffer.replay_buffer_class == "HerReplayBuffer" and buffer.replay_buffer_kwargs["n_sampled_goal"] == 4
    assert (
        block_of("PPO", {"normalize": {}, "learning_rate": "linear_0.5", "n_timesteps": 1000}).learning_rate
        == "lin_0.5"
    )


def test_the_target_and_n_timesteps_must_agree() -> None:
    block = "  PPO: {n_timesteps: 1e5, policy: MlpPolicy}\n"
    assert card_of("PPO", block, 100_000).profiles["full"].target_steps == 100_000
    text = refused("PPO", block, 500)
    assert "own.yaml, line 8: algorithms.PPO.n_timesteps: 100000 steps, but profiles.full.target_steps is 500" in text
    both = f"{block}  DQN: {{n_timesteps: 5e4, policy: MlpPolicy}}\n"
    assert "algorithms.DQN.n_timesteps: 50000 steps, but n_timesteps of PPO is 100000" in refused("PPO", both)


def test_the_steps_of_the_card_can_be_set() -> None:
    text = text_of("PPO", "  PPO: {n_timesteps: 1e5, policy: MlpPolicy, gamma: 0.9}\n")
    card, plain = parse_card(text, "own.yaml"), read_document(text, "own.yaml").plain
    before = copy.deepcopy(plain)
    longer = set_in_card(
        card, plain, {"profiles.full.target_steps": 7, "algorithms.PPO.policy_kwargs": "dict(net_arch=[8])"}
    )
    assert longer.profiles["full"].target_steps == 7 and longer.trial and plain == before
    assert longer.hyper_parameters is not None
    assert longer.hyper_parameters.policy_kwargs.given == {"net_arch": (8,)}
    with pytest.raises(BadInput) as caught:
        set_in_card(card, plain, {"algorithms.PPO.n_timesteps": 7})
    assert "profiles.full.target_steps" in caught.value.remedy


@pytest.mark.parametrize(
    ("blocks", "named"),
    [
        (
            '  PPO: {policy_kwargs: "dict(net_arch=open(1))"}\n',
            "PPO.policy_kwargs: open(...) is not allowed",
        ),
        ('  PPO: {policy_kwargs: "dict(netarch=[8])"}\n', "did you mean net_arch?"),
        ('  PPO: {policy_kwargs: "dict(activation_fn=nn.RReLU)"}\n', "no word for the activation torch.nn.RReLU"),
        ("  PPO: {callback: a.Call}\n", "callbacks are code"),
        ("  PPO: {env_kwargs: {g: 1}}\n", "the section's code builds the environment"),
        ("  PPO: {monitor_kwargs: {info_keywords: [a]}}\n", "the section's code builds the environment"),
        ("  PPO: {noise_type: normal, noise_std: 0.1}\n", "unknown key"),
        ("  PPO: {n_timesteps: many}\n", "algorithms.PPO.n_timesteps: a whole number from 1"),
        ("  PPO: {learning_rate: exp_1}\n", "learning_rate must be a number, lin_ and a number"),
        ("  PPO: {learning_rate: exp_1, n_timesteps: 1000}\n", "a number or lin_X"),
        ("  PPO: {n_steps: 1_000}\n", "1_000 is text in YAML 1.2"),
        ("  PPO: {use_sde: yes}\n", "yes is text in YAML 1.2"),
        ("  PPO: {policy: my.nets.Policy}\n", "policy"),
        ("  PPO: {normalize: 'dict(norm_ob=True)'}\n", "norm_ob"),
        ("  PPO: {gamma: 0.9}\n  ppo: {gamma: 0.9}\n", "algorithms.PPO: it is declared twice, also as ppo"),
        ("  PPP: {gamma: 0.9}\n", "did you mean PPO?"),
    ],
)
def test_what_cannot_be_carried_is_refused_by_name(blocks: str, named: str) -> None:
    assert named in refused("PPO", blocks, 1000)


@pytest.mark.parametrize(
    ("block", "named"),
    [
        ("noise_type: normal", "noise_type: it needs noise_std"),
        ("noise_std: 0.1", "noise_std: it needs noise_type"),
        ("noise_type: pink, noise_std: 0.1", "normal or ornstein-uhlenbeck"),
        ("noise_type: normal, noise_std: 0.1, action_noise: {kind: normal, sigma: 1}", "gives the same value"),
        ("train_freq: [1, epoch]", "train_freq"),
    ],
)
def test_noise_and_frequency_are_checked(block: str, named: str) -> None:
    assert named in refused("TD3", f"  TD3: {{{block}}}\n", 1000)


def test_cards_without_entries_stay_as_they_are(project_root: Path) -> None:
    text = (project_root / "configs/sections/section_7_6.yaml").read_text("utf-8")
    document = read_document(text, "section_7_6.yaml")
    assert translated(document).plain == document.plain and translated(document).faults == ()


@pytest.fixture(scope="module")
def schema() -> Any:
    jsonschema = pytest.importorskip("jsonschema")
    return jsonschema.Draft202012Validator(card_schema(PROJECT_ROOT / "configs/sections"))


def test_the_json_schema_accepts_what_the_loader_accepts(schema: Any) -> None:
    for stem, _, name in real_entries():
        plain = read_document((FILES / f"{stem}.yml").read_text("utf-8"), stem).plain[name]
        head = read_document(text_of(stem, ""), "own.yaml").plain
        for algorithms in ({stem: plain}, plain):
            found = [one.message for one in schema.iter_errors({**head, "algorithms": algorithms})]
            assert found == [], (stem, name, found)


@pytest.mark.parametrize(
    "block",
    [
        {"gama": 0.9},
        {"gamma": "high"},
        {"policy_kwargs": "wide"},
        {"policy_kwargs": {"activation_fn": "Relu"}},
        {"n_timesteps": "many"},
        {"noise_type": "normal", "noise_std": 0.1},
        {"n_timesteps": 0},
        {"use_sde": "maybe"},
        {"n_steps": "1_000"},
        {"use_sde": "yes"},
    ],
)
def test_the_json_schema_refuses_what_the_loader_refuses(schema: Any, block: dict[str, Any]) -> None:
    lines = "".join(f"    {line}\n" for line in yaml.safe_dump(block).splitlines())
    assert refused("PPO", f"  PPO:\n{lines}", 1000)
    head = read_document(text_of("PPO", "", 1000), "own.yaml").plain
    assert list(schema.iter_errors({**head, "algorithms": {"PPO": block}}))
