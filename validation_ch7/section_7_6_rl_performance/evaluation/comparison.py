"""The comparison of the section: the best model and the classical controllers on the same unseen scenarios."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from stable_baselines3.common.policies import BasePolicy

from orchestrator.kernel.pack.capacity import usable_cores
from orchestrator.kernel.session.context import SessionContext
from orchestrator.kernel.wire import digest_of
from orchestrator.sb3.training.best_policy import best_policy
from orchestrator.sb3.training.history import BestModel
from orchestrator.sb3.training.metadata import write_metadata
from orchestrator.sb3.training.training_state import TrainingState
from validation_ch7.section_7_6_rl_performance.controllers.interface import Controller
from validation_ch7.section_7_6_rl_performance.evaluation.baselines import (
    Trials,
    baseline_controllers,
    measure,
    tune_families,
)
from validation_ch7.section_7_6_rl_performance.evaluation.evaluation import (
    EvaluationResult,
    arrays_of,
)
from validation_ch7.section_7_6_rl_performance.evaluation.kept_results import KeptResults, session_name
from validation_ch7.section_7_6_rl_performance.evaluation.network_check import NetworkCheck, check_network
from validation_ch7.section_7_6_rl_performance.evaluation.partial_results import finite_or_none, write_so_far
from validation_ch7.section_7_6_rl_performance.evaluation.repeatability import Kept, check_kept, repeat_faults
from validation_ch7.section_7_6_rl_performance.evaluation.task import greedy_controller
from validation_ch7.section_7_6_rl_performance.evaluation.tuning import Tuning

Wait = Callable[[], None]


class LeftComparison(Exception):
    """The session must stop before all controllers were evaluated; the next session repeats the comparison."""


@dataclass(slots=True, kw_only=True)
class Comparison:
    """Controllers on the same scenarios.

    Attributes:
        best: The model that was evaluated as `rl`: the best one, not the last.
        tuned: Controller name -> how its parameters were chosen, for the tuned controllers.
        results: Controller name -> its result, in the order of the tables.
        repeat_faults: Results that were not reproduced when measured again, one sentence each.
        controllers: Controller name -> the evaluated controller.
        network: What the policy's network does in heavy traffic; None before it was watched.
        from_session: Controller name -> the earlier session that measured its result, for results that were kept.
        spent_s: Seconds spent on each action.
    """

    best: BestModel
    tuned: dict[str, Tuning] = field(default_factory=dict)
    results: dict[str, EvaluationResult] = field(default_factory=dict)
    repeat_faults: list[str] = field(default_factory=list)
    controllers: dict[str, Controller] = field(default_factory=dict)
    network: NetworkCheck | None = None
    from_session: dict[str, str] = field(default_factory=dict)
    spent_s: dict[str, float] = field(default_factory=dict)

    @property
    def edge_faults(self) -> tuple[str, ...]:
        """Tuned values at the end of their grid, one sentence each."""
        return tuple(fault for tuning in self.tuned.values() for fault in tuning.edge_faults())

    @property
    def faults(self) -> tuple[str, ...]:
        """Why the comparison is invalid, as far as its results alone do not show it; one sentence each."""
        return (*self.repeat_faults, *(self.network.faults if self.network is not None else ()))


def compare_controllers(context: SessionContext, training: TrainingState, wait: Wait = lambda: None) -> Comparison:
    """Tune the classical controllers on tuning scenarios, then evaluate all controllers on test scenarios.

    What does not depend on the policy is taken from an earlier session, of another training too if they share a
    folder, if everything that it depends on is the same.
    The results so far are written after each controller.

    Args:
        context: The session.
        training: The training at its target.
        wait: Returns when the baselines that are measured elsewhere are in the shared folder.

    Raises:
        LeftComparison: The session must stop; checked before each action.
    """
    best, policy = best_policy(training)
    _leave_if_due(context)
    context.reporter.event(
        "phase", text=f"Comparing with the baselines on {training.plan.evaluation_scenarios} unseen scenarios"
    )
    comparison = Comparison(best=best)
    kept = KeptResults(training.kept, session_name(context.ticket), context.shared_dir)
    complete = False
    try:
        _compare(comparison, kept, policy, training, wait)
        complete = True
    finally:
        if kept.changed:  # also if the session must stop: the next one goes on with them
            kept.keep_for_later(complete=complete)
            write_metadata(training)
    if comparison.from_session:
        sessions = ", ".join(sorted(set(comparison.from_session.values())))
        context.reporter.event("phase", text=f"{len(comparison.from_session)} baselines are from session {sessions}")
    return comparison


def _compare(
    comparison: Comparison, kept: KeptResults, policy: BasePolicy, training: TrainingState, wait: Wait
) -> None:
    context, lineage = training.context, training.plan.lineage
    trials = Trials.of(training.plan)
    acting = greedy_controller(policy, lineage, normalization=comparison.best.normalization)
    _add(comparison, "rl", acting, trials, context=context)
    _check_network(comparison, policy, training)
    write_so_far(context, training, mean_measures(comparison))
    started_s = context.monotonic()
    wait()
    comparison.spent_s["wait"] = context.monotonic() - started_s
    _tune_classical(comparison, kept, trials, context=context)
    baselines = dict(baseline_controllers(trials, comparison.tuned))
    with ThreadPoolExecutor(usable_cores()) as pool:
        what = {name: trials.describe(name, comparison.tuned) for name in baselines}
        own = {"n_scenarios": trials.n_test, "place": _place(context)}
        found = check_kept(kept, what, baselines, trials.environment, pool=pool, **own)
        try:
            for name, controller in baselines.items():
                _leave_if_due(context)
                _add(comparison, name, controller, trials, context=context, kept=kept, found=found.get(name))
                write_so_far(context, training, mean_measures(comparison))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _check_network(comparison: Comparison, policy: BasePolicy, training: TrainingState) -> None:
    started_s = training.context.monotonic()
    found = check_network(
        policy, comparison.controllers["rl"], comparison.results["rl"], training.plan.lineage.environment
    )
    if found.without:
        text = f"The check of the network in heavy traffic does not apply: {found.without}"
        training.context.reporter.event("phase", text=text)
    comparison.network = found
    comparison.spent_s["network"] = training.context.monotonic() - started_s


def _tune_classical(comparison: Comparison, kept: KeptResults, trials: Trials, *, context: SessionContext) -> None:
    started_s = context.monotonic()
    _leave_if_due(context)
    for tuning in tune_families(trials, kept):
        comparison.tuned[tuning.family.name] = tuning
        _leave_if_due(context)
    comparison.spent_s["tune"] = context.monotonic() - started_s
    for fault in comparison.edge_faults:
        context.reporter.event("phase", text=fault)


def _add(
    comparison: Comparison,
    name: str,
    controller: Controller,
    trials: Trials,
    *,
    context: SessionContext,
    kept: KeptResults | None = None,
    found: Kept | None = None,
) -> None:
    """Evaluate a controller, or take its kept result; either is checked by a second measurement.

    Args:
        kept: Results of earlier sessions; None for the policy, which is always measured.
        found: The kept result.
    """
    started_s = context.monotonic()
    result: EvaluationResult | None = None
    faults: tuple[str, ...] = ()
    if found is not None:
        result = found.result
        if differing := found.faults.result():
            text = f"The kept result of {name} from session {found.session} is not used. {' '.join(differing)}"
            context.reporter.event("phase", text=text)
            result = None
        elif kept is not None and found.session != kept.session:
            comparison.from_session[name] = found.session
    if result is None:
        result = measure(trials, name, controller)
        faults = repeat_faults(controller, result, trials.environment)
        if kept is not None and not faults:
            kept.keep(trials.describe(name, comparison.tuned), arrays_of(result))
    comparison.results[name] = result
    comparison.repeat_faults += faults
    comparison.controllers[name] = controller
    comparison.spent_s[name] = context.monotonic() - started_s
    context.deadline.measured("evaluate", comparison.spent_s[name])


def _place(context: SessionContext) -> int:
    """A number that differs from session to session, and is the same if the session is repeated."""
    return int(digest_of(context.ticket.nonce)[:8], 16)


def mean_measures(comparison: Comparison) -> dict[str, dict[str, float | None]]:
    """Controller name -> means over its scenarios, plain JSON."""
    return {
        name: {
            "delay_s_per_veh": finite_or_none(result.delay_s_per_veh.mean()),
            "throughput": finite_or_none(result.throughput.mean()),
            "mean_queue_veh": finite_or_none(result.mean_queue_veh.mean()),
            "stops_per_veh": finite_or_none(result.stops_per_veh.mean()),
        }
        for name, result in comparison.results.items()
    }


def _leave_if_due(context: SessionContext) -> None:
    if context.must_leave:
        raise LeftComparison
