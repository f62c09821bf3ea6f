"""Why sessions ended badly: of each training the ending of its latest run, and those of its earlier sessions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from orchestrator.core.autopsy.verdicts import Autopsy
from orchestrator.core.ledger.records import RunRecord, SessionRecord, Stage
from orchestrator.core.page.conversion.chain import Chain
from orchestrator.core.run.summary import GOOD_ENDS
from orchestrator.core.session.end_reason import EFFECTS, Effect
from orchestrator.stores.project import Project
from orchestrator.wiring.page.reading import PageReader

_MOST_AUTOPSIES = 200
_GOOD = frozenset(reason.value for reason, effect in EFFECTS.items() if effect in (Effect.GO_ON, Effect.HALT))


def autopsies_of(project: Project, reader: PageReader, chains: Sequence[Chain]) -> dict[str, Autopsy]:
    """Lineage id -> why the latest run of a training ended badly; of very many, the newest ones."""
    bad = [one.run for one in chains if one.run is not None and _ended_badly(one.run) and not one.in_flight]
    if not bad:
        return {}
    bad.sort(key=lambda run: run.ended_at or "")
    if len(bad) > _MOST_AUTOPSIES:
        reader.left_out.append(f"{len(bad)} trainings ended badly: the newest {_MOST_AUTOPSIES} are examined.")
    from orchestrator.wiring.autopsies import autopsies

    with autopsies(project) as examined:
        return {run.lineage_id: examined.of_run(run.run_id) for run in bad[-_MOST_AUTOPSIES:]}


def with_endings(
    project: Project, reader: PageReader, chains: Sequence[Chain], latest: Mapping[str, Autopsy]
) -> list[Chain]:
    """The trainings, each with the autopsies of its bad endings.

    Args:
        latest: Lineage id -> autopsy of the training's end; the session that it is about is not examined again.
    """
    earlier = _of_sessions(
        project, reader, [record for one in chains for record in _bad_sessions(one, one.lineage_id in latest)]
    )
    return [
        replace(
            one,
            autopsy=latest.get(one.lineage_id),
            earlier={record.slug: earlier[record.key] for record in one.everything if record.key in earlier},
        )
        for one in chains
    ]


def _bad_sessions(chain: Chain, explained: bool) -> list[SessionRecord]:
    bad = [
        one
        for one in chain.everything
        if one.stage is Stage.CLOSED and not one.never_submitted and one.end_reason not in (None, *_GOOD)
    ]
    return bad[:-1] if explained and bad and bad[-1] is chain.everything[-1] else bad


def _of_sessions(project: Project, reader: PageReader, bad: Sequence[SessionRecord]) -> dict[str, Autopsy]:
    """Key of a session -> why it ended; of very many, the newest ones."""
    if len(bad) > _MOST_AUTOPSIES:
        reader.left_out.append(f"{len(bad)} further sessions ended badly: the newest {_MOST_AUTOPSIES} are examined.")
        bad = sorted(bad, key=lambda one: one.planned_at)[-_MOST_AUTOPSIES:]
    if not bad:
        return {}
    from orchestrator.wiring.autopsies import autopsies

    with autopsies(project) as examined:
        return dict(examined.of_sessions([one.key for one in bad]))


def _ended_badly(run: RunRecord) -> bool:
    return run.ended_at is not None and run.end_reason not in GOOD_ENDS
