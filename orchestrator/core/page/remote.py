"""Adds to a page what its sessions on other backends reported when they were last asked."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.core.page.page import Page


def with_reports_of(asked: Page, page: Page) -> Page:
    """A page with the progress that an earlier reading got from the backends.

    Args:
        asked: The earlier reading, which asked the backends.
        page: Read later, from the ledger and the sessions on this computer.
    """
    silent = {one.slug for one in page.sessions if one.in_flight and one.reported_at is None}
    reports = {one.slug: one for one in asked.sessions if one.slug in silent and one.reported_at is not None}
    if not reports:
        return page
    progressed = {one.lineage_id for one in reports.values()}
    rows = {one.lineage_id: one for one in asked.trainings if one.lineage_id in progressed}
    return replace(
        page,
        sessions=tuple(reports.get(one.slug, one) for one in page.sessions),
        trainings=tuple(rows.get(one.lineage_id, one) for one in page.trainings),
    )
