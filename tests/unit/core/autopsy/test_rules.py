"""Each verdict from a local session, from a Kaggle session, and from partial or damaged evidence."""

from __future__ import annotations

from collections import Counter

import pytest

from orchestrator.core.autopsy.evidence import Evidence
from orchestrator.core.autopsy.rules import RULES, autopsy
from orchestrator.core.autopsy.verdicts import ADVICE, MEANINGS
from orchestrator.core.autopsy.verdicts import AutopsyVerdict as V
from orchestrator.core.ledger.records import Stage
from orchestrator.core.session.backend_types import SessionState
from orchestrator.core.session.end_reason import EndReason
from orchestrator.kernel.wire import report_line
from tests.unit.core.autopsy.makers import (
    events,
    failed,
    found,
    kaggle,
    log,
    manifest,
    progress,
    record,
    run,
    seen,
)

CUDA_MEMORY = (
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 14 GiB"
)
NO_KERNEL = (
    "torch.AcceleratorError: CUDA error: no kernel image is available for execution on the device\n"
    "CUDA kernel errors might be asynchronously reported at some other API call.\n"
)
NOT_FINITE = (
    "orchestrator.sb3.training.soundness.NonFiniteTraining: after 90 steps the training cannot be saved: "
    "replay_buffer.rewards is not finite (1 of 100 numbers, first at [3]: nan)"
)
ENDED = {"at": "2026-11-01T12:59:59+00:00", "kind": "progress", "steps": 30}
BEGUN = {"at": "2026-11-01T12:00:00+00:00", "kind": "started"}

LOCAL: list[tuple[V, Evidence]] = [
    (V.TARGET_REACHED, found(run=run(end_reason="finished", steps_done=40), whole=True)),
    (V.PAUSED, found(session=record(end_reason="paused"), manifest=manifest("paused"))),
    (V.WALL, found(session=record(end_reason="wall_limit", observed_exit_code=-9, native="exit -9"))),
    (V.QUOTA, found(waits="the rest of this week's quota is too short for a session; the next week starts in 3.0 h")),
    (V.CAP, found(waits="all 2 slots are in use", session=record(end_reason="paused"))),
    (
        V.REFUSED,
        found(session=record(end_reason="refused"), manifest=manifest("refused", "train.py opens two trainings")),
    ),
    (
        V.GPU_UNUSABLE,
        found(session=record(end_reason="section_failed"), manifest=manifest("section_failed", failed(NO_KERNEL))),
    ),
    (
        V.DEPENDENCY_MISSING,
        found(
            session=record(end_reason="section_failed"),
            manifest=manifest("section_failed", failed("ModuleNotFoundError: No module named 'sumo_rl'")),
        ),
    ),
    (V.CHECKPOINT_MISSING, found(session=record(end_reason="carrier_missing"), manifest=manifest("carrier_missing"))),
    (V.OUT_OF_MEMORY, found(session=record(end_reason="crashed", observed_exit_code=-9, native="exit -9"))),
    (V.DISK_FULL, found(session=record(end_reason="disk_full"), manifest=manifest("disk_full"))),
    (
        V.NAN,
        found(session=record(end_reason="section_failed"), manifest=manifest("section_failed", failed(NOT_FINITE))),
    ),
    (
        V.SECTION_ERROR,
        found(
            session=record(end_reason="section_failed"),
            manifest=manifest("section_failed", failed("KeyError: 'speed'")),
        ),
    ),
    (
        V.STALE_CODE,
        found(
            session=record(end_reason="refused"),
            manifest=manifest("refused", "the code in this kernel has digest aa, the pushed code has bb"),
        ),
    ),
    (V.LOST, found(session=record(end_reason="crashed", native="vanished"))),
    (V.CANCELLED, found(session=record(end_reason="stopped", stop_asked_by="user"), manifest=manifest("stopped"))),
    (V.UNKNOWN, found(session=record(stage=Stage.SUBMITTED), seen=seen("running", SessionState.RUNNING))),
]
KAGGLE: list[tuple[V, Evidence]] = [
    (V.TARGET_REACHED, found(session=kaggle(end_reason="finished"), manifest=manifest("finished"))),
    (V.PAUSED, found(session=kaggle(stage=Stage.ENDED, native="COMPLETE"), manifest=manifest("paused"))),
    (
        V.WALL,
        found(
            session=kaggle(
                end_reason="crashed",
                native="ERROR: Your notebook was stopped because it exceeded the max allowed execution duration.",
            )
        ),
    ),
    (
        V.QUOTA,
        found(
            session=kaggle(
                end_reason="never_submitted",
                handle=None,
                problems=("Kaggle: Maximum weekly GPU quota of 30.00 hours reached.",),
            )
        ),
    ),
    (
        V.CAP,
        found(
            session=kaggle(
                end_reason="never_submitted",
                handle=None,
                problems=("Kaggle: Maximum batch GPU session count of 2 reached.",),
            )
        ),
    ),
    (
        V.REFUSED,
        found(session=kaggle(end_reason="never_submitted", problems=("Kaggle refused the push: invalid title",))),
    ),
    (
        V.GPU_UNUSABLE,
        found(
            session=kaggle(end_reason="refused"),
            manifest=manifest("refused", "the GPU failed a test computation:\nRuntimeError: no kernel image"),
        ),
    ),
    (
        V.DEPENDENCY_MISSING,
        found(
            session=kaggle(end_reason="refused"),
            manifest=manifest("refused", "sumo-rl==1.4 could not be installed from the package index:\nno network"),
        ),
    ),
    (
        V.CHECKPOINT_MISSING,
        found(
            session=kaggle(end_reason="checkpoint_unusable"),
            manifest=manifest("checkpoint_unusable", "x_checkpoint_10_steps cannot be continued: its zip is damaged"),
        ),
    ),
    (
        V.OUT_OF_MEMORY,
        found(
            session=kaggle(
                end_reason="crashed", native="ERROR: Your notebook tried to allocate more memory than is available."
            )
        ),
    ),
    (V.DISK_FULL, found(session=kaggle(end_reason="crashed", native="ERROR: Your notebook exceeded its disk quota"))),
    (
        V.NAN,
        found(
            session=kaggle(end_reason="checkpoint_unusable"),
            manifest=manifest("checkpoint_unusable", "x_10_steps cannot be resumed: policy.w is not finite (nan)"),
        ),
    ),
    (
        V.SECTION_ERROR,
        found(session=kaggle(end_reason="crashed", native="ERROR"), log=log(progress(10), "ValueError: bad shape")),
    ),
    (
        V.STALE_CODE,
        found(
            session=kaggle(end_reason="stale_results", problems=("bundle_digest is 'aa', pushed was 'bb'",)),
            manifest=manifest("finished"),
        ),
    ),
    (V.LOST, found(session=kaggle(end_reason="crashed", native="gone: never run"))),
    (V.CANCELLED, found(session=kaggle(end_reason="crashed", native="CANCEL_ACKNOWLEDGED"))),
    (V.UNKNOWN, found(session=kaggle(end_reason="crashed", native="ERROR"))),
]
PARTIAL: list[tuple[V, Evidence]] = [
    (V.TARGET_REACHED, found(manifest_fault="cut off", events=events({"kind": "ending", "end_reason": "finished"}))),
    (V.PAUSED, found(log=log(progress(10), report_line("ending", end_reason="paused")))),
    (V.WALL, found(session=record(end_reason="crashed", observed_exit_code=137), events=events(BEGUN, ENDED))),
    (V.QUOTA, found(refusal="12 minutes of the weekly GPU quota are left (29.8 of 30.0 h used)")),
    (V.CAP, found(session=kaggle(end_reason="never_submitted", problems=("maximum CPU session count of 5",)))),
    (V.REFUSED, found(refusal="DQN.batch_size must be at least 1")),
    (V.GPU_UNUSABLE, found(log=log("RuntimeError: Found no NVIDIA driver on your system. Please check"))),
    (V.DEPENDENCY_MISSING, found(log=log(progress(3), "train.sh: line 2: sumo: command not found"))),
    (V.CHECKPOINT_MISSING, found(run=run(end_reason="emptied"), whole=True)),
    (V.OUT_OF_MEMORY, found(log=log(progress(10), "Killed"))),
    (V.DISK_FULL, found(log=log("OSError: [Errno 28] Aucun espace disponible sur le périphérique: '/kaggle/x'"))),
    (
        V.NAN,
        found(
            manifest_fault="not JSON",
            events=events(
                {"kind": "said", "text": failed("ValueError: cannot convert float NaN to integer")},
                {"kind": "ending", "end_reason": "section_failed"},
            ),
        ),
    ),
    (V.SECTION_ERROR, found(session=record(end_reason="crashed", observed_exit_code=3))),
    (V.STALE_CODE, found(run=run(end_reason="finished", code_digest="c" * 64), whole=True, stale=True)),
    (V.LOST, found(session=kaggle(end_reason="crashed", native="COMPLETE"), manifest_fault="not a manifest")),
    (V.CANCELLED, found(rule="stop.plateau", run=run(end_reason="paused"), whole=True)),
    (V.UNKNOWN, found(manifest_fault="cut off", unread=("the ledger cannot be read: not a database",))),
]
ALL = [*LOCAL, *KAGGLE, *PARTIAL]


@pytest.mark.parametrize(("verdict", "evidence"), ALL, ids=[f"{n}-{v}" for n, (v, _) in enumerate(ALL)])
def test_each_verdict_from_each_kind_of_evidence(verdict: V, evidence: Evidence) -> None:
    examined = autopsy(evidence)
    assert examined.verdict is verdict, examined
    assert examined.evidence and all(one.source and one.text for one in examined.evidence)
    assert examined.command.startswith("python -m orchestrator ") and "{" not in examined.command
    assert examined.sentence.startswith(f"{verdict.words}: ") and "\n" not in examined.sentence


def test_every_verdict_has_three_evidences_a_meaning_and_an_advice() -> None:
    assert set(Counter(verdict for verdict, _ in ALL).values()) == {3}
    assert set(MEANINGS) == set(ADVICE) == set(V) == {verdict for verdict, _ in ALL}


def test_every_rule_decides_in_some_case() -> None:
    silent = found(session=kaggle(end_reason="crashed", native="ERROR"), events=events(BEGUN, ENDED))
    assert autopsy(silent).verdict is V.WALL
    used = {autopsy(evidence).rule for evidence in (silent, *(one for _, one in ALL))}
    assert {rule.__name__ for rule in RULES} <= used


@pytest.mark.parametrize("reason", list(EndReason))
def test_every_end_reason_has_a_verdict(reason: EndReason) -> None:
    verdict = autopsy(found(session=record(end_reason=reason.value))).verdict
    expected_unknown = reason is EndReason.CRASHED
    assert (verdict is V.UNKNOWN) is expected_unknown


TALK = "CUDA out of memory. MemoryError: No space left on device. ModuleNotFoundError: nan"


@pytest.mark.parametrize(
    ("evidence", "verdict"),
    [
        (found(session=record(end_reason="finished"), manifest=manifest("finished"), log=log(TALK)), V.TARGET_REACHED),
        (found(manifest=manifest("paused"), log=log(CUDA_MEMORY)), V.PAUSED),
        (
            found(
                session=record(end_reason="section_failed"),
                manifest=manifest("section_failed", failed("KeyError: 'x'")),
                log=log(CUDA_MEMORY, "KeyError: 'x'"),
            ),
            V.SECTION_ERROR,
        ),
        (
            found(manifest=manifest("section_failed", failed("ValueError: the queue is out of memory slots"))),
            V.SECTION_ERROR,
        ),
        (
            found(
                manifest=manifest("section_failed", failed("RuntimeError: CUDA error: device-side assert triggered"))
            ),
            V.SECTION_ERROR,
        ),
        (found(session=record(end_reason="crashed", native="ERROR"), log=log(CUDA_MEMORY, progress(20))), V.UNKNOWN),
        (
            found(session=record(end_reason="crashed", native="vanished"), log=log("Episode 3: Killed 5 enemies")),
            V.LOST,
        ),
        (found(session=record(end_reason="crashed"), log=log(f"the agent said: {TALK}")), V.UNKNOWN),
        (
            found(session=record(end_reason="section_failed"), manifest=manifest("finished", nonce="f" * 32)),
            V.SECTION_ERROR,
        ),
        (
            found(session=record(end_reason="crashed", observed_exit_code=-11), manifest=manifest("finished")),
            V.SECTION_ERROR,
        ),
        (found(session=record(end_reason="finished", stop_asked_by="user")), V.TARGET_REACHED),
        (
            found(
                session=record(end_reason="section_failed", stop_asked_by="search"),
                manifest=manifest("section_failed", failed("KeyError: 'x'")),
            ),
            V.SECTION_ERROR,
        ),
    ],
)
def test_words_in_a_log_never_overrule_what_the_structure_says(evidence: Evidence, verdict: V) -> None:
    assert autopsy(evidence).verdict is verdict


def test_a_wrapped_exception_is_judged_by_its_direct_cause() -> None:
    text = failed("RuntimeError: the training failed", CUDA_MEMORY)
    examined = autopsy(found(manifest=manifest("section_failed", text)))
    assert (examined.verdict, examined.detail) == (V.OUT_OF_MEMORY, "the memory of the GPU was used up")


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        (-9, V.OUT_OF_MEMORY),
        (137, V.OUT_OF_MEMORY),
        (143, V.CANCELLED),
        (-2, V.CANCELLED),
        (-11, V.SECTION_ERROR),
        (139, V.SECTION_ERROR),
        (28, V.DISK_FULL),
        (153, V.DISK_FULL),
        (152, V.WALL),
        (0xC0000005, V.SECTION_ERROR),
        (0xC0000017 - 2**32, V.OUT_OF_MEMORY),
        (0xC0000135, V.DEPENDENCY_MISSING),
        (1, V.SECTION_ERROR),
        (75, V.SECTION_ERROR),
    ],
)
def test_the_exit_code_of_a_process_without_a_manifest(code: int, verdict: V) -> None:
    examined = autopsy(found(session=record(end_reason="crashed", observed_exit_code=code)))
    assert examined.verdict is verdict and str(code) in examined.evidence[0].text


def test_what_a_child_process_printed_is_the_reason_of_its_exit_code() -> None:
    message = "subprocess.CalledProcessError: Command '['./train.sh']' returned non-zero exit status 1."
    lines = log(progress(10), "RuntimeError: CUDA out of memory. Tried to allocate", "exit", message)
    for error in (failed(message), "train.py ended with exit code 1\n"):
        examined = autopsy(found(manifest=manifest("section_failed", error), log=lines))
        assert examined.verdict is V.OUT_OF_MEMORY
    silent = autopsy(found(manifest=manifest("section_failed", failed(message)), log=log(message)))
    assert silent.verdict is V.SECTION_ERROR and message in silent.sentence


def test_an_abort_is_explained_by_the_log_and_a_kill_is_not() -> None:
    lines = log("terminate called after throwing an instance of 'std::bad_alloc'", "Aborted (core dumped)")
    assert autopsy(found(session=record(end_reason="crashed", exit_code=-6), log=lines)).verdict is V.OUT_OF_MEMORY
    optional = log("ModuleNotFoundError: No module named 'triton'")
    assert autopsy(found(session=record(end_reason="crashed", exit_code=-9), log=optional)).verdict is V.OUT_OF_MEMORY


def test_memory_of_gpu_and_host_are_different() -> None:
    gpu = autopsy(found(manifest=manifest("section_failed", failed(CUDA_MEMORY)))).sentence
    host = autopsy(found(manifest=manifest("section_failed", failed("MemoryError")))).sentence
    assert "of the GPU" in gpu and "GPU" not in host


def test_the_missing_library_is_named() -> None:
    text = failed("ModuleNotFoundError: No module named 'sumo_rl.environment'")
    assert (
        autopsy(found(manifest=manifest("section_failed", text))).sentence
        == "dependency missing: no sumo_rl.environment"
    )


def test_an_invalid_result_is_said_to_be_invalid() -> None:
    reached = manifest("finished", verdict="invalid", verdict_reasons=("the policy is constant",))
    examined = autopsy(found(run=run(end_reason="finished", verdict="invalid"), whole=True, manifest=reached))
    assert "its result is invalid; the policy is constant" in examined.sentence
    assert "--fresh" in examined.advice


def test_a_stuck_run_that_paused_is_advised_to_raise_its_deadline() -> None:
    examined = autopsy(found(run=run(end_reason="stuck"), session=record(end_reason="paused"), whole=True))
    assert examined.verdict is V.PAUSED and "raise deadline_s" in examined.advice
    assert "stuck at 10 steps after 3 session(s)" in examined.evidence[-1].text


def test_a_damaged_and_a_foreign_manifest_are_named_beside_the_verdict() -> None:
    damaged = autopsy(found(session=record(end_reason="crashed"), manifest_fault="cut off"))
    foreign = autopsy(found(session=record(end_reason="crashed"), manifest=manifest("finished", nonce="f" * 32)))
    assert any("cut off" in one.text for one in damaged.evidence)
    assert any("another session wrote it" in one.text for one in foreign.evidence)


@pytest.mark.parametrize(
    ("end_reason", "asked_by", "command"), [("stopped", "user", "run by hand"), ("section_failed", None, "the tick")]
)
def test_a_trial_that_its_campaign_gave_up_continues_by_hand_unless_its_code_is_to_correct(
    end_reason: str, asked_by: str | None, command: str
) -> None:
    ended = found(
        session=record(end_reason=end_reason, stop_asked_by=asked_by),
        manifest=manifest(end_reason, failed("ValueError: a fault") if asked_by is None else None),
        again="the tick",
        by_hand="run by hand",
    )
    assert autopsy(ended).command == command


@pytest.mark.parametrize(("kernel", "verdict"), [("k", V.OUT_OF_MEMORY), (None, V.UNKNOWN)])
def test_a_killed_session_of_a_pack_is_known_by_its_last_line_in_the_packs_log(kernel: str | None, verdict: V) -> None:
    killed = found(
        session=kaggle(end_reason="crashed", native="ERROR", kernel=kernel),
        log=log(progress(100), "The session ended with exit code 137 and without a manifest."),
    )
    result = autopsy(killed)
    assert result.verdict is verdict
    assert len(set(result.evidence)) == len(result.evidence)


@pytest.mark.parametrize(
    ("stage", "finished", "uncollected"),
    [
        (Stage.SUBMITTED, True, True),
        (Stage.SUBMITTED, False, False),
        (Stage.ENDED, True, True),
        (Stage.FETCHED, True, True),
        (Stage.JUDGED, True, True),
        (Stage.CLOSED, True, False),
    ],
)
def test_the_next_command_after_a_session_that_is_not_collected_collects_it(
    stage: Stage, finished: bool, uncollected: bool
) -> None:
    one = found(session=record(stage=stage), manifest=manifest("finished") if finished else None)
    result = autopsy(one)
    assert ("not collected yet" in result.advice) is uncollected
    assert result.command == (one.again if uncollected or not finished else "python -m orchestrator report toy")


def test_a_run_whose_end_is_not_recorded_is_not_said_to_be_over() -> None:
    reached = {"session": record(end_reason="finished"), "whole": True}
    assert autopsy(found(run=run(), **reached)).command == found().again
    assert autopsy(found(run=run(end_reason="finished"), **reached)).command.endswith("report toy")


@pytest.mark.parametrize(
    ("steps", "target", "sentence"),
    [
        (40, 40, "target reached: the training reached its target"),
        (48, 40, "target reached: the training reached its target"),
        (30, 40, "finished: its section declared the training finished"),
        (30, None, "finished: its section declared the training finished"),
        (0, None, "finished: it ran to its end"),
    ],
)
def test_a_good_end_names_a_target_only_if_there_is_one_and_it_was_reached(
    steps: int, target: int | None, sentence: str
) -> None:
    of_run = autopsy(found(run=run(end_reason="finished", steps_done=steps, target_steps=target), whole=True))
    assert (of_run.verdict, of_run.sentence) == (V.TARGET_REACHED, sentence)
    (quote,) = of_run.evidence
    assert ("steps" in quote.text) is (steps > 0)
