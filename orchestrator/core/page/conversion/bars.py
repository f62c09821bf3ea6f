"""The sessions of a training as bars over wall time."""

from __future__ import annotations

from datetime import timedelta

from orchestrator.core.ledger.records import SessionRecord, Stage
from orchestrator.core.page.conversion.chain import Chain
from orchestrator.core.page.sessions import Session
from orchestrator.core.reporting.durations import duration_s


def bars_of(chain: Chain) -> list[Session]:
    """Every session of a training that exists or existed on a backend, oldest first."""
    return [_bar(chain, one) for one in chain.everything if not one.never_submitted]


def _bar(chain: Chain, record: SessionRecord) -> Session:
    in_flight = record.stage is not Stage.CLOSED
    live = chain.live if in_flight and chain.live is not None and chain.live.session == record.slug else None
    reports, kind = chain.reports.get(record.key), record.kind
    return Session(
        slug=record.slug,
        lineage_id=record.lineage_id,
        training=chain.label if chain.seed is None else f"{chain.label} seed {chain.seed}",
        backend=record.backend,
        kind="" if kind is None else kind.value,
        began_at=record.began_at.isoformat(),
        ended_at=None if in_flight else _ended_at(chain, record),
        end_reason="" if in_flight else record.end_reason or "",
        in_flight=in_flight,
        steps_start=record.steps_begun or 0,
        steps_done=live.steps if live is not None else steps_of(record),
        target_steps=record.target_steps,
        grade=chain.grade_of(record),
        attempt=record.attempt,
        image=str((record.machine or {}).get("docker_image") or ""),
        code_digest=str(record.ticket["bundle_digest"]),
        kernel=record.kernel or "",
        steps_per_s=live.steps_per_s if live is not None else reports.steps_per_s if reports else None,
        eta_s=live.eta_s if live is not None else None,
        reported_at=live.reported_at if live is not None else None,
        problems=record.problems,
    )


def steps_of(record: SessionRecord) -> int | None:
    """Steps of a session's last save; None if it is unknown.

    A session that was killed has no manifest: the steps that its restore put in place are those of its last save.
    """
    if record.steps_done is not None:
        return record.steps_done
    return record.models_steps if record.stage is Stage.CLOSED else record.steps_begun


def _ended_at(chain: Chain, record: SessionRecord) -> str | None:
    """When a session ended: by its manifest, else its latest report, which a killed session wrote shortly before."""
    if record.ended_at is not None:
        return record.ended_at
    took_s = duration_s(record, chain.curve(record))
    return None if took_s is None else (record.began_at + timedelta(seconds=took_s)).isoformat()
