"""The trainings of `prove SCRIPT`: straight, straight again, and cut; each in a fresh folder, with other hashes."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.cli.proof.script_processes import ScriptExit, ScriptProcesses
from orchestrator.core.errors import BadInput, RunFailed
from orchestrator.core.proof.comparison import Comparison, compare, not_reproducible, reproducible
from orchestrator.core.proof.cuts import checked_cuts, draw_cuts, trace_steps
from orchestrator.core.proof.ends import TrainingEnd
from orchestrator.kernel.outcome import MORE_TO_DO
from orchestrator.kernel.training import cuts as variables
from orchestrator.kernel.training import settings
from orchestrator.stores.proof.script_code import ScriptCode, no_session, session_lines
from orchestrator.stores.proof.training_end import newest_card, read_end

_OUTPUTS = "outputs"
_LONG_S = str(10.0**9)
_HASH_SEEDS = {"straight": 1, "again": 2, "control": 1, "cut": 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class CutRequest:
    """How a training is to be cut.

    Attributes:
        cuts: How many.
        at: Steps that the user named; empty to draw them.
        seed: Of the draw.
        kill: Cut by kill -9 instead of a clean stop.
        steps: Target of the training, None for the script's own.
    """

    cuts: int
    at: tuple[int, ...]
    seed: int
    kill: bool
    steps: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptResult:
    """A finished proof.

    Attributes:
        cuts: Steps at which the training was really cut.
    """

    comparison: Comparison
    straight: TrainingEnd
    cuts: tuple[int, ...]


class ScriptProof:
    """Runs the proof of one script.

    Args:
        script: Its path.
        code: What it consists of.
        processes: Runs it.
        folder: An empty folder for everything that the proof writes.
        request: How to cut.
        say: Prints a line.
    """

    def __init__(
        self,
        script: Path,
        code: ScriptCode,
        processes: ScriptProcesses,
        *,
        folder: Path,
        request: CutRequest,
        say: Callable[[str], None],
    ) -> None:
        self._script = script
        self._code = code
        self._processes = processes
        self._folder = folder
        self._request = request
        self._say = say

    def run(self) -> ScriptResult:
        """Train and compare.

        Raises:
            BadInput: The script opens no session, or its training cannot be cut like this.
            RunFailed: A training failed.
        """
        self._say("1 of 3: straight")
        straight = self._straight("straight", trace_steps())
        planned = self._planned(straight)
        self._say(f"2 of 3: straight again, with another order of sets ({straight.steps} steps)")
        again = self._straight("again", trace_steps(planned))
        if not reproducible(straight, again):
            self._say("They differ. Once more, with the first one's order of sets, to find the cause")
            control = self._straight("control", trace_steps())
            found = not_reproducible(straight, again, hash_order=reproducible(straight, control))
            return ScriptResult(comparison=found, straight=straight, cuts=())
        how = "kill -9 after a save" if self._request.kill else "a clean stop"
        self._say(f"3 of 3: cut by {how} at {', '.join(map(str, planned))} steps")
        cut, cuts = self._cut(planned)
        comparison = compare(straight, again, cut, cuts=cuts, assigned=self._code.assigned)
        return ScriptResult(comparison=comparison, straight=straight, cuts=cuts)

    def _planned(self, straight: TrainingEnd) -> tuple[int, ...]:
        request = self._request
        if request.at:
            return checked_cuts(request.at, straight.steps)
        draw = random.Random(request.seed).randrange
        return draw_cuts(draw, cuts=request.cuts, steps=straight.steps, pass_steps=straight.pass_steps)

    def _straight(self, name: str, trace: tuple[int, ...]) -> TrainingEnd:
        ended = self._process(name, {variables.TRACE_AT: variables.joined(trace)}, _HASH_SEEDS[name])
        self._require_saved(ended, name)
        if ended.code != 0:
            raise self._failure(ended, "did not end in one go")
        return self._end(name, ended)

    def _cut(self, planned: tuple[int, ...]) -> tuple[TrainingEnd, tuple[int, ...]]:
        """Train in as many processes as there are cuts, and one more."""
        request, cuts, reasons = self._request, [], ()
        given = {
            variables.STOP_AT: variables.joined(planned),
            variables.TRACE_AT: variables.joined(trace_steps(planned)),
            **({variables.KILL: "1"} if request.kill else {}),
        }
        for number in range(len(planned) + 1):
            ended = self._process("cut", given, _HASH_SEEDS["cut"] + number)
            reasons += ended.said("Resume is")
            if ended.code == 0:
                break
            if ended.code != MORE_TO_DO and not (request.kill and ended.was_killed):
                raise self._failure(ended, f"failed after {len(cuts)} cut(s)")
            cuts.append(self._steps("cut"))
        else:
            raise self._failure(ended, f"was not finished after {len(cuts)} cut(s)")
        if not cuts:
            raise self._not_cut(planned)
        if len(cuts) < len(planned):
            self._say(f"  It was cut {len(cuts)} time(s) only: some cuts lay between the same two boundaries")
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
            raise BadInput(no_session(self._script), remedy=session_lines())
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
