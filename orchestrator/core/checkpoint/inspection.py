"""What `inspect` finds in a checkpoint without loading it, as values and as text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.core.checkpoint.acting import ActingNeeds, acting_lines
from orchestrator.core.checkpoint.compatibility import Compatibility
from orchestrator.core.proof.record import proof_line
from orchestrator.kernel.checkpoint.card import CheckpointCard

_EXPECTED_NAMES = frozenset(
    {
        "collections.OrderedDict",
        "gymnasium.spaces.box.Box",
        "gymnasium.spaces.discrete.Discrete",
        "numpy._core.multiarray.scalar",
        "numpy._core.numeric._frombuffer",
        "numpy.dtype",
        "numpy.float32",
        "numpy.random._pcg64.PCG64",
        "numpy.random._pickle.__bit_generator_ctor",
        "numpy.random._pickle.__generator_ctor",
        "numpy.random.bit_generator.SeedSequence",
        "numpy.random.bit_generator.__pyx_unpickle_SeedSequence",
        "sb3_contrib.qrdqn.policies.QRDQNPolicy",
        "stable_baselines3.common.buffers.ReplayBuffer",
        "stable_baselines3.common.buffers.RolloutBuffer",
        "stable_baselines3.common.noise.NormalActionNoise",
        "stable_baselines3.common.noise.OrnsteinUhlenbeckActionNoise",
        "stable_baselines3.common.noise.VectorizedActionNoise",
        "stable_baselines3.common.policies.ActorCriticPolicy",
        "stable_baselines3.common.type_aliases.TrainFreq",
        "stable_baselines3.common.type_aliases.TrainFrequencyUnit",
        "stable_baselines3.common.utils.ConstantSchedule",
        "stable_baselines3.common.utils.FloatSchedule",
        "stable_baselines3.common.utils.LinearSchedule",
        "stable_baselines3.dqn.policies.DQNPolicy",
        "stable_baselines3.sac.policies.SACPolicy",
        "stable_baselines3.td3.policies.TD3Policy",
        "torch.FloatStorage",
        "torch._utils._rebuild_tensor_v2",
        "torch.optim.adam.Adam",
        "torch.optim.rmsprop.RMSprop",
    }
)
"""All globals in the model files of this project's algorithms; a test makes such files and finds exactly these.
Whole names, because the libraries also have functions that execute their argument (`torch.load`)."""


def strange_names(executes: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Names that no model file of this project needs: the user's own code, or foreign code."""
    names = {name for found in executes.values() for name in found}
    return tuple(sorted(names - _EXPECTED_NAMES))


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelZip:
    """A Stable-Baselines3 model file, read from its zip and its JSON.

    Attributes:
        algorithm: Recognised by its attributes; None if unknown.
        spaces: `observation` and `action`, as text.
        network: Layer sizes of `net_arch`, None for the default.
        counters: Steps, updates and the like.
        versions: Library -> version that wrote the file.
        executes: Place of pickled data -> the globals that loading it would import.
        sealed: Place of pickled data that cannot be read without executing it -> why.
        acts_through: Layers between policy and environment named in the zip; None if it names none.
    """

    algorithm: str | None
    spaces: Mapping[str, str]
    network: Any
    counters: Mapping[str, int]
    versions: Mapping[str, str]
    executes: Mapping[str, tuple[str, ...]]
    sealed: Mapping[str, str] = field(default_factory=dict)
    acts_through: tuple[str, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON form."""
        return {
            "algorithm": self.algorithm,
            "spaces": dict(self.spaces),
            "network": self.network,
            "counters": dict(self.counters),
            "versions": dict(self.versions),
            "executes": {place: list(names) for place, names in self.executes.items()},
            "strange": list(strange_names(self.executes)),
            "sealed": dict(self.sealed),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Descent:
    """How a checkpoint relates to the newer ones beside it.

    Attributes:
        confirmed_by: Newer checkpoints that have its digest in their ancestry.
        contradicted_by: Newer checkpoints that have another digest at its steps.
        unrelated: Newer checkpoints that do not descend from it.
    """

    confirmed_by: tuple[str, ...] = ()
    contradicted_by: tuple[str, ...] = ()
    unrelated: tuple[str, ...] = ()


def descent_of(card: CheckpointCard, others: tuple[CheckpointCard, ...]) -> Descent:
    """Search the ancestries of newer checkpoints for a checkpoint's digest."""
    newer = [other for other in others if other.steps > card.steps]
    groups: dict[str, list[str]] = {"confirmed_by": [], "contradicted_by": [], "unrelated": []}
    for other in newer:
        at_steps = {ancestor.digest for ancestor in other.ancestry if ancestor.steps == card.steps}
        kind = "confirmed_by" if card.digest in at_steps else "contradicted_by" if at_steps else "unrelated"
        groups[kind].append(other.stem)
    return Descent(**{kind: tuple(stems) for kind, stems in groups.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """All findings of `inspect`.

    Attributes:
        card: None without one.
        faults: What is wrong, one sentence each.
        compatibility: With the section's present card and code; None if there is nothing to compare with.
        needs: What a plain load leaves out; None without a zip.
    """

    path: str
    model: ModelZip | None
    card: CheckpointCard | None = None
    descent: Descent = field(default_factory=Descent)
    compatibility: Compatibility | None = None
    faults: tuple[str, ...] = ()
    needs: ActingNeeds | None = None

    @property
    def sound(self) -> bool:
        """Whether all files agree and a plain load would execute nothing unexpected."""
        executes_more = self.model is not None and (self.model.sealed or strange_names(self.model.executes))
        return not (self.faults or self.descent.contradicted_by or executes_more)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON form."""
        descent = self.descent
        return {
            "path": self.path,
            "sound": self.sound,
            "faults": list(self.faults),
            "card": self.card.to_json() if self.card else None,
            "lowest_grade": self.card.lowest_grade if self.card else None,
            "ancestry": {
                "confirmed_by": list(descent.confirmed_by),
                "contradicted_by": list(descent.contradicted_by),
                "unrelated": list(descent.unrelated),
            },
            "resume": self.compatibility.to_json() if self.compatibility else None,
            "model": self.model.to_json() if self.model else None,
            "acting": self.needs.to_json() if self.needs else None,
        }


def lines_of(inspection: Inspection) -> list[str]:
    """The findings as lines of text."""
    return [
        inspection.path,
        *_card_lines(inspection),
        *_grade_lines(inspection.compatibility),
        *_model_lines(inspection.model),
        *_acting_lines(inspection),
        *(f"  ✗ {fault}" for fault in inspection.faults),
    ]


def _acting_lines(inspection: Inspection) -> list[str]:
    if inspection.needs is None or inspection.model is None:
        return []
    return acting_lines(inspection.needs, zip_path=inspection.path, algorithm=inspection.model.algorithm)


def _card_lines(inspection: Inspection) -> list[str]:
    card, descent = inspection.card, inspection.descent
    if card is None:
        return ["  no card: it was never committed, and no ancestry holds its digest"]
    lines = [
        f"  card: {card.steps} steps, digest {card.digest[:12]}, lineage {card.lineage_id[:8]}, saved {card.saved_at}",
        f"  ancestry: {len(card.ancestry)} checkpoint(s) back to step 0, lowest grade {card.lowest_grade}",
    ]
    lines += [f"  {proof_line(card.proof)}"] if card.proof else []
    lines += [f"  ✓ its digest is in the ancestry of {stem}" for stem in descent.confirmed_by]
    lines += [f"  ✗ {stem} descends from another checkpoint of {card.steps} steps" for stem in descent.contradicted_by]
    lines += [f"  {stem} does not descend from it" for stem in descent.unrelated]
    if not (descent.confirmed_by or descent.contradicted_by or descent.unrelated):
        lines.append("  no newer checkpoint beside it")
    return lines


def _grade_lines(found: Compatibility | None) -> list[str]:
    if found is None:
        return ["  would resume: nothing to compare with"]
    left = ", ".join(found.left_to_kernel)
    return [
        f"  would resume: {found.grade.word}; the session also compares {left}",
        *(f"    - {reason} ({reason.grade.word})" for reason in found.reasons),
    ]


def _model_lines(model: ModelZip | None) -> list[str]:
    if model is None:
        return []
    counters = ", ".join(f"{name} {value}" for name, value in model.counters.items())
    versions = ", ".join(f"{name} {version}" for name, version in model.versions.items())
    strange = strange_names(model.executes)
    return [
        f"  model: {model.algorithm or 'of an unknown algorithm'}, network {model.network}, {counters}",
        *(f"  {kind} space: {text}" for kind, text in model.spaces.items()),
        f"  written with {versions}",
        "  a plain load would execute (this project never does it):",
        *(f"    {place}: {', '.join(names) or 'nothing'}" for place, names in model.executes.items()),
        *(f"    ✗ {place}: {why}" for place, why in model.sealed.items()),
        *([f"  ✗ unknown to this project: {', '.join(strange)}"] if strange else []),
    ]
