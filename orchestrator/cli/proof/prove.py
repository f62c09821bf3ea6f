"""`prove`: train straight and cut, and compare every part; for a script and for a section."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.error_boundary import print_json
from orchestrator.cli.options import AsJson

if TYPE_CHECKING:
    from orchestrator.cli.output.console import Console
    from orchestrator.cli.proof.script_proof import CutRequest, ScriptResult
    from orchestrator.core.proof.record import ProofRecord
    from orchestrator.stores.proof.script_code import ScriptCode

_Target = Annotated[str, typer.Argument(metavar="SCRIPT|SECTION", help="A script, e.g. train.py, or a section.")]
_Words = Annotated[list[str] | None, typer.Argument(metavar="[-- ARGUMENTS]", help="Arguments of the script.")]
_Cuts = Annotated[int, typer.Option("--cuts", help="Number of cuts, spread over the training.")]
_At = Annotated[str | None, typer.Option("--at", help="Cut at these steps instead, e.g. 120,340.")]
_CutSeed = Annotated[int, typer.Option("--seed", help="Seed that draws the cuts.")]
_Steps = Annotated[int | None, typer.Option("--steps", help="Train to this step only; default: the script's target.")]
_Kill = Annotated[bool, typer.Option("--kill", help="Cut by kill -9, one pass after a save, instead of a clean stop.")]
_LimitS = Annotated[float, typer.Option("--limit-s", help="Longest duration of one process, in seconds.")]
_Badge = Annotated[Path | None, typer.Option("--badge", help="Write the badge to this .svg file.")]
_Keep = Annotated[Path | None, typer.Option("--keep", help="Work in this new folder and keep it.")]


def prove(
    target: _Target,
    words: _Words = None,
    cuts: _Cuts = 3,
    at: _At = None,
    seed: _CutSeed = 0,
    steps: _Steps = None,
    kill: _Kill = False,
    limit_s: _LimitS = 3600.0,
    badge: _Badge = None,
    keep: _Keep = None,
    as_json: AsJson = False,
) -> int:
    """Train straight, straight again and cut; compare every part; exit 0 only if the resume is exact, else 1.

    A script runs as `python SCRIPT` in the current folder, three times, with fresh folders for its checkpoints.
    """
    from orchestrator.cli.output.console import Console
    from orchestrator.cli.proof.script_proof import CutRequest

    console = Console(sys.stderr if as_json else sys.stdout)
    request = CutRequest(cuts=cuts, at=_numbers(at), seed=seed, kill=kill, steps=steps)
    _check(request, limit_s)
    return _prove_script(
        Path(target), words or [], request, limit_s=limit_s, badge=badge, keep=keep, console=console, as_json=as_json
    )


def _prove_script(
    script: Path,
    words: list[str],
    request: CutRequest,
    *,
    limit_s: float,
    badge: Path | None,
    keep: Path | None,
    console: Console,
    as_json: bool,
) -> int:
    from orchestrator.cli.proof.prove_resume import proof_folder
    from orchestrator.cli.proof.script_processes import ScriptProcesses
    from orchestrator.cli.proof.script_proof import ScriptProof
    from orchestrator.core.proof.causes import causes
    from orchestrator.core.proof.presentation import lines_of
    from orchestrator.stores.proof.script_code import read_code

    command = [sys.executable, str(script), *words]
    script = _script(script)
    code = read_code(script)
    processes = ScriptProcesses(command, environ=_environment(), limit_s=limit_s, say=console.say)
    with proof_folder(keep) as folder:
        result = ScriptProof(script, code, processes, folder=folder, request=request, say=console.say).run()
    found = causes(result.comparison, code.hints)
    console.say(*lines_of(result.comparison, found, steps=result.straight.steps, cuts=result.cuts))
    record = _record(script, code, result, kill=request.kill)
    facts = _kept_record(record, result, badge, console)
    if as_json:
        print_json(
            {
                "target": script.name,
                **result.comparison.to_json(),
                "causes": list(found),
                "steps": result.straight.steps,
                "cuts": list(result.cuts),
                "killed": request.kill,
                "digest": record.digest,
                **facts,
                "exit_code": _code(result),
            }
        )
    return _code(result)


def _code(result: ScriptResult) -> int:
    from orchestrator.core.errors import EXIT_DONE, EXIT_RUN_FAILED
    from orchestrator.core.proof.comparison import Finding

    return EXIT_DONE if result.comparison.finding is Finding.EXACT else EXIT_RUN_FAILED


def _record(script: Path, code: ScriptCode, result: ScriptResult, *, kill: bool) -> ProofRecord:
    from datetime import UTC, datetime

    from orchestrator.core.proof.record import ProofRecord, iso

    return ProofRecord(
        name=script.stem,
        script=str(script),
        files=code.files,
        conditions=result.straight.conditions,
        steps=result.straight.steps,
        cuts=result.cuts,
        killed=kill,
        proved_at=iso(datetime.now(UTC)),
    )


def _kept_record(record: ProofRecord, result: ScriptResult, badge: Path | None, console: Console) -> dict[str, Any]:
    """Write the record of an exact proof, or void an earlier one of the same code; for the JSON form."""
    from orchestrator.core.errors import EXIT_DONE
    from orchestrator.core.proof.record import badge_markdown, badge_svg
    from orchestrator.kernel.training.alone import ROOT
    from orchestrator.stores.proof.records import void_record, write_record

    if _code(result) != EXIT_DONE:
        if void_record(ROOT, record.name, record.digest):
            console.say("The earlier proof of this code is void; its record is deleted.")
        return {"record": None, "badge": None}
    path, picture = write_record(ROOT, record)
    if badge is not None:
        badge.parent.mkdir(parents=True, exist_ok=True)
        badge.write_text(badge_svg(record), encoding="utf-8")
        picture = badge
    line = badge_markdown(record, picture.as_posix())
    console.say(f"Recorded in {path.as_posix()}; checkpoints of this code now name the proof.", f"Badge: {line}")
    return {"record": path.as_posix(), "badge": line}


def _script(script: Path) -> Path:
    """The script as an absolute path.

    Raises:
        BadInput: There is no such file.
    """
    from orchestrator.core.errors import BadInput

    if not script.is_file():
        raise BadInput(f"there is no script {script}", remedy="Give the path of a Python file.")
    return script.resolve()


def _environment() -> dict[str, str]:
    """The user's environment without variables of another proof or session, and with this package importable."""
    import os

    from orchestrator.kernel.training import cuts, settings

    taken = {*cuts.VARIABLES, settings.FOLDER, settings.DEADLINE_S, "PYTHONHASHSEED"}
    kept = {name: value for name, value in os.environ.items() if name not in taken}
    here = str(Path(__file__).resolve().parents[3])
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, (kept.get("PYTHONPATH"), here)))}


def _numbers(text: str | None) -> tuple[int, ...]:
    from orchestrator.core.errors import BadInput

    try:
        return tuple(int(word) for word in text.split(",")) if text else ()
    except ValueError:
        raise BadInput(f"--at cannot be {text!r}", remedy="Give steps joined by commas, e.g. --at 120,340.") from None


def _check(request: CutRequest, limit_s: float) -> None:
    """Refuse impossible numbers before anything is trained.

    Raises:
        BadInput: A number lies outside its range.
    """
    from orchestrator.core.errors import BadInput
    from orchestrator.core.proof.cuts import MOST_CUTS
    from orchestrator.kernel.training.settings import MOST_STEPS

    if not 1 <= max(request.cuts, len(request.at)) <= MOST_CUTS or request.cuts < 1:
        raise BadInput(f"--cuts takes 1 to {MOST_CUTS}", remedy="Each cut is a process of its own; 3 is usual.")
    if request.steps is not None and not 1 <= request.steps <= MOST_STEPS:
        raise BadInput(f"--steps takes 1 to {MOST_STEPS}, not {request.steps}", remedy="Give a number in that range.")
    if not 0 < limit_s < float("inf"):
        raise BadInput(f"--limit-s must be above 0, not {limit_s}", remedy="Give seconds.")
