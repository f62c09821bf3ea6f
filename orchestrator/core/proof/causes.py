"""From a comparison and the text of a script to what usually causes such a difference, and what to write instead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from orchestrator.core.proof.comparison import Comparison, Finding
from orchestrator.core.proof.hints import Hint, Suspect
from orchestrator.kernel.training.kept_state.comparison import is_generator

_MOST_SHOWN = 5
_REMEDIES: Mapping[Suspect, str] = {
    Suspect.GENERATOR: "Name it in run.keep(...).",
    Suspect.ENVIRONMENT: "Name it in run.keep(...); it needs get_state() and set_state(state) for all that it holds.",
    Suspect.OBJECT: "If it changes while it trains, name it in run.keep(...).",
    Suspect.VARIABLE: "Name it in run.keep(...); read and set a number or a text as an attribute of what keep returns.",
    Suspect.REPLACED: "Fill it in place (weights -= g), or assign to the attribute: state.weights = weights - g.",
    Suspect.CLOCK: "Use the step instead of the time, and seed every generator and environment with run.seed.",
    Suspect.HASH_ORDER: "Iterate over sorted(...) or over a dict, and use hashlib instead of hash().",
}
_UNKEPT = (Suspect.GENERATOR, Suspect.ENVIRONMENT, Suspect.VARIABLE, Suspect.OBJECT, Suspect.HASH_ORDER)
_USUAL = (Suspect.GENERATOR, Suspect.ENVIRONMENT, Suspect.VARIABLE, Suspect.REPLACED)


def causes(comparison: Comparison, hints: Sequence[Hint]) -> tuple[str, ...]:
    """One line for each cause, the likeliest first; empty if the proof found no difference."""
    if comparison.finding is Finding.EXACT:
        return ()
    if comparison.finding is Finding.NOT_REPRODUCIBLE:
        return tuple(_not_reproducible(comparison, hints))
    lines = [f"{one}" for one in comparison.lost]
    if comparison.replaced:
        lines.append(_line(Suspect.REPLACED, ", ".join(comparison.replaced)))
    if comparison.first is not None:
        lines += _suspected(hints, _UNKEPT)
    if not lines:
        lines += [*comparison.reasons] or [f"none is visible in the code. Look for {'; '.join(_USUAL)}"]
    return tuple(lines)


def _not_reproducible(comparison: Comparison, hints: Sequence[Hint]) -> Iterator[str]:
    first = comparison.first
    if first is not None and first.step == 0 and is_generator(first.part):
        library = first.part.rpartition(" of ")[2].partition(" ")[0]
        yield (
            f"the {first.part} has no seed. Give orchestrator.session(seed=...), and import {library} before it"
            if library != "python"
            else f"the {first.part} has no seed. Give orchestrator.session(seed=...)"
        )
        return
    suspect = Suspect.HASH_ORDER if comparison.hash_order else Suspect.CLOCK
    found = list(_suspected(hints, (suspect,)))
    yield from found or [_line(suspect, "")]
    if not comparison.hash_order and not found:
        yield "threads and GPU kernels can also round differently each time; see torch.use_deterministic_algorithms"


def _suspected(hints: Sequence[Hint], suspects: Sequence[Suspect]) -> Iterator[str]:
    for suspect in suspects:
        places = [str(hint) for hint in hints if hint.suspect is suspect]
        more = f" and {len(places) - _MOST_SHOWN} more" if len(places) > _MOST_SHOWN else ""
        if places:
            yield _line(suspect, ", ".join(places[:_MOST_SHOWN]) + more)


def _line(suspect: Suspect, places: str) -> str:
    return f"{suspect}{': ' if places else ''}{places}. {_REMEDIES[suspect]}"
