"""The comparison of the section: the best model and the classical controllers on the same unseen scenarios."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from stable_baselines3.common.policies import BasePolicy

from orchestrator.kernel.session.context import SessionContext
from orchestrator.kernel.wire import digest_of
from orchestrator.sb3.training.best_policy import best_policy
from orchestrator.sb3.training.history import BestModel
from orchestrator.sb3.training.metadata import write_metadata
from orchestrator.sb3.training.training_spec import Lineage
from orchestrator.sb3.training.training_state import TrainingState
from validation_ch7.section_7_6_rl_performance.controllers.families import TUNED_FAMILIES
from validation_ch7.section_7_6_rl_performance.controllers.interface import Controller
from validation_ch7.section_7_6_rl_performance.controllers.trivial import ConstantController, RandomController
from validation_ch7.section_7_6_rl_performance.evaluation.evaluation import (
    EvaluationResult,
    arrays_of,
    evaluate,
    result_of_arrays,
    result_shapes,
)
from validation_ch7.section_7_6_rl_performance.evaluation.kept_results import KeptResults
from validation_ch7.section_7_6_rl_performance.evaluation.network_check import NetworkCheck, check_network
from validation_ch7.section_7_6_rl_performance.evaluation.partial_results import finite_or_none, write_so_far
from validation_ch7.section_7_6_rl_performance.evaluation.repeatability import repeat_faults
from validation_ch7.section_7_6_rl_performance.evaluation.task import greedy_controller
from validation_ch7.section_7_6_rl_performance.evaluation.tuning import Tuning, tune
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.model.demand import Split
from validation_ch7.traffic.signal.two_phase import EAST_WEST, NORTH_SOUTH

_RANDOM_CONTROLLER_SEED = 0


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


def compare_controllers(context: SessionContext, training: TrainingState) -> Comparison:
    """Tune the classical controllers on tuning scenarios, then evaluate all controllers on test scenarios.

    What does not depend on the policy is taken from an earlier session, of another training too if they share a
    folder, if everything that it depends on is the same.
    The results so far are written after each controller.

    Raises:
        LeftComparison: The session must stop; checked before each action.
    """
    best, policy = best_policy(training)
    _leave_if_due(context)
    context.reporter.event(
        "phase", text=f"Comparing with the baselines on {training.plan.evaluation_scenarios} unseen scenarios"
    )
    comparison = Comparison(best=best)
    session = f"{context.ticket.run_id}/s{context.ticket.session:02d}"
    kept = KeptResults(training.kept, session, context.shared_dir)
    complete = False
    try:
        _compare(comparison, kept, policy, training)
        complete = True
    finally:
        if kept.changed:  # also if the session must stop: the next one goes on with them
            kept.keep_for_later(complete=complete)
            write_metadata(training)
    if comparison.from_session:
        sessions = ", ".join(sorted(set(comparison.from_session.values())))
        context.reporter.event("phase", text=f"{len(comparison.from_session)} baselines are from session {sessions}")
    return comparison


def _compare(comparison: Comparison, kept: KeptResults, policy: BasePolicy, training: TrainingState) -> None:
    context, lineage = training.context, training.plan.lineage
    _tune_classical(comparison, kept, context=context, lineage=lineage)
    settings = EnvironmentSettings.from_mapping(lineage.environment)
    _leave_if_due(context)
    acting = greedy_controller(policy, lineage, normalization=comparison.best.normalization)
    _add(comparison, "rl", acting, training=training)
    _check_network(comparison, policy, training)
    write_so_far(context, training, mean_measures(comparison))
    controllers: list[tuple[str, Controller]] = [
        *((name, tuning.controller(settings)) for name, tuning in comparison.tuned.items()),
        *_trivial_controllers(settings),
    ]
    for name, controller in controllers:
        _leave_if_due(context)
        _add(comparison, name, controller, training=training, kept=kept)
        write_so_far(context, training, mean_measures(comparison))


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


def _tune_classical(comparison: Comparison, kept: KeptResults, *, context: SessionContext, lineage: Lineage) -> None:
    started_s = context.monotonic()
    for family in TUNED_FAMILIES:
        _leave_if_due(context)
        if family.base is not None:
            family = replace(family, grid=(comparison.tuned[family.base].chosen,))
        comparison.tuned[family.name] = tune(
            family,
            environment=lineage.environment,
            n_scenarios=lineage.hyper_parameters.selection_scenarios,
            kept=kept,
        )
    comparison.spent_s["tune"] = context.monotonic() - started_s
    for fault in comparison.edge_faults:
        context.reporter.event("phase", text=fault)


def _add(
    comparison: Comparison,
    name: str,
    controller: Controller,
    *,
    training: TrainingState,
    kept: KeptResults | None = None,
) -> None:
    """Evaluate a controller, or take its kept result; either is checked by a second measurement.

    Args:
        kept: Results of earlier sessions; None for the policy, which is always measured.
    """
    context, started_s = training.context, training.context.monotonic()
    environment, n_scenarios = training.plan.lineage.environment, training.plan.evaluation_scenarios
    what = {
        "controller": name,
        "parameters": dict(comparison.tuned[name].chosen) if name in comparison.tuned else {},
        "environment": dict(environment),
        "split": Split.TEST.name,
        "n_scenarios": n_scenarios,
    }
    result: EvaluationResult | None = None
    faults: tuple[str, ...] = ()
    if kept is not None and (found := kept.find(what, result_shapes(n_scenarios))) is not None:
        arrays, session = found
        result = result_of_arrays(arrays, controller=name, split=Split.TEST, environment=environment)
        # Other scenarios in each session, so that an edited number does not stay unnoticed.
        if differing := repeat_faults(controller, result, environment, place=_place(context)):
            text = f"The kept result of {name} from session {session} is not used. {' '.join(differing)}"
            context.reporter.event("phase", text=text)
            result = None
        else:
            comparison.from_session[name] = session
    if result is None:
        result = evaluate(controller, environment=environment, split=Split.TEST, n_scenarios=n_scenarios)
        result = replace(result, controller=name)
        faults = repeat_faults(controller, result, environment)
        if kept is not None and not faults:
            kept.keep(what, arrays_of(result))
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


def _trivial_controllers(settings: EnvironmentSettings) -> Iterator[tuple[str, Controller]]:
    decision_s = settings.decision_s
    yield "constant_ns", ConstantController(NORTH_SOUTH, decision_s)
    yield "constant_ew", ConstantController(EAST_WEST, decision_s)
    yield "random", RandomController(_RANDOM_CONTROLLER_SEED, decision_s)


def _leave_if_due(context: SessionContext) -> None:
    if context.must_leave:
        raise LeftComparison
