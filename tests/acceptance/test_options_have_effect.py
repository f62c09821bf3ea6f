"""An option without effect is refused with cause and remedy, or reported in one line where it is harmless."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import yaml

from tests.doubles.commands import Answer, call, orchestrate
from tests.doubles.toy_section import make_toy_project, read_card_file, set_behaviour, write_card

RUN = ("run", "section_7_6", "--json")
QUICK = (*RUN, "--quick")
WEIGHTS = ("--accept-grade", "weights-only")
GAMMA = ("--set", "algorithms.DQN.gamma=0.98")
SECTION = "validation_ch7/section_7_6_rl_performance"


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    return make_toy_project(tmp_path / "project")


def assert_refused(answer: Answer, *words: str) -> None:
    assert answer.code == 2, answer.err
    assert all(word in f"{answer.json['error']} {answer.json['remedy']}" for word in words), answer.json
    assert answer.json["remedy"] and "Traceback" not in answer.err


@pytest.mark.parametrize(
    "words", [GAMMA, ("--seed", "3"), ("--algorithm", "PPO"), ("--set", "environment.decision_s=5.0")]
)
@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_weights_only_is_refused_for_a_trial_without_checkpoints(
    toy: Path, words: tuple[str, ...], more: tuple[str, ...]
) -> None:
    orchestrate(toy, *QUICK)
    answer = orchestrate(toy, *RUN, *WEIGHTS, *words, *more)
    assert_refused(
        answer, "no effect", "these settings make another training", "/trials/", "shutil.copytree", "from step 0"
    )
    assert not (toy / SECTION / "trials").exists() or not list((toy / SECTION / "trials").rglob("*.zip"))
    assert orchestrate(toy, "render", "section_7_6", *WEIGHTS, *words).code == 2


def test_command_in_the_remedy_works(toy: Path) -> None:
    orchestrate(toy, *QUICK)
    remedy = orchestrate(toy, *RUN, *WEIGHTS, *GAMMA).json["remedy"]
    command = shlex.split(remedy.partition("folder: ")[2].partition(", then")[0])
    assert command[:2] == ["python", "-c"]
    assert call(toy, command[1:]).code == 0
    summary = orchestrate(toy, *RUN, *WEIGHTS, *GAMMA).json
    assert (summary["steps_start"], summary["steps_done"], summary["end_reason"]) == (40, 100, "finished")
    assert summary["expected_grade"] == "weights-only" and "/trials/" in summary["models_dir"]
    again = orchestrate(toy, *RUN, *WEIGHTS, *GAMMA, "--add-steps", "20")
    assert (again.json["steps_done"], again.json["expected_grade"]) == (120, "exact")
    assert "--accept-grade weights-only had no effect: the checkpoint in place continues at grade exact" in again.err


def test_weights_only_is_refused_without_checkpoints(toy: Path) -> None:
    assert_refused(orchestrate(toy, *RUN, *WEIGHTS), "holds no checkpoint whose weights could be taken", "Leave it out")
    assert not (toy / "validation_output/results").exists() or not list((toy / "validation_output/results").iterdir())
    orchestrate(toy, *QUICK)
    for path in (toy / SECTION / "data/models/checkpoints").iterdir():
        path.unlink()
    assert_refused(orchestrate(toy, *RUN, *WEIGHTS), "holds no checkpoint")


def test_weights_only_is_refused_at_the_target(toy: Path) -> None:
    orchestrate(toy, *QUICK)
    card = read_card_file(toy)
    write_card(toy, {**card, "seed": 5})
    assert_refused(orchestrate(toy, *QUICK, *WEIGHTS), "would train nothing", "40 steps", "--add-steps")
    more = orchestrate(toy, *QUICK, *WEIGHTS, "--add-steps", "20").json
    assert (more["steps_start"], more["steps_done"]) == (40, 60)


def test_weights_only_and_fresh_exclude_each_other(toy: Path) -> None:
    orchestrate(toy, *QUICK)
    assert_refused(orchestrate(toy, *RUN, *WEIGHTS, "--fresh"), "exclude each other")


def test_unneeded_weights_only_flag_is_reported(toy: Path) -> None:
    orchestrate(toy, *QUICK)
    message = "--accept-grade weights-only had no effect"
    at_target = orchestrate(toy, *QUICK, *WEIGHTS)
    assert at_target.code == 0 and f"{message}: no session was needed" in at_target.err
    dry = orchestrate(toy, *RUN, *WEIGHTS, "--dry-run")
    assert dry.code == 0 and f"{message}: the checkpoint in place continues at grade exact" in dry.err
    assert message in orchestrate(toy, "render", "section_7_6", *WEIGHTS).err
    assert message in orchestrate(toy, *RUN, *WEIGHTS).err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--set", "algorithms.PPO.gamma=0.9"), "DQN is trained, not PPO"),
        (("--set", "algorithms.DQN.gamma=0.9", "--algorithm", "PPO"), "PPO is trained, not DQN"),
        (("--set", "algorithm=PPO", "--set", "algorithms.DQN.gamma=0.9"), "PPO is trained, not DQN"),
        (("--set", "algorithm=PPO", "--algorithm", "A2C"), "contradict each other"),
        (("--set", "profiles.full.target_steps=50"), "the profile quick runs, not full"),
        (("--set", "profiles.quick.target_steps=50", "--target-steps", "60"), "no effect beside --target-steps"),
        (("--set", "profiles.quick.target_steps=50", "--add-steps", "60"), "no effect beside --add-steps"),
        (("--set", "profiles.quick.deadline_s=50.0", "--deadline-s", "60"), "no effect beside --deadline-s"),
        (("--set", "algorithms.DQN.gamma=0.9", "--set", "algorithms.DQN.gamma=0.9"), "given twice"),
        (("--target-steps", "5", "--add-steps", "5"), "exclude each other"),
    ],
)
def test_contradicting_options_are_refused(toy: Path, words: tuple[str, ...], message: str) -> None:
    assert_refused(orchestrate(toy, *QUICK, *words, "--dry-run"), message)


def test_every_command_refuses_settings_of_another_algorithm(toy: Path) -> None:
    for command in ("render", "attach", "fetch", "logs"):
        answer = orchestrate(toy, command, "section_7_6", "--set", "algorithms.PPO.gamma=0.9")
        assert answer.code == 2 and "--set algorithms.PPO.gamma has no effect: DQN is trained" in answer.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--seed", "0"), "--seed 0 is the card's own value"),
        (("--algorithm", "DQN"), "--algorithm DQN is the card's own value"),
        (("--set", "algorithms.DQN.gamma=0.97"), "--set algorithms.DQN.gamma=0.97 is the card's own value"),
        (("--set", "network=[64, 64]"), "--set network=[64, 64] is the card's own value"),
        (("--set", "kaggle.gpu=false"), "--set kaggle.gpu has no effect on the backend local"),
        (("--detach",), "--detach has no effect on a dry run"),
    ],
)
def test_option_without_effect_is_reported_in_one_line(toy: Path, words: tuple[str, ...], message: str) -> None:
    write_card(toy, {**read_card_file(toy), "kaggle": {"gpu": True}})
    answer = orchestrate(toy, *QUICK, *words, "--dry-run")
    assert answer.code == 0 and answer.err.splitlines().count(message) == 1
    assert message not in orchestrate(toy, *QUICK, "--dry-run").err
    shown = orchestrate(toy, *QUICK[:2], *words, "--dry-run").out.splitlines()
    assert shown[0].startswith("Backend: local") and message in shown


VARIABLES = [
    (("--seed", "5"), {"ORCHESTRATOR_SEED": "9"}, "ORCHESTRATOR_SEED=9 has no effect: the command line says --seed 5"),
    (("--full",), {"ORCHESTRATOR_QUICK": "1"}, "ORCHESTRATOR_QUICK=1 has no effect: the command line says --full"),
    (("--backend", "local"), {"ORCHESTRATOR_BACKEND": "kaggle"}, "the command line says --backend local"),
    (("--add-steps", "5"), {"ORCHESTRATOR_TARGET_STEPS": "70"}, "the command line says --add-steps 5"),
    (("--target-steps", "60"), {"ORCHESTRATOR_TARGET_STEPS": "70"}, "the command line says --target-steps 60"),
    (
        ("--set", "profiles.full.target_steps=60"),
        {"ORCHESTRATOR_TARGET_STEPS": "70"},
        "the command line says --set profiles.full.target_steps",
    ),
    (("--set", "algorithm=PPO"), {"ORCHESTRATOR_ALGORITHM": "A2C"}, "the command line says --set algorithm"),
    (("--deadline-s", "60"), {"ORCHESTRATOR_DEADLINE_S": "70"}, "the command line says --deadline-s 60.0"),
]


@pytest.mark.parametrize(("words", "variables", "message"), VARIABLES)
def test_overridden_variable_is_reported_in_one_line(
    toy: Path, words: tuple[str, ...], variables: dict[str, str], message: str
) -> None:
    answer = orchestrate(toy, *RUN, *words, "--dry-run", **variables)
    assert answer.code == 0, answer.err
    assert len([line for line in answer.err.splitlines() if message in line]) == 1
    assert answer.json == {**answer.json, "ticket": answer.json["ticket"]}
    spec, alone = answer.json["ticket"]["spec"], orchestrate(toy, *RUN, *words, "--dry-run").json["ticket"]["spec"]
    assert spec == alone


def test_agreeing_variable_is_not_reported(toy: Path) -> None:
    words = (*RUN, "--seed", "5", "--quick", "--target-steps", "30", "--deadline-s", "60", "--dry-run")
    agreeing = {"SEED": "5", "QUICK": "true", "TARGET_STEPS": "30", "DEADLINE_S": "60"}
    answer = orchestrate(toy, *words, **{f"ORCHESTRATOR_{name}": value for name, value in agreeing.items()})
    assert answer.code == 0 and "has no effect" not in answer.err


def test_fresh_without_models_is_reported_as_without_effect(toy: Path) -> None:
    message = "--fresh has no effect: the models directory is empty"
    assert message in orchestrate(toy, *QUICK, "--fresh").err
    assert message not in orchestrate(toy, *QUICK, "--fresh").err


def make_sessions_wait(toy: Path) -> Path:
    """Make sessions wait until a file exists; returns its path."""
    gate = toy / "gate"
    entry = toy / SECTION / "entry.py"
    mark = "    parent, ending = latest, KernelEnding.FINISHED\n"
    wait = f"    import time\n    while not Path({str(gate)!r}).exists():\n        time.sleep(0.02)\n"
    entry.write_text(entry.read_text("utf-8").replace(mark, mark + wait), "utf-8")
    return gate


def test_detached_command_cannot_change_a_session_in_flight(toy: Path) -> None:
    gate = make_sessions_wait(toy)
    detached = orchestrate(toy, *QUICK, "--detach")
    assert detached.json["end_reason"] == "detached"
    assert_refused(orchestrate(toy, *QUICK, "--detach", "--fresh"), "is in flight", "without --detach")
    other = orchestrate(toy, *QUICK, "--detach", "--target-steps", "60")
    assert other.json["handle"] == detached.json["handle"]
    assert "The session in flight goes to 40 steps: the target of 60 steps has no effect on it" in other.err
    assert "has no effect" not in orchestrate(toy, *QUICK, "--detach").err
    gate.touch()
    assert orchestrate(toy, "attach", "section_7_6", "--json").json["steps_done"] == 40
    assert "--detach had no effect: no session was needed" in orchestrate(toy, *QUICK, "--detach").err


def test_repeated_detached_fresh_finds_its_own_session(toy: Path) -> None:
    gate = make_sessions_wait(toy)
    detached = orchestrate(toy, *QUICK, "--detach", "--fresh").json
    assert orchestrate(toy, *QUICK, "--detach", "--fresh").json["handle"] == detached["handle"]
    gate.touch()
    assert orchestrate(toy, "attach", "section_7_6", "--json").code == 0


CAMPAIGN = """
campaign: one
backend: kaggle
trials:
  main: {section: section_7_6, profile: quick}
"""


@pytest.fixture
def campaigns(toy: Path) -> Path:
    folder = toy / "configs" / "campaigns"
    folder.mkdir()
    (folder / "one.yaml").write_text(CAMPAIGN, encoding="utf-8")
    (folder / "here.yaml").write_text(CAMPAIGN.replace("kaggle", "local").replace("one", "here"), encoding="utf-8")
    return toy


def test_run_variables_without_effect_on_a_campaign_are_reported(campaigns: Path) -> None:
    answer = orchestrate(campaigns, "campaign", "plan", "here", "--json", ORCHESTRATOR_SEED="4", ORCHESTRATOR_QUICK="1")
    assert answer.code == 0
    for name in ("SEED", "QUICK"):
        assert f"ORCHESTRATOR_{name} has no effect on a campaign: its file says what runs" in answer.err.splitlines()
    assert orchestrate(campaigns, "campaign", "plan", "here", "--json").err == ""


def test_backend_that_differs_from_the_campaign_file_is_reported(campaigns: Path) -> None:
    message = "Backend local by --backend or ORCHESTRATOR_BACKEND; the campaign's file says kaggle"
    assert message in orchestrate(campaigns, "campaign", "plan", "one", ORCHESTRATOR_BACKEND="local").err
    assert message in orchestrate(campaigns, "campaign", "status", "one", "--backend", "local").err
    assert message not in orchestrate(campaigns, "campaign", "status", "one").err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("status", "here", "--markdown", "--json"), "exclude each other"),
        (("run", "here", "--every-s", "-1", "--json"), "--every-s must be 0 or more"),
        (("run", "here", "--every-s", "nan", "--json"), "--every-s must be 0 or more"),
        (("plan", "here", "--quick", "--json"), "No such option"),
    ],
)
def test_invalid_campaign_options_are_refused(campaigns: Path, words: tuple[str, ...], message: str) -> None:
    assert_refused(orchestrate(campaigns, "campaign", *words), message)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--cuts", "999999999"), "at most 1000"),
        (("--cuts", "0"), "cannot be cut 0 time(s)"),
        (("--steps", "0"), "0 steps in rollouts"),
        (("--steps", "40", "--cuts", "5"), "more rollouts than cuts"),
        (("--algo", "DQN", "--algo", "dqn"), "names an algorithm twice"),
    ],
)
def test_invalid_proof_options_are_refused(toy: Path, words: tuple[str, ...], message: str) -> None:
    assert_refused(orchestrate(toy, "prove-resume", "section_7_6", "--json", *words), message)


def test_trial_command_omits_settings_without_effect_on_the_trial(campaigns: Path) -> None:
    (campaigns / "configs" / "campaigns" / "here.yaml").write_text(
        yaml.safe_dump(
            {
                "campaign": "here",
                "trials": {
                    "m": {
                        "section": "section_7_6",
                        "profile": "quick",
                        "settings": {
                            "algorithms.DQN.gamma": 0.9,
                            "algorithms.PPO.gamma": 0.95,
                            "profiles.full.target_steps": 90,
                            "profiles.quick.target_steps": 30,
                        },
                        "matrix": {"algorithm": ["DQN", "PPO"]},
                    }
                },
            }
        ),
        encoding="utf-8",
    )
    set_behaviour(campaigns, "{}")
    assert orchestrate(campaigns, "campaign", "run", "here", "--every-s", "0.1").code == 0
    table = orchestrate(campaigns, "campaign", "results", "here").out
    commands = {line.rsplit(",", 1)[1].strip('"') for line in table.splitlines()[1:]}
    assert len(commands) == 2
    for command in commands:
        again = orchestrate(campaigns, *shlex.split(command), "--json")
        assert again.code == 0 and again.json["end_reason"] == "at_target", again.err


def test_a_wrong_setting_of_a_proof_is_refused_before_it_trains(toy: Path) -> None:
    answer = orchestrate(toy, "prove-resume", "section_7_6", "--json", "--set", "algorithms.DQN.gama=0.98")
    assert_refused(answer, "the card has no algorithms.DQN.gama", "Did you mean algorithms.DQN.gamma?")
