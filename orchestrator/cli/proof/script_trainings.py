"""The trainings of `prove SCRIPT`: processes of the script, each training in a fresh folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from orchestrator.cli.proof.proof_run import HASH_SEEDS, CutRequest
from orchestrator.cli.proof.script_processes import ScriptExit, ScriptProcesses
from orchestrator.core.errors import BadInput, RunFailed
from orchestrator.core.proof.ends import TrainingEnd
from orchestrator.kernel.outcome import MORE_TO_DO
from orchestrator.kernel.training import cuts as variables
from orchestrator.kernel.training import settings
from orchestrator.stores.proof.script_code import lines_to_add, no_session
from orchestrator.stores.proof.training_end import newest_card, read_end

_OUTPUTS = "outputs"
_LONG_S = str(10.0**9)


class ScriptTrainings:
    """Trains one script.

    Args:
        script: Its path.
        processes: Runs it.
        folder: An empty folder for everything that the proof writes.
        request: How to cut.
    """

    def __init__(
        self,
        script: Path,
        processes: ScriptProcesses,
        *,
        folder: Path,
        request: CutRequest,
    ) -> None:
        self._script = script
        self._processes = processes
        self._folder = folder
        self._request = request

    def straight(self, name: str, trace: tuple[int, ...]) -> TrainingEnd:
        """Train to the end in one process."""
        ended = self._process(name, {variables.TRACE_AT: variables.joined(trace)}, HASH_SEEDS[name])
        self._require_saved(ended, name)
        if ended.code != 0:
            raise self._failure(ended, "did not end in one go")
        return self._end(name, ended)

    def cut(self, planned: tuple[int, ...], trace: tuple[int, ...]) -> tuple[TrainingEnd, tuple[int, ...]]:
        """Train in as many processes as there are cuts, and one more."""
        killed = self._request.killed(planned)
        cuts: list[int] = []
        reasons: tuple[str, ...] = ()
        given = {
            variables.STOP_AT: variables.joined(planned),
            variables.TRACE_AT: variables.joined(trace),
            variables.KILL: variables.joined(killed),
        }
        for number in range(len(planned) + 1):
            is_kill = self._next_cut(planned) in killed
            ended = self._process("cut", given, HASH_SEEDS["cut"] + number)
            reasons += ended.said("Resume is")
            if ended.code == 0:
                break
            if ended.code == MORE_TO_DO and is_kill:
                raise BadInput(
                    f"{self._script.name} cannot be killed: its run.program() would go on without it",
                    remedy="Leave --kill and --kills out; the program then gets SIGTERM.",
                )
            if ended.code != MORE_TO_DO and not (is_kill and ended.was_killed):
                raise self._failure(ended, f"failed after {len(cuts)} cut(s)")
            cuts.append(self._steps("cut"))
        else:
            raise self._failure(ended, f"was not finished after {len(cuts)} cut(s)")
        if not cuts:
            raise self._not_cut(planned)
        return replace(self._end("cut", ended), reasons=tuple(dict.fromkeys(reasons))), tuple(cuts)

    def _process(self, name: str, given: Mapping[str, str], hash_seed: int) -> ScriptExit:
        folder = self._folder / name
        folder.mkdir(exist_ok=True)
        steps = self._request.steps
        return self._processes.run(
            folder,
            {
                settings.FOLDER: str(folder / "training"),
                settings.DEADLINE_S: _LONG_S,
                variables.TRACE_FILE: str(folder / "trace.jsonl"),
                "PYTHONHASHSEED": str(hash_seed),
                **({} if steps is None else {settings.TARGET: str(steps)}),
                **given,
            },
            lambda: f"{name}: {self._steps(name)} steps saved",
        )

    def _next_cut(self, planned: tuple[int, ...]) -> int | None:
        """Where the next process of the cut training ends."""
        done = self._steps("cut")
        return next((step for step in planned if step > done), None)

    def _steps(self, name: str) -> int:
        card = newest_card(self._folder / name / "training", self._script.stem)
        return 0 if card is None else card.steps

    def _end(self, name: str, ended: ScriptExit) -> TrainingEnd:
        training = self._folder / name / "training"
        return read_end(
            training,
            self._script.stem,
            results_dir=training / _OUTPUTS,
            trace=self._folder / name / "trace.jsonl",
            last_line=ended.last_line,
        )

    def _require_saved(self, ended: ScriptExit, name: str) -> None:
        """Refuse a script that ends well but leaves no checkpoint."""
        if ended.code != 0 or self._steps(name):
            return
        if not (self._folder / name / "training").exists():
            raise BadInput(no_session(self._script), remedy=lines_to_add(self._script))
        raise BadInput(
            f"{self._script.name} trained no step: its session saved nothing",
            remedy="Loop over run.steps(), or call run.save(step); a target above 0 is needed (--steps N).",
        )

    def _failure(self, ended: ScriptExit, what: str) -> RunFailed:
        return RunFailed(
            f"{self._script.name} {what}: exit code {ended.code}. The end of its output:\n{ended.tail()}",
            remedy=f"Correct it until `python {self._script.name}` trains to its end, then prove it.",
        )

    def _not_cut(self, planned: tuple[int, ...]) -> BadInput:
        return BadInput(
            f"{self._script.name} did not leave at {planned[0]} steps, so it cannot be cut",
            remedy="Loop over run.steps(); in a loop of its own: save, and leave when run.should_stop is true. "
            "A program of run.program() must save and exit with 75 after SIGTERM.",
        )
