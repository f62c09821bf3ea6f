"""Made-up pages for the tests of the browser and for the pictures of the documentation. Always the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from orchestrator.core.page.page import Headline, Interval, Page, Subject
from orchestrator.core.page.sessions import Session, Week
from orchestrator.core.page.source import Source
from orchestrator.core.page.training import Curve, Ending, Number, Seam, Training
from tests.browser.parts import GRADES, at, curve, picture, session, source, training

TEMPLATES = Path(__file__).resolve().parents[2] / "kernel_templates" / "page"
HOSTILE = "</script><img src=x onerror=alert(1)>\x1b[31mred\x1b[0m \u202eevil\u202c &amp; 🎈 " + "long" * 60


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
    total, target = 4_600_000 if live else 5_000_000, 5_000_000
    drawn = curve(1, total, target=target, seams=5)
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
            text="It is training." if live else "The return is 478.2, above the 475 at which the task is solved.",
            lines=() if live else ("return: 478.2 [476.9, 479.4], 95 % interval over 100 episodes",),
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
        left_out=("Pictures: crossing.gif (6.1 MB).",),
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
    """Very many trials, of which the first hundred have a short curve."""
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
            curve=short if index < 100 else Curve(),
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
        left_out=(bad,),
        versions={bad: bad},
    )


def without_plotly(text: str) -> str:
    """The file of a page without the script of Plotly, which loads much faster."""
    begin = text.index('<script type="text/plain"')
    return text[:begin] + text[text.index("</script>", begin) + 9 :]
