"""Proposals and prunings by Optuna: pure functions of the file and of what is known."""

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
    return Search(**plain)  # type: ignore[arg-type]


def worth(point: Point) -> float:
    return -abs(float(dict(point).get("rate", 1e-3)) - 2e-3)


def ladder(point: Point) -> tuple[float, ...]:
    return tuple(worth(point) - 1e-3 / rung for rung in range(1, RUNGS + 1))


def batch_of(proposer: Proposer, told: list[Batch], size: int, sign: float = 1.0) -> Batch:
    """The next batch, and what became of it."""
    made, number = [], sum(map(len, told))
    for place, point in enumerate(proposer.next_batch(told, size)):
        at = proposer.pruned_at(told, number + place, point, ladder(point))
        outcome = Outcome.COMPLETE if at is None else Outcome.PRUNED
        value = sign * worth(point) if at is None else None
        made.append(ProposalResult(point=point, outcome=outcome, value=value, rungs=ladder(point)))
    return tuple(made)


def through(wanted: Search, size: int = 4) -> list[Batch]:
    proposer, told = OptunaProposer(wanted, RUNGS), list[Batch]()
    while batch := batch_of(proposer, told, size):
        told.append(batch)
    return told


@pytest.mark.parametrize("pruner", ["none", "median", "halving", "hyperband"])
@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_program_that_remembers_nothing_gives_the_same_answers(sampler: str, pruner: str) -> None:
    wanted = search(sampler=sampler, pruner=pruner, startup_trials=4 if sampler == "tpe" else None)
    told = through(wanted)
    assert sum(map(len, told)) == 12
    for known, batch in enumerate(told):  # each by a program of its own
        assert batch_of(OptunaProposer(wanted, RUNGS), told[:known], 4) == batch
    outcomes = [one.outcome for batch in told for one in batch]
    assert (Outcome.PRUNED in outcomes) == (pruner != "none") and Outcome.COMPLETE in outcomes
    assert {one.outcome for one in told[0]} == {Outcome.COMPLETE}  # nothing came before it


def test_proposals_lie_in_the_space_and_have_few_digits() -> None:
    for one in itertools.chain(*through(search(trials=40))):
        cell = cell_of(search(), one.point)
        assert 1e-4 <= float(str(cell["rate"])) <= 1e-2 and len(f"{cell['rate']:g}".lstrip("0.").split("e")[0]) <= 5
        assert cell["gamma"] in (0.95, 0.97, 0.99) and cell["layers"] in ([64, 64], [128, 128])
        assert isinstance(cell["n_steps"], int) and cell["n_steps"] % 32 == 0
        assert cell["share"] in (0.1, 0.2, 0.3, 0.4, 0.5)


def test_the_second_batch_of_tpe_depends_on_what_the_first_came_to_and_that_of_random_does_not() -> None:
    for sampler, startup, depends in (("tpe", 4, True), ("random", None, False)):
        proposer = OptunaProposer(search(sampler=sampler, startup_trials=startup), RUNGS)
        first = batch_of(proposer, [], 4)
        turned = batch_of(proposer, [], 4, sign=-1.0)
        assert [one.point for one in first] == [one.point for one in turned]
        answers = {proposer.next_batch([known], 4) for known in (first, turned)}
        assert (len(answers) == 2) is depends


def test_another_seed_is_another_search() -> None:
    assert through(search(seed=4))[0] != through(search())[0]


@pytest.mark.parametrize("sampler", ["tpe", "random", "grid"])
def test_more_trials_change_none_that_were_proposed(sampler: str) -> None:
    traits = {"sampler": sampler, "startup_trials": 4 if sampler == "tpe" else None}
    if sampler == "grid":
        traits["space"] = {key: SPACE[key] for key in ("gamma", "n_steps")}
    few, many = (list(itertools.chain(*through(search(trials=count, **traits)))) for count in (10, 17))
    assert len(few) == 10 and len(many) == 17 and [one.point for one in many[:10]] == [one.point for one in few]


def test_a_grid_covers_each_cell_once_and_ends() -> None:
    space = {"gamma": [0.95, 0.97, 0.99], "n_steps": Range(low=1, high=4), "share": Range(low=0.1, high=0.3, step=0.1)}
    wanted = Search(space=space, sampler="grid", seed=1)  # type: ignore[arg-type]
    proposer = OptunaProposer(wanted, RUNGS)
    whole = proposer.next_batch([], wanted.most)
    assert wanted.most == len(whole) == len(set(whole)) == 36
    told: list[Batch] = [tuple(ProposalResult(point=point, outcome=Outcome.FAILED) for point in whole)]
    assert proposer.next_batch(told, 4) == ()
    by_fours = [proposer.next_batch([told[0][:known]], 4) for known in range(0, 36, 4)]
    assert tuple(itertools.chain(*by_fours)) == whole


@pytest.mark.parametrize("pruner", ["median", "halving", "hyperband"])
def test_a_pruning_is_the_same_however_far_a_training_went_on_and_whatever_others_of_its_batch_do(pruner: str) -> None:
    wanted = search(sampler="random", startup_trials=None, trials=24, pruner=pruner)
    told = through(wanted)
    before, last = told[:-1], told[-1]
    number = sum(map(len, before))
    given_up = 0
    for place, one in enumerate(last):
        proposer = OptunaProposer(wanted, RUNGS)
        at = proposer.pruned_at(before, number + place, one.point, one.rungs)
        for reached in range(RUNGS + 1):  # the answer comes with its rung, and stays
            early = proposer.pruned_at(before, number + place, one.point, one.rungs[:reached])
            assert early == (at if at is not None and reached >= at else None)
        given_up += at is not None
    assert given_up


def test_halving_compares_at_its_own_rungs_and_median_after_its_warmup() -> None:
    for pruner, first in ((Pruner(kind="halving", least_rungs=2), 2), (Pruner(kind="median", warmup_rungs=4), 5)):
        told = through(search(sampler="random", startup_trials=None, trials=24, pruner=pruner))
        proposer = OptunaProposer(search(sampler="random", startup_trials=None, trials=24, pruner=pruner), RUNGS)
        points = [(number, one) for number, one in enumerate(itertools.chain(*told))]
        found = {proposer.pruned_at(told[: number // 4], number, one.point, one.rungs) for number, one in points}
        assert min(rung for rung in found if rung is not None) == first


def test_nothing_but_a_search_needs_optuna_and_without_it_the_remedy_is_told() -> None:
    code = (
        "import sys; sys.modules['optuna'] = None\n"
        "from orchestrator.core.errors import BadInput\n"
        "from orchestrator.wiring.searches import proposer_of\n"
        "import orchestrator.cli.main\n"
        "try:\n    proposer_of()\n"
        "except BadInput as fault:\n    print(fault.exit_code, fault.remedy)\n"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "2 In the project's folder: python -m pip install -c constraints.txt -e '.[search]'"


def test_optuna_says_nothing_by_itself() -> None:
    code = (
        "import warnings; warnings.simplefilter('error')\n"
        "from orchestrator.core.campaign.search_config import Range, Search\n"
        "from orchestrator.search.proposer import OptunaProposer\n"
        "space = {'a': Range(low=0.0, high=1.0)}\n"
        "wanted = Search(space=space, trials=4, batch=4, startup_trials=1, pruner='hyperband')\n"
        "assert len(OptunaProposer(wanted, 3).next_batch([], 4)) == 4\n"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (told.returncode, told.stdout, told.stderr) == (0, "", "")
