"""`Run.sb3`: builds or resumes a model, and saves it at the safe boundaries of `model.learn`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm

from orchestrator.kernel.outcome import CheckpointUnusable, SessionRefused
from orchestrator.kernel.session.context import SessionContext
from orchestrator.kernel.training.kept_state.checkpoints import Checkpoints
from orchestrator.kernel.training.kept_state.decoder import Decoder
from orchestrator.kernel.training.kept_state.environments import prepare_environments
from orchestrator.kernel.training.kept_state.logs import read_logs
from orchestrator.kernel.training.kept_state.state import State
from orchestrator.kernel.training.run import Run
from orchestrator.kernel.wire import ALONE_RUN, final_model_name
from orchestrator.sb3.checkpoint.resume import resume_training
from orchestrator.sb3.checkpoint.save import save_training
from orchestrator.sb3.envs.wrappers import prepare_env
from orchestrator.sb3.logs.curves import Curves
from orchestrator.sb3.logs.training_logs import TrainingLogs
from orchestrator.sb3.rollout_callback import LeftAtBoundary
from orchestrator.sb3.script.beside_model import BesideModel
from orchestrator.sb3.script.building import built
from orchestrator.sb3.script.callback_state import environments_of, require_own_callback, users_callbacks
from orchestrator.sb3.script.digests import digests_of_model
from orchestrator.sb3.script.identity import other_threads
from orchestrator.sb3.script.run_callback import RunCallback
from orchestrator.sb3.script.schedules import follows_a_schedule
from orchestrator.sb3.script.training import Beside, ScriptPlan, ScriptTraining
from orchestrator.sb3.state.lazy_spaces import seed_inner_spaces
from orchestrator.sb3.state.policy_digest import policy_digest
from orchestrator.sb3.state.sb3_zip import write_model
from orchestrator.sb3.state.training_state_io import continues_episodes, environment_of, restore_sections
from orchestrator.sb3.training.factory import prepare_torch
from orchestrator.sb3.training.history import TrainingHistory
from orchestrator.sb3.training.metadata import mean_episode_length, mean_episode_reward, write_metadata

REPORTS = 500
"""Reports of a whole training, about; by steps, so that a cut run makes the same ones."""
_START_OVER = (
    "Use the script and the library versions that wrote it, or another folder (ORCHESTRATOR_FOLDER) to start over."
)
_DOES_NOT_FIT = (ValueError, RuntimeError, LookupError, TypeError, AttributeError)
"""What libraries of another version raise when they get the state of a checkpoint."""
_NEW_EPISODES = frozenset({"last", "layers", "environment"})


class Learning:
    """The model of a script in one session.

    Args:
        run: The session that the script holds.
        build: Builds the untrained model.
        context: Of the session.
        checkpoints: Of the script.
        state: What the script keeps beside the model.

    Attributes:
        model: The model, resumed if there is a checkpoint.
        callback: For `model.learn`.
        begun: Whether `model.learn` has called the callback.

    Raises:
        SessionRefused: The model cannot be trained here, or must not continue the checkpoint.
        TypeError: `build` is not a function that builds a model.
    """

    def __init__(
        self,
        run: Run,
        build: Callable[[], BaseAlgorithm],
        *,
        context: SessionContext,
        checkpoints: Checkpoints,
        state: State,
    ) -> None:
        if run.target is None:
            raise SessionRefused(
                "run.sb3 needs the steps of the whole training",
                remedy="Alone: session(target=20_000). In a project: target_steps in both profiles of the card.",
            )
        self._run, self._context, self._checkpoints, self._state = run, context, checkpoints, state
        # Other numbers than with more threads, but the same on every machine.
        prepare_torch(run.device, warn_only=True)
        self.model = built(build)
        prepare_env(environment_of(self.model), context)
        seed_inner_spaces(self.model)
        self.callback, self.begun = RunCallback(self), False
        plan = ScriptPlan.of(context.ticket, checkpoints.scenario, run.target)
        self._training = ScriptTraining(
            context=context,
            plan=plan,
            model=self.model,
            record=TrainingHistory(policy_digest_at_start=policy_digest(self.model.policy)),
            checkpoints=checkpoints,
            beside=self._beside,
        )
        curves = Curves(context.models_dir, remembers=context.ticket.run_id == ALONE_RUN)
        began_s = context.now().timestamp()
        self._logs = TrainingLogs(self.model, curves, say=context.reporter.say, began_s=began_s)
        self._training.logs = self._logs.capture
        self._beside_model = BesideModel(
            self.model, self.callback, arguments=self._training.arguments, target_steps=plan.target_steps
        )
        self._restored: Mapping[str, Any] | None = None
        self._reported, self._new_episodes = 0, False
        self._boundary_s: float | None = None
        context.reporter.steps_now = lambda: int(self.model.num_timesteps)
        state.require(with_model=True)
        state.lost(self._training.all_lost())
        if checkpoints.resumed is not None:
            self._resume()

    def _resume(self) -> None:
        card, training, saved = self._checkpoints.resumed, self._training, self._state.saved
        assert card is not None  # read when the session began
        try:
            self._restored = resume_training(training, card)
        except _DOES_NOT_FIT as fault:
            raise CheckpointUnusable(f"{card.stem} cannot be continued: {fault}", remedy=_START_OVER) from fault
        if training.grade is not None:
            self._checkpoints.graded(training.grade.grade, training.grade.reasons)
        if saved is None:  # an adopted model: nothing but weights
            self._restored, self._reported = None, card.steps
            return
        self._new_episodes = self.model._last_obs is None
        self._beside_model.saved = Decoder(saved.state_buffers).decode(saved.state["own"])
        self._reported = saved.state["reported"]
        try:
            self._logs.resume(read_logs(self._context.models_dir, card))
        except ValueError as fault:
            raise CheckpointUnusable(f"{card.stem} cannot be continued: {fault}", remedy=_START_OVER) from fault

    def starts(self, arguments: Mapping[str, Any]) -> None:
        """`learn` begins.

        Raises:
            ValueError: It was called with `reset_num_timesteps=True`, its default.
        """
        self.begun = True
        if arguments.get("reset_num_timesteps"):
            raise ValueError(
                "model.learn needs reset_num_timesteps=False, so that a later session can continue: "
                "model.learn(run.remaining, callback=run.callback, reset_num_timesteps=False)"
            )
        require_own_callback(arguments.get("callback"), self.callback)
        users = self._beside_model.callbacks = users_callbacks(arguments.get("callback"), self.callback)
        prepare_environments(environments_of(users))
        self._logs.learn_begins(users, self.callback)
        self._state.begin(with_model=True)
        horizon = self._training.plan.target_steps
        end = self.model._total_timesteps
        if end != horizon and not self._run.finished and follows_a_schedule(self.model):
            self._lose(f"schedules: learn was called up to {end} steps, the target is {horizon}; pass run.remaining")

    def at_boundary(self) -> None:
        """Between an update and the next rollout: restore, save, report, and leave if the session must end.

        Raises:
            LeftAtBoundary: The session must end; the training is saved.
        """
        run, context, model = self._run, self._context, self.model
        self._restore_again()
        self._logs.at_boundary()
        if self._boundary_s is not None:
            context.deadline.measured("step", context.monotonic() - self._boundary_s)
        run.step = model.num_timesteps
        if run.must_leave:
            self._save()
            raise LeftAtBoundary
        if run.save_is_due:
            self._save()
        self._report()
        self._boundary_s = context.monotonic()

    def ended(self) -> None:
        """`learn` returns: at its number of steps, or because a callback of the user ended it."""
        run, model = self._run, self.model
        self._logs.at_boundary()  # not reached if there was no step to make
        run.step = model.num_timesteps
        self._boundary_s = None
        if not run.finished and model.num_timesteps < model._total_timesteps:
            run.finish()
            self._lose("the last rollout: a callback ended the training in the middle of it")
        if run.finished and model.num_timesteps > self._reported:
            self._report(last=True)
        self._logs.learn_ended(finished=run.finished)
        self._save()
        if run.finished:
            write_model(model, self._context.models_dir / final_model_name(self._training.plan.scenario))
            write_metadata(self._training)
            run.saved_at_the_end()

    def digests(self) -> dict[str, str]:
        """Digest of each part of the model and of the callbacks, and of what the script keeps beside it."""
        return {**digests_of_model(self.model), **self._beside_model.digests(), **self._state.kept._digests()}

    def _restore_again(self) -> None:
        """Restore at the first boundary what the code between `run.sb3` and here has changed.

        That code draws random numbers, and `learn` resets action noise and draws gSDE's matrices, in a resumed
        training a second time.
        """
        if self._restored is None:
            return
        tree, self._restored = self._restored, None
        self._logs.before_restore()
        leave_out = {"replay_buffer", "other_replay_buffer"}
        if self._new_episodes or not continues_episodes(tree):
            leave_out |= _NEW_EPISODES
        restore_sections(self.model, {name: part for name, part in tree.items() if name not in leave_out})
        self.model._update_current_progress_remaining(self.model.num_timesteps, self._training.plan.target_steps)
        for reason in (other_threads(self._checkpoints.resumed), *self._beside_model.restore()):
            if reason is not None:
                self._checkpoints.lower(reason)
                assert self._training.grade is not None  # set by the resume
                self._training.grade = self._training.grade.lowered(reason, floor=self._training.plan.resume_floor)

    def _beside(self) -> Beside:
        own, lost = self._beside_model.capture()
        fields = {**self._run.progress_fields(), "reported": self._reported}
        write, more = self._state.beside_model(fields, own)
        return write, [*lost, *more]

    def _save(self) -> None:
        training, started_s = self._training, self._context.monotonic()

        def save() -> float:
            save_training(training)
            return self._context.monotonic() - started_s

        before = training.parent
        self._run.guarded(save)
        if training.parent is not before:
            self._logs.saved()
            self._checkpoints.parent = training.parent
            self._name_lost(training.all_lost())

    def _report(self, *, last: bool = False) -> None:
        model, target = self.model, self._training.plan.target_steps
        every = max(1, target // REPORTS)
        if not last and model.num_timesteps // every <= self._reported // every:
            return
        self._reported = model.num_timesteps
        self._run.report_episodes(mean_episode_reward(model), mean_episode_length(model))

    def _lose(self, what: str) -> None:
        if what not in self._training.lost:
            self._training.lost.append(what)
            self._name_lost([what])

    def _name_lost(self, lost: list[str]) -> None:
        # A finished training is never refused: no later session continues it.
        (self._state.name_lost if self._run.finished else self._state.lost)(lost)
