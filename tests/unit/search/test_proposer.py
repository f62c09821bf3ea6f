"""Proposals and prunings by Optuna are pure functions of the search and of the known results."""

from __future__ import annotations

import itertools
import subprocess
import sys

import pytest

from orchestrator.core.campaign.search_config import Pruner, Range, Search
from orchestrator.core.search.proposals import Batch, Outcome, Point, ProposalResult, cell_of
from orchestrator.ports import Proposer
from orchestrator.search.proposer import OptunaProposer

SPACE: dict[str, Range | list[bool | int | float | str | list[bool | int | float | str]]] = {
    "rate": Range(low=1e-4, high=1e-2, log=True),
    "gamma": [0.95, 0.97, 0.99],
    "layers": [[64, 64], [128, 128]],
    "n_steps": Range(low=32, high=256, step=32),
    "share": Range(low=0.1, high=0.5, step=0.1),
}
RUNGS = 8


def search(**traits: object) -> Search:
    plain: dict[str, object] = {"space": SPACE, "trials": 12, "batch": 4, "startup_trials": 4, "seed": 3, **traits}
    return Search(**plain)  # type: ignore[arg-type]  # keyword arguments of several types


def score_of(point: Point) -> float:
    return -abs(float(dict(point).get("rate", 1e-3)) - 2e-3)


def rungs_of(point: Point) -> tuple[float, ...]:
    return tuple(score_of(point) - 1e-3 / rung for rung in range(1, RUNGS + 1))


def batch_of(proposer: Proposer, known_batches: list[Batch], size: int, sign: float = 1.0) -> Batch:
    """The next batch of proposals with its results."""
    made, number = [], sum(map(len, known_batches))
    for place, point in enumerate(proposer.next_batch(known_batches, size)):
        pruned_rung = proposer.pruned_at(known_batches, number + place, point, rungs_of(point))
        outcome = Outcome.COMPLETE if pruned_rung is None else Outcome.PRUNED
        value = sign * score_of(point) if pruned_rung is None else None
        made.append(ProposalResult(point=point, outcome=outcome, value=value, rungs=rungs_of(point)))
    return tuple(made)


def run_search(settings: Search, size: int = 4) -> list[Batch]:
    proposer, known_batches = OptunaProposer(settings, RUNGS), list[Batch]()
    while batch := batch_of(proposer, known_batches, size):
        known_batches.append(batch)
    return known_batches


@pytest.mark.parametrize("pruner", ["none", "median", "halving", "hyperband"])
@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_new_proposer_gives_the_same_proposals_and_prunings(sampler: str, pruner: str) -> None:
    settings = search(sampler=sampler, pruner=pruner, startup_trials=4 if sampler == "tpe" else None)
    known_batches = run_search(settings)
    assert sum(map(len, known_batches)) == 12
    for known, batch in enumerate(known_batches):  # a new proposer for each batch
        assert batch_of(OptunaProposer(settings, RUNGS), known_batches[:known], 4) == batch
    outcomes = [one.outcome for batch in known_batches for one in batch]
    assert (Outcome.PRUNED in outcomes) == (pruner != "none") and Outcome.COMPLETE in outcomes
    assert {one.outcome for one in known_batches[0]} == {
        Outcome.COMPLETE
    }  # the first batch has no results to compare with


def test_proposals_are_in_the_space_and_have_few_digits() -> None:
    for one in itertools.chain(*run_search(search(trials=40))):
        cell = cell_of(search(), one.point)
        assert 1e-4 <= float(str(cell["rate"])) <= 1e-2 and len(f"{cell['rate']:g}".lstrip("0.").split("e")[0]) <= 5
        assert cell["gamma"] in (0.95, 0.97, 0.99) and cell["layers"] in ([64, 64], [128, 128])
        assert isinstance(cell["n_steps"], int) and cell["n_steps"] % 32 == 0
        assert cell["share"] in (0.1, 0.2, 0.3, 0.4, 0.5)


def test_the_second_batch_depends_on_the_first_results_for_tpe_and_not_for_random() -> None:
    for sampler, startup, depends in (("tpe", 4, True), ("random", None, False)):
        proposer = OptunaProposer(search(sampler=sampler, startup_trials=startup), RUNGS)
        first = batch_of(proposer, [], 4)
        with_opposite_scores = batch_of(proposer, [], 4, sign=-1.0)
        assert [one.point for one in first] == [one.point for one in with_opposite_scores]
        answers = {proposer.next_batch([known], 4) for known in (first, with_opposite_scores)}
        assert (len(answers) == 2) is depends


def test_another_seed_gives_other_proposals() -> None:
    assert run_search(search(seed=4))[0] != run_search(search())[0]


@pytest.mark.parametrize("sampler", ["tpe", "random", "grid"])
def test_more_trials_keep_the_earlier_proposals(sampler: str) -> None:
    traits = {"sampler": sampler, "startup_trials": 4 if sampler == "tpe" else None}
    if sampler == "grid":
        traits["space"] = {key: SPACE[key] for key in ("gamma", "n_steps")}
    few, many = (list(itertools.chain(*run_search(search(trials=count, **traits)))) for count in (10, 17))
    assert len(few) == 10 and len(many) == 17 and [one.point for one in many[:10]] == [one.point for one in few]


def test_a_grid_proposes_each_cell_once_and_ends() -> None:
    space = {"gamma": [0.95, 0.97, 0.99], "n_steps": Range(low=1, high=4), "share": Range(low=0.1, high=0.3, step=0.1)}
    settings = Search(space=space, sampler="grid", seed=1)  # type: ignore[arg-type]  # a space of plain values
    proposer = OptunaProposer(settings, RUNGS)
    whole = proposer.next_batch([], settings.most)
    assert settings.most == len(whole) == len(set(whole)) == 36
    known_batches: list[Batch] = [tuple(ProposalResult(point=point, outcome=Outcome.FAILED) for point in whole)]
    assert proposer.next_batch(known_batches, 4) == ()
    by_fours = [proposer.next_batch([known_batches[0][:known]], 4) for known in range(0, 36, 4)]
    assert tuple(itertools.chain(*by_fours)) == whole


@pytest.mark.parametrize("pruner", ["median", "halving", "hyperband"])
def test_a_pruning_depends_only_on_earlier_batches_and_on_its_own_rung(pruner: str) -> None:
    settings = search(sampler="random", startup_trials=None, trials=24, pruner=pruner)
    known_batches = run_search(settings)
    before, last = known_batches[:-1], known_batches[-1]
    number = sum(map(len, before))
    pruned = 0
    for place, one in enumerate(last):
        proposer = OptunaProposer(settings, RUNGS)
        pruned_rung = proposer.pruned_at(before, number + place, one.point, one.rungs)
        for reached in range(RUNGS + 1):  # known from the pruned rung on, and the same for all later ones
            early = proposer.pruned_at(before, number + place, one.point, one.rungs[:reached])
            assert early == (pruned_rung if pruned_rung is not None and reached >= pruned_rung else None)
        pruned += pruned_rung is not None
    assert pruned


def test_halving_prunes_from_its_least_rung_and_median_after_its_warmup() -> None:
    for pruner, first in ((Pruner(kind="halving", least_rungs=2), 2), (Pruner(kind="median", warmup_rungs=4), 5)):
        known_batches = run_search(search(sampler="random", startup_trials=None, trials=24, pruner=pruner))
        proposer = OptunaProposer(search(sampler="random", startup_trials=None, trials=24, pruner=pruner), RUNGS)
        points = [(number, one) for number, one in enumerate(itertools.chain(*known_batches))]
        found = {
            proposer.pruned_at(known_batches[: number // 4], number, one.point, one.rungs) for number, one in points
        }
        assert min(rung for rung in found if rung is not None) == first


def test_only_a_search_needs_optuna_and_without_it_the_remedy_is_given() -> None:
    code = (
        "import sys; sys.modules['optuna'] = None\n"
        "from orchestrator.core.errors import BadInput\n"
        "from orchestrator.wiring.searches import proposer_of\n"
        "import orchestrator.cli.main\n"
        "try:\n    proposer_of()\n"
        "except BadInput as fault:\n    print(fault.exit_code, fault.remedy)\n"
    )
    known_batches = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert known_batches.stdout.strip() == "2 python -m pip install 'optuna>=5'"


def test_optuna_prints_nothing() -> None:
    code = (
        "import warnings; warnings.simplefilter('error')\n"
        "from orchestrator.core.campaign.search_config import Range, Search\n"
        "from orchestrator.search.proposer import OptunaProposer\n"
        "space = {'a': Range(low=0.0, high=1.0)}\n"
        "wanted = Search(space=space, trials=4, batch=4, startup_trials=1, pruner='hyperband')\n"
        "assert len(OptunaProposer(wanted, 3).next_batch([], 4)) == 4\n"
    )
    known_batches = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (known_batches.returncode, known_batches.stdout, known_batches.stderr) == (0, "", "")
