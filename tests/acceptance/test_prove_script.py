"""`prove SCRIPT` as a user runs it: exact scripts, and one script for each usual mistake."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.doubles.commands import IMPORTED_BY_COMMANDS
from tests.doubles.own_script import run_script, script_environment
from tests.doubles.warm_python import run_python

HEAD = "import random\nimport orchestrator\n"
EXACT = (
    HEAD
    + """
with orchestrator.session(target=60, seed=3, save_every=7) as run:
    weights = [0.0, 0.0]
    state = run.keep(weights=weights, best=0.0)
    for step in run.steps():
        weights[step % 2] += random.gauss(0, 1)
        state.best = max(state.best, weights[0])
        run.report(step, reward=weights[0])
print(f"best {state.best:.6f}")
"""
)
UNKEPT_GENERATOR = (
    HEAD
    + """
dice = random.Random(5)
with orchestrator.session(target=60, seed=3) as run:
    total = [0.0]
    run.keep(total=total)
    for step in run.steps():
        total[0] += dice.random()
        run.report(step, total=total[0])
"""
)
CLOCK = (
    HEAD
    + """
import time
with orchestrator.session(target=60, seed=3) as run:
    total = [0.0]
    run.keep(total=total)
    for step in run.steps():
        total[0] += time.time() % 1
"""
)
SET_ORDER = (
    HEAD
    + """
with orchestrator.session(target=60, seed=3) as run:
    total = [0.0]
    run.keep(total=total)
    for step in run.steps():
        for number, name in enumerate({"north", "south", "east", "west"}):
            total[0] += (number + 1) * len(name) * step
"""
)
REPLACED = (
    HEAD
    + """
with orchestrator.session(target=60, seed=3) as run:
    weights = (1.0, 1.0)
    run.keep(weights=weights)
    for step in run.steps():
        weights = tuple(one - 0.1 * one for one in weights)
        run.report(step, loss=sum(weights))
"""
)
REPLACED_SILENTLY = (
    HEAD
    + """
with orchestrator.session(target=60, seed=3) as run:
    weights = (1.0, 1.0)
    run.keep(weights=weights)
    for step in run.steps():
        weights = tuple(one - 0.1 * one for one in weights)
"""
)
LOCAL_NUMBER = (
    HEAD
    + """
with orchestrator.session(target=60, seed=3) as run:
    best = 0.0
    run.keep(best=best)
    for step in run.steps():
        best = max(best, random.random())
print(best)
"""
)
ENVIRONMENT = (
    HEAD
    + """
class Walk:
    def reset(self):
        self.at = 0
        return self.at
    def step(self, move):
        self.at += move
        return self.at

with orchestrator.session(target=60, seed=3) as run:
    env = Walk()
    env.reset()
    total = [0]
    run.keep(total=total)
    for step in run.steps():
        total[0] += env.step(random.choice((-1, 1, 2)))
"""
)
NOT_KEPT = (
    HEAD
    + """
import itertools
with orchestrator.session(target=60, seed=3) as run:
    run.keep(walk=itertools.count(), total=[0])
    for step in run.steps():
        pass
"""
)
FILES = (
    HEAD
    + """
with orchestrator.session(target=30, save_every=5, seed=1) as run:
    total = int((run.resume_folder / "total.txt").read_text()) if run.resume_folder else 0

    def write(folder):
        (folder / "total.txt").write_text(str(total))

    for step in run.steps(write=write):
        total += step * 3
print(total)
"""
)
OWN_LOOP = (
    HEAD
    + """
with orchestrator.session(seed=1) as run:
    state = run.keep(total=0)
    for step in range(run.start, 40):
        state.total += step + random.random()
        run.report(step + 1, total=state.total)
        if run.should_stop or step % 10 == 9:
            run.save(step + 1)
        if run.should_stop:
            break
    else:
        run.finish()
"""
)
FINISHES_BY_ITSELF = (
    HEAD
    + """
with orchestrator.session(seed=1) as run:
    state = run.keep(total=0)
    for step in run.steps(size=8):
        state.total += random.randrange(10)
        if state.total > 100:
            run.finish()
"""
)


def prove(folder: Path, text: str, *words: str, code: int) -> dict[str, object]:
    (folder / "train.py").write_text(text, encoding="utf-8")
    done = _prove(folder, "train.py", "--json", *words)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["exit_code"] == code
    return {**answer, "shown": done.stderr}


def _prove(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    done = run_python(
        ["-m", "orchestrator", "prove", *words],
        cwd=folder,
        env=script_environment(None),
        timeout_s=400,
        imported=IMPORTED_BY_COMMANDS,
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (EXACT, ()),
        (EXACT, ("--kill", "--cuts", "2")),
        (EXACT, ("--at", "1,59", "--steps", "60")),
        (FILES, ()),
        (FILES, ("--kill",)),
        (OWN_LOOP, ("--cuts", "2")),
        (FINISHES_BY_ITSELF, ("--cuts", "1")),
        (FILES.replace(", seed=1", ""), ()),
    ],
    ids=["plain", "kill", "at", "files", "files-kill", "own-loop", "finish", "no-seed"],
)
def test_exact_training_is_proven(tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    answer = prove(tmp_path, text, *words, code=0)
    assert (answer["finding"], answer["grade"], answer["first_difference"]) == ("exact", "exact", None)
    assert set(answer["parts"].values()) <= {"equal", "not used"} and answer["cuts"]
    assert not (tmp_path / ".orchestrator/alone").exists()


@pytest.mark.parametrize(
    ("text", "finding", "part", "cause"),
    [
        (UNKEPT_GENERATOR, "different", "total", "a random generator that is not kept: dice (train.py, line 4)"),
        (CLOCK, "not-reproducible", "total", "a clock, or randomness from the operating system: time.time() (train.py"),
        (SET_ORDER, "not-reproducible", "total", "the order of a set, or hash(): {'north'"),
        (REPLACED, "different", "loss", "a value that is replaced instead of filled in place"),
        (REPLACED_SILENTLY, "different", None, "rebound locally: weights"),
        (LOCAL_NUMBER, "different", "last line of the output", "rebound locally: best"),
        (EXACT.replace("seed=3, ", ""), "not-reproducible", "random generator of python", "has no seed. Give orch"),
        (ENVIRONMENT, "different", "total", "an environment or data source whose state is not kept: env (train.py"),
    ],
    ids=["generator", "clock", "set", "replaced", "replaced-silently", "number", "no-seed", "environment"],
)
def test_mistake_is_named(tmp_path: Path, text: str, finding: str, part: str | None, cause: str) -> None:
    answer = prove(tmp_path, text, code=1)
    assert (answer["finding"], answer["grade"]) == (finding, "statistical")
    first = answer["first_difference"]
    assert (first and first["part"]) == part, answer["shown"]
    assert cause in " ".join(answer["causes"]), answer["causes"]
    assert cause in answer["shown"]
    assert not list(tmp_path.glob(".orchestrator/proofs/*"))


def test_one_of_the_cuts_is_a_kill(tmp_path: Path) -> None:
    answer = prove(tmp_path, EXACT, "--kills", "1", "--at", "20,40", code=0)
    assert (answer["cuts"], answer["kills"], answer["killed"]) == ([20, 40], 1, True)
    assert "cut by a clean stop at 20 and by kill -9 after a save at 40 steps" in str(answer["shown"])


def test_first_difference_is_the_first_pass_after_the_cut(tmp_path: Path) -> None:
    answer = prove(tmp_path, UNKEPT_GENERATOR, "--at", "17,40", code=1)
    assert answer["first_difference"] == {"part": "total", "step": 18, "resumed_at": 17, "values": None}
    assert answer["parts"]["random generator of python"] == "not used" and answer["parts"]["total"] == "different"


def test_what_cannot_be_kept_is_named_and_the_grade_is_statistical(tmp_path: Path) -> None:
    answer = prove(tmp_path, NOT_KEPT, code=1)
    assert (answer["finding"], answer["grade"], answer["parts"]["walk"]) == ("not-kept", "statistical", "not kept")
    assert "walk: " in answer["causes"][0]


def test_number_that_measures_time_is_not_compared(tmp_path: Path) -> None:
    text = EXACT.replace("reward=weights[0])", "reward=weights[0], t=__import__('time').time())")
    assert prove(tmp_path, text, code=0)["not_compared"] == ["t"]


def test_cards_name_the_proof_until_the_code_changes(tmp_path: Path) -> None:
    answer = prove(tmp_path, EXACT, code=0)
    (badge,) = (tmp_path / ".orchestrator/proofs").glob("*.svg")
    assert "exact, 3 cuts in 60 steps" in badge.read_text(encoding="utf-8") and badge.name in answer["badge"]
    done = run_script(tmp_path)
    assert "Proven: resumes exactly (3 cuts in 60 steps)" in done.stderr
    card = tmp_path / ".orchestrator/alone/train/checkpoints/train_checkpoint_60_steps.json"
    proof = json.loads(card.read_text(encoding="utf-8"))["proof"]
    assert proof == {"grade": "exact", "cuts": 3, "steps": 60, "digest": answer["digest"]}
    other = run_script(tmp_path, variables={"ORCHESTRATOR_SETTINGS": '{"a": 1}', "ORCHESTRATOR_FOLDER": "other"})
    assert "no longer holds: other settings" in other.stderr
    (tmp_path / "train.py").write_text(EXACT + "# changed\n", encoding="utf-8")
    changed = run_script(tmp_path, variables={"ORCHESTRATOR_TARGET": 70})
    assert "The proof of exact resume no longer holds: train.py has changed" in changed.stderr
    newest = card.with_name("train_checkpoint_70_steps.json")
    assert "proof" not in json.loads(newest.read_text(encoding="utf-8"))


def test_changed_import_voids_the_proof(tmp_path: Path) -> None:
    (tmp_path / "gains.py").write_text("GAIN = 2\n", encoding="utf-8")
    prove(tmp_path, EXACT.replace("import random", "import random\nfrom gains import GAIN"), code=0)
    (tmp_path / "gains.py").write_text("GAIN = 3\n", encoding="utf-8")
    assert "no longer holds: gains.py has changed" in run_script(tmp_path).stderr


def test_failed_repetition_deletes_the_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = "random.gauss(0, 1) * (os.urandom(1)[0] if os.environ.get('NOISE') else 1)"
    text = "import os\n" + EXACT.replace("random.gauss(0, 1)", noise)
    prove(tmp_path, text, code=0)
    assert list(tmp_path.glob(".orchestrator/proofs/*.json"))
    monkeypatch.setenv("NOISE", "1")
    answer = prove(tmp_path, text, code=1)
    assert answer["finding"] == "not-reproducible" and not list(tmp_path.glob(".orchestrator/proofs/*.json"))


@pytest.mark.parametrize(
    ("text", "words", "code", "cause"),
    [
        ("print(1)\n", (), 2, "train.py opens no orchestrator.session()"),
        ("import orchestrator\n", (), 2, "train.py opens no orchestrator.session()"),
        ("x = 1\n", (), 2, "    with orchestrator.session(target=1000, seed=3) as run:"),
        ("from stable_baselines3 import PPO\n", (), 2, "        model = run.sb3(lambda: PPO("),
        (EXACT.replace("target=60", "target=0"), (), 2, "trained no step"),
        (EXACT.replace("target=60", "target=3"), (), 2, "too few for 3 cut(s)"),
        (EXACT, ("--steps", "2", "--cuts", "5"), 2, "too few for 5 cut(s)"),
        (EXACT, ("--at", "60"), 2, "--at 60 lies outside the training"),
        (EXACT, ("--at", "x"), 2, "--at cannot be 'x'"),
        (EXACT, ("--kills", "4"), 2, "--kills takes 0 to the number of cuts, not 4"),
        (EXACT, ("--cuts", "0"), 2, "--cuts takes 1 to 100"),
        (EXACT, ("--steps", "0"), 2, "--steps takes 1 to"),
        (EXACT, ("--limit-s", "-1"), 2, "--limit-s must be above 0"),
        (EXACT.replace("run.report(", "raise KeyError('wrong'); run.report("), (), 1, "KeyError: 'wrong'"),
        (EXACT.replace("run.report(", "import time; time.sleep(1); run.report("), ("--limit-s", "2"), 1, "within 2 s"),
        ("with (\n", (), 2, "cannot be parsed"),
        (OWN_LOOP.replace("run.should_stop or ", "").replace("if run.should_stop", "if False"), (), 2, "did not leave"),
    ],
    ids=["no-import", "no-session", "loop-lines", "sb3-lines", "no-step", "short", "steps", "at", "at-text", "kills",
         "cuts", "steps-0", "limit", "fails", "slow", "syntax", "never-leaves"],
)  # fmt: skip
def test_impossible_proof_has_a_cause(tmp_path: Path, text: str, words: tuple[str, ...], code: int, cause: str) -> None:
    (tmp_path / "train.py").write_text(text, encoding="utf-8")
    done = _prove(tmp_path, "train.py", *words)
    assert done.returncode == code, done.stderr
    assert cause in done.stderr and "internal error" not in done.stderr


def test_arguments_reach_the_script(tmp_path: Path) -> None:
    text = EXACT.replace("import random", "import random, sys\nassert sys.argv[1:] == ['--lr', '0.1'], sys.argv")
    (tmp_path / "train.py").write_text(text, encoding="utf-8")
    done = _prove(tmp_path, "train.py", "--cuts", "1", "--", "--lr", "0.1")
    assert done.returncode == 0, done.stderr


def test_missing_script_is_refused(tmp_path: Path) -> None:
    done = _prove(tmp_path, "no.py")
    assert done.returncode == 2 and "there is no script no.py" in done.stderr


def _is_gone(pid: int, patience_s: float = 20.0) -> bool:
    """Whether a process ends; one whose parent has ended may take a moment to be collected."""
    ends_s = time.monotonic() + patience_s
    while time.monotonic() < ends_s:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_ctrl_c_ends_the_script_too(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(
        EXACT.replace("weights = [0.0", "import os; open('pid', 'w').write(str(os.getpid())); weights = [0.0").replace(
            "run.report(", "import time; time.sleep(1); run.report("
        ),
        encoding="utf-8",
    )
    child = subprocess.Popen(
        [sys.executable, "-m", "orchestrator", "prove", "train.py"],
        cwd=tmp_path,
        env=script_environment(None),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    ends_s = time.monotonic() + 60
    while not ((tmp_path / "pid").exists() and (tmp_path / "pid").read_text()) and time.monotonic() < ends_s:
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 130 and "Traceback" not in err
    assert _is_gone(int((tmp_path / "pid").read_text()))


def test_names_with_spaces_accents_and_brackets(tmp_path: Path) -> None:
    folder = tmp_path / "été 2026"
    folder.mkdir()
    (folder / "mon [script].py").write_text(EXACT, encoding="utf-8")
    done = _prove(folder, "mon [script].py", "--cuts", "1", "--badge", "ma preuve.svg")
    assert done.returncode == 0, done.stderr
    assert "![resume: exact, 1 cut in 60 steps](ma%20preuve.svg)" in done.stdout
    assert (folder / "ma preuve.svg").is_file()
    assert "Proven: resumes exactly (1 cut in 60 steps)" in run_script(folder, name="mon [script].py").stderr


PROGRAM = """
import orchestrator

with orchestrator.session(target=6) as run:
    run.program(["sh", "train.sh"])
"""
SHELL = """
step=0
[ -n "$ORCHESTRATOR_RESUME_FOLDER" ] && step=$(cat "$ORCHESTRATOR_RESUME_FOLDER/step.txt")
trap 'stop=1' TERM
while [ "$step" -lt "$ORCHESTRATOR_TARGET" ]; do
    step=$((step + 1))
    mkdir "$ORCHESTRATOR_SAVE_FOLDER/part"
    echo "$step" > "$ORCHESTRATOR_SAVE_FOLDER/part/step.txt"
    mv "$ORCHESTRATOR_SAVE_FOLDER/part" "$ORCHESTRATOR_SAVE_FOLDER/$step"
    [ -n "$stop" ] && exit 75
    sleep 0.3
done
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs sh and SIGTERM")
@pytest.mark.prove
def test_program_in_another_language_is_stopped_at_the_cut(tmp_path: Path) -> None:
    (tmp_path / "train.sh").write_text(SHELL, encoding="utf-8")
    answer = prove(tmp_path, PROGRAM, "--at", "3", code=0)
    assert answer["parts"]["file step.txt"] == "equal" and len(answer["cuts"]) == 1
    killed = _prove(tmp_path, "train.py", "--at", "3", "--kill")
    assert killed.returncode == 2 and "train.py cannot be killed" in killed.stderr


HIDDEN = """
import random
dice = random.Random(5)

class Dicing(gym.Wrapper):
    def __init__(self):
        super().__init__(gym.make("CartPole-v1"))
    def step(self, action):
        seen, reward, *rest = self.env.step(action)
        return seen, reward + dice.random(), *rest
"""
SB3 = """
import gymnasium as gym
from stable_baselines3 import A2C
import orchestrator

with orchestrator.session(target=60, seed=3) as run:
    model = run.sb3(lambda: A2C("MlpPolicy", gym.make("CartPole-v1"), seed=run.seed))
    model.learn(run.remaining, callback=run.callback, reset_num_timesteps=False)
"""


@pytest.mark.prove
def test_first_difference_of_a_model_is_named_at_its_boundary(tmp_path: Path) -> None:
    text = SB3.replace('gym.make("CartPole-v1")', "Dicing()").replace("with orch", HIDDEN + "\nwith orch")
    answer = prove(tmp_path, text, "--at", "20", code=1)
    first = answer["first_difference"]
    assert isinstance(first, dict) and (first["step"], first["resumed_at"]) == (25, 20), first
    assert first["part"] == "environment of the model"


def test_model_of_stable_baselines3_is_cut_at_a_rollout(tmp_path: Path) -> None:
    answer = prove(tmp_path, SB3, "--cuts", "1", code=0)
    assert answer["cuts"] and answer["cuts"][0] % 5 == 0
    assert {"environment", "schedules", "policy.pth in the zip"} <= set(answer["parts"])
    assert set(answer["parts"].values()) == {"equal"}
