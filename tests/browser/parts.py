"""Parts of made-up pages: trainings, curves, sessions, sources, a picture. Always the same."""

from __future__ import annotations

import base64
import hashlib
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from orchestrator.core.page.page import Picture
from orchestrator.core.page.sessions import Session
from orchestrator.core.page.source import Source
from orchestrator.core.page.training import Curve, Number, Seam, Training, Wasted

BEGAN = datetime(2026, 11, 16, 8, 30, tzinfo=UTC)
GRADES = ("exact", "exact", "statistical", "exact", "weights-only")


def digest(text: str) -> str:
    """Sha256 of a text, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def noise(*key: object) -> float:
    """A number from -1 to 1 that depends on the key alone."""
    return int(digest(repr(key))[:8], 16) / 0x7FFFFFFF - 1


def at(hours: float) -> str:
    """ISO time some hours after the first session began."""
    return (BEGAN + timedelta(hours=hours)).isoformat().replace("+00:00", "Z")


def source(slug: str) -> Source:
    """A source of numbers."""
    return Source(session=slug, digest=digest("code"), command=f"orchestrator report {slug}")


def curve(seed: int, steps: int, *, target: int = 0, seams: int = 0, level: float = 480.0) -> Curve:
    """A saturating curve with noise; a seam after each equal part, and lost steps before every second one."""
    places = tuple(range(0, steps + 1, max(1, steps // 25)))[1:]
    scores = tuple(_score(place, target or steps, level) + 12 * noise(seed, place) for place in places)
    reports = tuple(range(0, steps + 1, max(1, steps // 300)))[1:]
    rewards = tuple(_score(place, target or steps, level) - 15 + 35 * noise(seed, place, "reward") for place in reports)
    cuts = [steps * (number + 1) // (seams + 1) for number in range(seams)]
    lost = steps // (3 * (seams + 1))
    best = max(range(len(scores)), key=lambda index: scores[index], default=None)
    reasons = ("versions.torch: checkpoint=2.9.0, current=2.10.0",)
    return Curve(
        steps=places,
        scores=scores,
        reward_steps=reports,
        rewards=rewards,
        seams=tuple(
            Seam(
                steps=cut,
                grade=GRADES[number % 5],
                session=f"s{seed}-{number + 2}",
                reasons=() if GRADES[number % 5] == "exact" else reasons,
            )
            for number, cut in enumerate(cuts)
        ),
        wasted=tuple(
            Wasted(steps_from=cut, steps_to=cut + lost, session=f"s{seed}-{number + 1}")
            for number, cut in enumerate(cuts)
            if number % 2
        ),
        best_steps=places[best] if best is not None else None,
        best_score=scores[best] if best is not None else None,
        wasted_steps=sum(lost for number in range(len(cuts)) if number % 2),
    )


def _score(place: int, steps: int, level: float) -> float:
    return 20 + level * (1 - math.exp(-3.5 * place / max(1, steps)))


def training(label: str, seed: int | None, state: str, steps: int, target: int, **changes: object) -> Training:
    """A training with settings and, when it is done, numbers."""
    slug = f"s{seed}-1"
    rate = 310.0 if state == "in flight" else 280.0 if steps else None
    settings = {"section": "cartpole", "seed": str(seed), "algorithm": label.split()[0], "learning_rate": "0.0003"}
    settings |= {"variant": label, "n_envs": "8", "gamma": "0.99", "versions.torch": "2.10.0", "device": "gpu"}
    numbers = (Number(name="mean_reward", value=470 + 9 * noise(label, seed), source=source(slug)),) * (state == "done")
    made = Training(
        lineage_id=f"{label}-{seed}".replace(" ", "_"),
        label=label,
        section="cartpole",
        profile="full",
        seed=seed,
        state=state,
        steps=steps,
        target_steps=target,
        grade="",
        verdict="no claim" if state == "done" else "unfinished",
        why="",
        rate=rate,
        eta_s=(target - steps) / rate if rate and state == "in flight" else None,
        sessions=1 if steps else 0,
        wall_s=steps and 2.6 * 3600,
        settings=settings,
        command=f"orchestrator run cartpole --seed {seed}",
        policy_digest=digest(label) if state == "done" else "",
        numbers=numbers,
    )
    return replace(made, **changes)


def session(
    slug: str, of: Training, begins: float, lasts: float, end: str, steps: tuple[int, int], **changes: object
) -> Session:
    """A session of a training; one without an end reason is in flight."""
    made = Session(
        slug=slug,
        lineage_id=of.lineage_id,
        training=of.label,
        backend="kaggle",
        kind="gpu",
        began_at=at(begins),
        ended_at=at(begins + lasts) if end else None,
        end_reason=end,
        in_flight=not end,
        steps_start=steps[0],
        steps_done=steps[1],
        target_steps=of.target_steps,
        code_digest=digest("code"),
        steps_per_s=(steps[1] - steps[0]) / lasts / 3600,
        eta_s=None if end else 5400.0,
        reported_at=None if end else at(begins + lasts),
    )
    return replace(made, **changes)


def picture(title: str) -> Picture:
    """A small drawing."""
    text = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="480" height="240" viewBox="0 0 480 240">'
        '<rect width="480" height="240" fill="#fff"/><path d="M20 220H460M20 220V20" stroke="#333" fill="none"/>'
        '<path d="M20 220C90 60 160 40 460 30" fill="none" stroke="#0072B2" stroke-width="3"/></svg>'
    )
    return Picture(
        title=title, media_type="image/svg+xml", data=base64.b64encode(text.encode()).decode(), source=source("s1-6")
    )
