"""Each failure of Slurm's commands becomes the error that the loop understands, with Slurm's own sentence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.backends.slurm.commands import Slurm
from orchestrator.backends.slurm.here import Here
from orchestrator.backends.slurm.listing import Job
from orchestrator.backends.slurm.login_node import Answer
from orchestrator.core.errors import BadInput, NotYet, OrchestratorError, OutcomeUnknown, RemoteUnavailable
from tests.doubles.slurm_commands import MemorySlurm, Row

SCRIPT = "#!/bin/bash\n#SBATCH --job-name=s\n#SBATCH --comment=orchestrator:1\n"
_FAILED = "sbatch: error: Batch job submission failed: "
_POLICY = f"{_FAILED}Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)\n"


FAILED = Job(number=7, state="FAILED", reason="", name="s", comment="")


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "batch.sh"
    path.write_text(SCRIPT)
    return path


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        # Recorded from Slurm 22.05.8.
        (f"sbatch: error: invalid partition specified: nope\n{_FAILED}Invalid partition name specified\n", BadInput),
        ("sbatch: error: Invalid generic resource (gres) specification\n", BadInput),
        (
            "sbatch: error: Memory specification can not be satisfied\n"
            f"{_FAILED}Requested node configuration is not available\n",
            BadInput,
        ),
        ("sbatch: error: Invalid --time specification\n", BadInput),
        (f"{_FAILED}Unable to contact slurm controller (connect failure)\n", NotYet),
        (
            "sbatch: error: Munge encode failed: Failed to access socket: No such file (Did you start munged?)\n"
            f"{_FAILED}Protocol authentication error\n",
            NotYet,
        ),
        # From the sources of Slurm: slurm_errno.c, and the reasons that a limit prints above the general sentence.
        (f"{_FAILED}Invalid account or account/partition combination specified\n", BadInput),
        (f"{_FAILED}Invalid qos specification\n", BadInput),
        (f"sbatch: error: QOSMaxSubmitJobPerUserLimit\n{_POLICY}", NotYet),
        (f"sbatch: error: AssocMaxSubmitJobLimit\n{_POLICY}", NotYet),
        (f"sbatch: error: AssocGrpSubmitJobsLimit\n{_POLICY}", NotYet),
        (f"sbatch: error: QOSMaxWallDurationPerJobLimit\n{_POLICY}", BadInput),
        (f"sbatch: error: QOSMaxCpuPerJobLimit\n{_POLICY}", BadInput),
        (f"{_FAILED}Slurm temporarily unable to accept job, sleeping and retrying\n", NotYet),
        (f"{_FAILED}Required partition not available (inactive or drain)\n", NotYet),
        (f"{_FAILED}Socket timed out on send/recv operation\n", OutcomeUnknown),
        (f"{_FAILED}Zero Bytes were transmitted or received\n", OutcomeUnknown),
    ],
)
def test_refusals(script: Path, refusal: str, kind: type[OrchestratorError]) -> None:
    with pytest.raises(OrchestratorError) as caught:
        Slurm(MemorySlurm(refusal=refusal)).submit(script, {})
    assert type(caught.value) is kind
    assert refusal.splitlines()[-1].removeprefix("sbatch: error: ") in str(caught.value)
    assert "sbatch: error" not in str(caught.value) and caught.value.remedy


def test_a_submit_without_answer_may_have_happened(script: Path) -> None:
    memory = MemorySlurm(silent=frozenset({"sbatch"}))
    with pytest.raises(OutcomeUnknown, match="no answer within"):
        Slurm(memory).submit(script, {})
    assert len(memory.jobs) == 1


@pytest.mark.parametrize("answer", ["", "Submitted", "12 34"])
def test_an_answer_without_a_number_is_no_answer(script: Path, answer: str) -> None:
    with pytest.raises(OutcomeUnknown, match="instead of a job's number"):
        Slurm(lambda *_: Answer(code=0, out=answer, err="")).submit(script, {})


def test_a_number_with_its_cluster(script: Path) -> None:
    text = "sbatch: a notice of the site\n4711;north\n"
    assert Slurm(lambda *_: Answer(code=0, out=text, err="")).submit(script, {}) == 4711


@pytest.mark.parametrize("tool", ["sbatch", "squeue", "scontrol", "scancel"])
def test_a_missing_command_is_named_with_the_remedy(script: Path, tool: str) -> None:
    slurm = Slurm(MemorySlurm(absent=frozenset({tool})))
    acts = {
        "sbatch": lambda: slurm.submit(script, {}),
        "squeue": lambda: slurm.jobs("s"),
        "scontrol": slurm.ping,
        "scancel": lambda: slurm.terminate(1),
    }
    with pytest.raises(RemoteUnavailable, match=f"has no Slurm: {tool} was not found") as caught:
        acts[tool]()
    assert "login node" in caught.value.remedy and not caught.value.transient


def test_queries_without_a_controller_may_be_repeated() -> None:
    slurm = Slurm(MemorySlurm(down=True))
    for act in (lambda: slurm.jobs("s"), lambda: slurm.exit_code(FAILED), slurm.ping, lambda: slurm.terminate(1)):
        with pytest.raises(RemoteUnavailable, match="Unable to contact") as caught:
            act()
        assert caught.value.transient and "scontrol ping" in caught.value.remedy
    with pytest.raises(RemoteUnavailable, match="no answer within 60 s"):
        Slurm(MemorySlurm(silent=frozenset({"squeue"}))).jobs("s")


def test_rows_of_the_queue() -> None:
    memory = MemorySlurm(
        {7: Row("s", "orchestrator:1", "RUNNING"), 8: Row("other", ""), 9: Row("s", "a|b", "PENDING", "")}
    )
    assert Slurm(memory).jobs("s") == [
        Job(number=7, state="RUNNING", reason="None", name="s", comment="orchestrator:1"),
        Job(number=9, state="PENDING", reason="", name="s", comment="a|b"),
    ]


def test_exit_codes() -> None:
    memory = MemorySlurm({7: Row("s", "", "FAILED", exit_code="3:0")})
    assert Slurm(memory).exit_code(FAILED) == (3, 0)
    assert Slurm(memory).exit_code(replace(FAILED, number=77)) is None
    assert Slurm(memory).exit_code(replace(FAILED, state="COMPLETED", number=77)) == (0, 0)


def test_secrets_and_settings_of_the_shell_reach_no_job(script: Path, tmp_path: Path) -> None:
    memory = MemorySlurm()
    shell = {
        **{"PATH": "/bin", "SLURM_CONF": "/etc/slurm.conf", "OMP_NUM_THREADS": "1"},
        **{"KAGGLE_KEY": "s", "MY_TOKEN": "s", "DB_URL": "postgres://a:s@host/x"},
        **{"SBATCH_TIMELIMIT": "5", "SBATCH_ACCOUNT": "mine", "SBATCH_PARTITION": "theirs", "SLURM_JOB_ID": "3"},
        **{"SQUEUE_USERS": "x", "SLURM_CPUS_PER_TASK": "2"},
    }
    slurm = Slurm(memory)
    slurm.submit(script, {"partition": "ours"})
    slurm.jobs("s")
    here = Here(tmp_path, shell)
    kept = {"PATH", "SLURM_CONF", "OMP_NUM_THREADS"}
    assert here.environment(memory.seen[0][1]).keys() == kept | {"SBATCH_ACCOUNT"}
    assert here.environment(memory.seen[1][1]).keys() == kept
