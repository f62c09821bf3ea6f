"""Made-up pages for the tests of the browser and for the pictures of the documentation. Always the same."""

from __future__ import annotations

import base64
import hashlib
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from orchestrator.core.page.page import Headline, Interval, Page, Picture, Subject
from orchestrator.core.page.sessions import Session, Week
from orchestrator.core.page.source import Source
from orchestrator.core.page.training import Curve, Ending, Number, Seam, Training, Wasted

TEMPLATES = Path(__file__).resolve().parents[2] / "kernel_templates" / "page"
BEGAN = datetime(2026, 11, 16, 8, 30, tzinfo=UTC)
HOSTILE = "</script><img src=x onerror=alert(1)>\x1b[31mred\x1b[0m \u202eevil\u202c &amp; 🎈 " + "long" * 60
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
    return replace(made, **changes)  # type: ignore[arg-type]


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
    return replace(made, **changes)  # type: ignore[arg-type]


WEEKS = tuple(
    Week(
        backend="kaggle",
        begins_at=at(-32.5 + 168 * week),
        ends_at=at(-32.5 + 168 * (week + 1)),
        used_s=used * 3600,
        limit_s=30 * 3600.0,
    )
    for week, used in enumerate((28.4, 17.2))
)


def run_page(*, live: bool = False) -> Page:
    """One long training in six sessions with five seams, of which the last is in flight if the page is live."""
    total, target = 5_000_000, 5_000_000
    drawn = curve(1, total, seams=5)
    state = "in flight" if live else "done"
    one = training(
        "PPO large net", 1, state, total, target, grade="weights-only", curve=drawn, sessions=6, wall_s=45.6 * 3600
    )
    ends = ("wall_limit", "crashed", "paused", "wall_limit", "disk_full", "" if live else "finished")
    begins = (0.0, 14.0, 30.0, 55.0, 149.0, 175.0)
    sessions = tuple(
        session(
            f"s1-{number + 1}",
            one,
            begin,
            7.6,
            end,
            (total * number // 6, total * (number + 1) // 6),
            grade=("", *GRADES)[number],
            attempt=1 + (end == "crashed"),
        )
        for number, (begin, end) in enumerate(zip(begins, ends, strict=True))
    )
    return Page(
        subject=Subject.RUN,
        title="cartpole, seed 1",
        made_at=at(182.6),
        command="orchestrator report cartpole",
        headline=Headline(
            verdict="unfinished" if live else "supported",
            text="It is training." if live else "PPO beats the fixed-time baseline by 12.4 % on mean travel time.",
            lines=()
            if live
            else (
                "mean travel time: -12.4 % [-15.1 %, -9.8 %], 95 % interval over 20 scenarios",
                "throughput: +3.1 % [+0.4 %, +5.9 %], 95 % interval over 20 scenarios",
            ),
            source=source("s1-6"),
        ),
        trainings=(one,),
        sessions=sessions,
        weeks=WEEKS,
        pictures=(picture("learning_curve"),),
        live=live,
        versions={"orchestrator": "1.0", "plotly": "6.0"},
    )


def campaign_page(variants: int = 3, seeds: int = 20) -> Page:
    """A campaign of many trials: done, in flight, failed and waiting ones."""
    names = ("PPO", "SAC tuned", "TD3", "A2C", "DQN with replay", "ARS")
    trainings = tuple(_trial(names[variant % 6], variant, seed) for variant in range(variants) for seed in range(seeds))
    begun = [one for one in trainings if one.steps]
    sessions = tuple(made for place, one in enumerate(begun) for made in _sessions_of(place, one))
    intervals = tuple(
        _interval(names[variant], measure, variant, seeds)
        for measure in ("mean_reward", "travel_time_s")
        for variant in range(variants)
    )
    return Page(
        subject=Subject.CAMPAIGN,
        title="cartpole sweep",
        made_at=at(182.6),
        command="orchestrator report sweep.yaml",
        headline=Headline(
            verdict="inconclusive",
            text="PPO leads, and its interval overlaps that of SAC tuned.",
            lines=("mean_reward, PPO minus SAC tuned: 4.1 [-3.2, 11.5]",),
            source=source("s4-1"),
        ),
        trainings=trainings,
        sessions=sessions,
        weeks=WEEKS,
        intervals=intervals,
        notes=("The manifest of session s7-1 cannot be read: it ends after 112 bytes.",),
        versions={"orchestrator": "1.0"},
    )


def _trial(label: str, variant: int, seed: int) -> Training:
    target = 200_000
    kind = (variant * 7 + seed) % 10
    if kind == 9:
        return training(label, seed, "waiting", 0, target, verdict="", why="it waits for a free GPU slot")
    if kind == 8:
        ending = Ending(
            verdict="out_of_memory",
            sentence="Out of memory: the session needed more GPU memory than the GPU has.",
            evidence=(
                "log: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB",
                "log: last report at 43,000 steps",
            ),
            advice="Lower batch_size or net_arch, or use a GPU with more memory.",
            command=f"orchestrator campaign retry sweep.yaml --trial {label}-{seed}",
        )
        return training(
            label,
            seed,
            "failed",
            43_000,
            target,
            why="Out of memory.",
            ending=ending,
            curve=curve(seed + 100 * variant, 43_000, target=target),
        )
    steps = 120_000 if kind == 7 else target
    drawn = curve(seed + 100 * variant, steps, target=target, seams=kind % 3, level=480.0 - 60 * variant)
    grade = ("", "exact", "statistical")[kind % 3] if kind % 3 < 2 else "exact"
    return training(
        label,
        seed,
        "in flight" if kind == 7 else "done",
        steps,
        target,
        curve=drawn,
        grade=grade,
        sessions=1 + kind % 3,
        wall_s=(1 + kind % 3) * 9360,
    )


def _sessions_of(place: int, one: Training) -> list[Session]:
    count = max(1, one.sessions)
    begin = 3.1 * (place // 2) * 2 + 1.5 * (place % 2)
    ends = ["wall_limit"] * (count - 1) + [
        "" if one.state == "in flight" else "section_failed" if one.state == "failed" else "finished"
    ]
    if not ends[-1]:
        begin = 174.0
    return [
        session(
            f"{one.lineage_id}-{number + 1}",
            one,
            begin + 2.8 * number,
            2.6,
            end,
            (one.steps * number // count, one.steps * (number + 1) // count),
            grade="exact" if number else "",
        )
        for number, end in enumerate(ends)
    ]


def _interval(variant: str, measure: str, index: int, n: int) -> Interval:
    mean = 470.0 - 60 * index if measure == "mean_reward" else 41.0 + 5 * index
    single = index == 2
    return Interval(
        variant=variant,
        measure=measure,
        n=1 if single else n,
        mean=mean,
        low=None if single else mean * 0.97,
        high=None if single else mean * 1.028,
        source=source(f"s{index}-1"),
    )


def many_page(count: int = 10_000) -> Page:
    """Very many trials, each with a short curve."""
    states = ("done", "in flight", "failed", "waiting")
    short = curve(1, 10_000)
    short = replace(short, reward_steps=(), rewards=())
    trainings = tuple(
        training(
            f"variant {index % 50:02d}",
            index,
            states[index % 4],
            100 * (index % 97),
            10_000,
            curve=short,
            rate=float(index % 313),
            settings={"seed": str(index)},
        )
        for index in range(count)
    )
    return replace(campaign_page(1, 1), title=f"{count} trials", trainings=trainings, sessions=(), intervals=())


def empty_page() -> Page:
    """A project in which nothing has run."""
    return Page(
        subject=Subject.PROJECT,
        title="my_project",
        made_at=at(0),
        command="orchestrator report",
        headline=Headline(
            verdict="", text="Nothing has been trained yet. Start with: orchestrator run cartpole --quick"
        ),
    )


def hostile_page() -> Page:
    """Every text from the data tries to leave its place."""
    bad = HOSTILE
    drawn = replace(curve(1, 1000, seams=2), seams=(Seam(steps=300, grade=bad, session=bad, reasons=(bad,)),))
    ending = Ending(verdict=bad, sentence=bad, evidence=(bad,), advice=bad, command=bad)
    number = Number(name=bad, value=float("1e-12"), source=Source(session=bad, digest=bad, command=bad))
    first = training(
        bad,
        1,
        bad,
        900,
        1000,
        why=bad,
        grade=bad,
        verdict=bad,
        curve=drawn,
        ending=ending,
        numbers=(number,),
        settings={bad: bad, "__proto__": "x", "same": "1"},
    )
    second = replace(first, lineage_id=bad, seed=None, settings={"same": "1"}, label="‏مرحبا" + bad)
    flight = session(
        bad, first, 1, 2, "", (0, 900), training=bad, grade=bad, backend=bad, problems=(bad,), steps_done=None
    )
    ended = session(bad, second, 3, 2, bad, (0, 900))
    return Page(
        subject=Subject.CAMPAIGN,
        title=bad,
        made_at=at(9),
        command=bad,
        headline=Headline(verdict=bad, text=bad, lines=(bad,), source=Source(session=bad, digest=bad, command=bad)),
        trainings=(first, second),
        sessions=(flight, ended),
        weeks=(replace(WEEKS[0], backend=bad, limit_s=None),),
        intervals=(Interval(variant=bad, measure=bad, n=1, mean=1.0, low=None, high=None, source=Source(session=bad)),),
        pictures=(replace(picture(bad), source=source(bad)),),
        notes=(bad,),
        versions={bad: bad},
    )


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
