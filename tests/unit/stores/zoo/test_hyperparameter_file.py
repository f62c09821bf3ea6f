"""Files of RL Zoo: which entry is chosen, and what is refused with its line."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import pytest
import yaml

from orchestrator.core.errors import BadInput
from orchestrator.stores.zoo.hyperparameter_file import choose_entry, read_zoo_file
from tests.conftest import PROJECT_ROOT

FILES = PROJECT_ROOT / "tests/fixtures/rl_zoo"
ENTRIES = [(path.stem, env) for path in sorted(FILES.glob("*.yml")) for env in read_zoo_file(path, None).environments]


def refused(call: object) -> str:
    assert callable(call)
    with pytest.raises(BadInput) as caught:
        call()
    return f"{caught.value}\n{caught.value.remedy}"


def written(folder: Path, text: str, name: str = "ppo.yml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_there_are_enough_real_entries() -> None:
    assert len(ENTRIES) >= 25 and len({stem for stem, _ in ENTRIES}) == 13


@pytest.mark.parametrize(("stem", "env"), ENTRIES)
def test_real_entries_are_read(stem: str, env: str) -> None:
    chosen = choose_entry(read_zoo_file(FILES / f"{stem}.yml", None), env, exists=None)
    assert chosen.name == env and chosen.entry.n_timesteps and not chosen.other_version


def test_merge_keys_and_numbers_of_the_file() -> None:
    swimmer = choose_entry(read_zoo_file(FILES / "crossq.yml", None), "Swimmer-v4", exists=None).entry
    assert swimmer.n_timesteps == 5_000_000 and swimmer.arguments["buffer_size"] == 1_000_000
    assert swimmer.arguments["gamma"] == 0.999
    assert swimmer.arguments["policy_kwargs"]["net_arch"] == {"pi": [256, 256], "qf": [2048, 2048]}


@pytest.mark.parametrize("env", ["ALE/Pong-v5", "BreakoutNoFrameskip-v4"])
def test_atari_is_the_fallback_of_its_games(env: str) -> None:
    chosen = choose_entry(read_zoo_file(FILES / "ppo.yml", None), env, exists=True)
    assert (chosen.name, chosen.entry.frame_stack) == ("atari", 4)


def test_default_is_the_fallback_of_others_and_names_another_version() -> None:
    chosen = choose_entry(read_zoo_file(FILES / "ppo.yml", None), "HalfCheetah-v5", exists=True)
    assert (chosen.name, chosen.other_version) == ("default", "HalfCheetah-v4")
    no_default = read_zoo_file(FILES / "ppo_lstm.yml", None)
    assert "Did you mean Acrobot-v1?" in refused(lambda: choose_entry(no_default, "Acrobot-v2", exists=True))
    assert "It has PendulumNoVel-v1, Acrobot-v1." in refused(lambda: choose_entry(no_default, "Xyz-v0", exists=True))


def test_a_misspelled_environment_is_refused_where_gymnasium_cannot_be_asked() -> None:
    file = read_zoo_file(FILES / "ppo.yml", None)
    text = refused(lambda: choose_entry(file, "cartpole-v1", exists=None))
    assert "ppo.yml has no entry for cartpole-v1" in text and "Did you mean CartPole-v1?" in text
    assert choose_entry(file, "Quite-Another-v3", exists=None).name == "default"


def test_the_algorithm_comes_from_the_files_name_or_from_the_user(tmp_path: Path) -> None:
    text = "A-v0: {n_timesteps: 10, policy: MlpPolicy}\n"
    for name, wanted, expected in [
        ("ppo_lstm.yaml", None, "RecurrentPPO"),
        ("SAC.yml", None, "SAC"),
        ("mine.yml", "sac", "SAC"),
    ]:
        plain = text.replace("Mlp", "MlpLstm") if expected == "RecurrentPPO" else text
        chosen = choose_entry(read_zoo_file(written(tmp_path, plain, name), wanted), "A-v0", exists=None)
        assert chosen.entry.algorithm.name == expected
    unnamed = read_zoo_file(written(tmp_path, text, "mine.yml"), None)
    assert "Name it with --algo" in refused(lambda: choose_entry(unnamed, "A-v0", exists=None))
    assert "Did you mean sac?" in refused(lambda: read_zoo_file(tmp_path / "mine.yml", "saac"))


def test_a_folder_and_a_file_with_several_algorithms(tmp_path: Path) -> None:
    assert choose_entry(read_zoo_file(FILES, "tqc"), "Hopper-v4", exists=None).entry.algorithm.name == "TQC"
    assert "Choose one of its files with --algo" in refused(lambda: read_zoo_file(FILES, None))
    assert "has no ppo_mask.yml" in refused(lambda: read_zoo_file(FILES, "ppo_mask"))
    entry = "{n_timesteps: 10, policy: MlpPolicy}"
    by_algorithm = written(tmp_path, f"ppo: {{A-v0: {entry}}}\nA2C: {{A-v0: {entry}, B-v0: {entry}}}\n", "all.yml")
    assert read_zoo_file(by_algorithm, "a2c").environments == ["A-v0", "B-v0"]
    assert "Name one of them with --algo: ppo, A2C" in refused(lambda: read_zoo_file(by_algorithm, None))
    assert "has no block for sac" in refused(lambda: read_zoo_file(by_algorithm, "sac"))
    by_env = written(tmp_path, f"A-v0: {{ppo: {entry}, a2c: {entry}}}\n", "envs.yml")
    assert choose_entry(read_zoo_file(by_env, "a2c"), "A-v0", exists=None).entry.algorithm.name == "A2C"
    unchosen = read_zoo_file(by_env, None)
    assert "holds several algorithms" in refused(lambda: choose_entry(unchosen, "A-v0", exists=None))


def test_entries_of_the_former_her_file_name_their_algorithm() -> None:
    her = read_zoo_file(FILES / "her.yml", None)
    names = [choose_entry(her, env, exists=None).entry.algorithm.name for env in her.environments]
    assert names == ["SAC", "TQC"]


def test_faults_have_their_lines(tmp_path: Path) -> None:
    text = (
        "base: &base\n  n_timesteps: !!float 1e6\n  policy: MlpPolicy\nA-v0:\n  <<: *base\n  batch_sise: 3\n"
        '  policy_kwargs: "dict(net_arch=open(1))"\n'
    )
    found = refused(lambda: choose_entry(read_zoo_file(written(tmp_path, text), None), "A-v0", exists=None))
    assert "ppo.yml, line 6: A-v0.batch_sise: PPO has no argument of this name, did you mean batch_size?" in found
    assert "ppo.yml, line 7: A-v0.policy_kwargs: open(...) is not allowed" in found and "character 15" in found


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "holds no entries"),
        ("[1]", "holds no entries"),
        ("A-v0: 3", "A-v0: hyper-parameters are needed"),
        ("A-v0:", "A-v0: hyper-parameters are needed"),
        ("A-v0: {policy: MlpPolicy}", "n_timesteps is missing"),
        ("A-v0: !!python/object:os.system {}", "is not allowed"),
        ("A-v0: {n_timesteps: !!python/name:os.system ''}", "is not allowed"),
        ("A-v0: {a: 1, a: 2}", "given twice"),
        ("\tA", "there is a tab here"),
        ("a: &a [*a]", "inside the block that it refers to"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, named: str) -> None:
    path = written(tmp_path, text)
    assert named in refused(lambda: choose_entry(read_zoo_file(path, None), "A-v0", exists=None))


def test_programs_absent_files_and_bombs_are_refused(tmp_path: Path) -> None:
    assert "is a program" in refused(lambda: read_zoo_file(written(tmp_path, "x = 1", "ppo.py"), None))
    assert "cannot be read" in refused(lambda: read_zoo_file(tmp_path / "absent.yml", None))
    levels = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]\n" for n in range(1, 12))
    assert "more than" in refused(lambda: read_zoo_file(written(tmp_path, f"l0: &l0 [1]\n{levels}"), None))


def test_the_saved_entry_of_a_finished_training(tmp_path: Path) -> None:
    entry = OrderedDict(
        batch_size=256,
        env_wrapper=[{"a.One": {"skip": 2}}],
        learning_rate="lin_0.001",
        n_timesteps=100000.0,
        normalize=True,
        policy="MlpPolicy",
        policy_kwargs="dict(net_arch=[64, 64])",
    )
    path = written(tmp_path, yaml.dump(entry), "config.yml")
    assert "Name it with --algo" in refused(lambda: choose_entry(read_zoo_file(path, None), "Any-v0", exists=None))
    arguments = "!!python/object/apply:collections.OrderedDict\n- - - algo\n    - ppo\n  - - conf_file\n    - null\n"
    (tmp_path / "args.yml").write_text(arguments, encoding="utf-8")
    chosen = choose_entry(read_zoo_file(path, None), "Any-v0", exists=None)
    assert (chosen.name, chosen.entry.algorithm.name, chosen.entry.n_timesteps) == ("Any-v0", "PPO", 100_000)
    assert chosen.entry.arguments["policy_kwargs"] == {"net_arch": [64, 64]}
    wrong = written(tmp_path, path.read_text("utf-8").replace("[64, 64]", "open(1)"), "config.yml")
    found = refused(lambda: choose_entry(read_zoo_file(wrong, None), "Any-v0", exists=None))
    assert "config.yml, line 16: config.policy_kwargs: open(...) is not allowed" in found
    for text in ("!!python/object/apply:collections.OrderedDict\n- 1\n", "!!python/object/apply:os.system [x]\n"):
        odd = written(tmp_path, text, "config.yml")
        assert refused(lambda odd=odd: read_zoo_file(odd, None))
