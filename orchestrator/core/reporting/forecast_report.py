"""The plan of a campaign as JSON and text: a row for each variant, and the sessions and hours still to come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from orchestrator.core.campaign.config import Campaign
from orchestrator.core.campaign.trial_status import TrialStatus
from orchestrator.core.reporting.backend_rows import backend_rows, site_word, to_come
from orchestrator.core.reporting.session_kinds import kind_notes
from orchestrator.core.scheduling.packs import tasks_of_array
from orchestrator.core.scheduling.quota import WEEK_S, week_of
from orchestrator.core.scheduling.simulation import Forecast
from orchestrator.core.scheduling.speeds import Speeds
from orchestrator.core.scheduling.workload import RemainingWork
from orchestrator.core.search.progress import SearchProgress
from orchestrator.core.section.session_kind import SessionKind
from orchestrator.core.section.site import KAGGLE, Site
from orchestrator.core.session.time_budget import Quota


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignForecast:
    """What is done and what remains.

    Attributes:
        loads: Remaining work of the trials that exist.
        rates: Training speed of each variant.
        ahead: Forecast of the sessions to come, proposals of searches included.
        searches: Progress of each search.
        quota: The service's quota, None if unknown.
        per_week: Site -> trainings that its sessions can complete in a full week.
        places: Site -> trainings that share a session.
        alone: The same forecast, and the trainings in a week, with every training in its own session; None if they are.
    """

    campaign: Campaign
    standings: Sequence[TrialStatus]
    loads: Sequence[RemainingWork]
    rates: Speeds
    ahead: Forecast
    now: datetime
    searches: Sequence[SearchProgress] = ()
    quota: Quota | None = None
    per_week: Mapping[Site, float] = field(default_factory=dict)
    places: Mapping[Site, int] = field(default_factory=dict)
    alone: tuple[Forecast, Mapping[Site, float]] | None = None

    @property
    def finish(self) -> datetime:
        """Expected end of the last session."""
        return self.now + timedelta(seconds=self.ahead.makespan_s)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON form."""
        week_start, _ = week_of(self.now, self.quota)
        counts = Counter(one.state.value for one in self.standings)
        return {
            "campaign": self.campaign.campaign,
            "backend": ", ".join(self.campaign.limits),
            "concurrency": self.campaign.slots.total,
            **self._kinds_json(),
            **self._backends_json(),
            "trials": len([one for one in self.standings if not one.trial.spare]),
            "states": dict(counts),
            "variants": list(self._variants()),
            "searches": [one.to_json() for one in self.searches],
            **self._packing_json(),
            "sessions": self.ahead.sessions,
            "compute_h": round(self.ahead.compute_s / 3600, 2),
            "makespan_h": round(self.ahead.makespan_s / 3600, 2),
            "least_possible_h": round(self.ahead.bound_s / 3600, 2),
            "finish": self.finish.astimezone(UTC).isoformat(timespec="minutes"),
            "weeks": [
                {
                    "from": (week_start + index * timedelta(seconds=WEEK_S)).isoformat(timespec="minutes"),
                    "quota_h": round(used_s / 3600, 2),
                }
                for index, used_s in enumerate(self.ahead.weeks)
            ],
            "unfinished": len(self.ahead.unfinished),
        }

    def _packing_json(self) -> dict[str, Any]:
        """What concerns packs; empty if each training has its own session."""
        if self.alone is None:
            return {}
        ahead, per_week = self.alone
        return {
            "places": {site_word(site): number for site, number in self.places.items()},
            "kernels": self.ahead.kernels,
            "alone": {
                "kernels": ahead.kernels,
                "compute_h": round(ahead.compute_s / 3600, 2),
                "makespan_h": round(ahead.makespan_s / 3600, 2),
                "trainings_per_week": {site_word(site): round(number, 1) for site, number in per_week.items()},
            },
        }

    def _kinds_json(self) -> dict[str, Any]:
        """What concerns the kinds of Kaggle sessions; empty on another backend."""
        if self.campaign.backend != KAGGLE:
            return {}
        slots, by_kind = self.campaign.slots, self.campaign.sessions is not None
        sites = {kind: Site(KAGGLE, kind) for kind in SessionKind}
        return {
            "sessions_by_kind": {kind.value: slots.of(site) for kind, site in sites.items()} if by_kind else None,
            "to_come_by_kind": {site_word(site): to_come(*found) for site, found in self.ahead.sites.items()},
            "trainings_per_week": {site_word(site): round(number, 1) for site, number in self.per_week.items()},
            "notes": self._notes(),
        }

    def _backends_json(self) -> dict[str, Any]:
        """What concerns each of several backends; empty for one."""
        if self.campaign.backend is not None:
            return {}
        return {
            "backends": backend_rows(self.campaign, self.standings, self.ahead, self.per_week),
            "notes": self._notes(),
        }

    def _notes(self) -> list[str]:
        kinds = kind_notes(self.campaign, self.standings, self.rates, self.loads, self.per_week)
        return [*kinds, *self._waiting_in_kernels()]

    def _waiting_in_kernels(self) -> Iterator[str]:
        """Which kernels would hold more trainings than their machine runs side by side."""
        if not self.standings:
            return
        card = self.standings[0].trial.card
        pack = self.campaign.pack or card.pack
        for site, number in self.places.items():
            if tasks_of_array(card, site.backend) > 1:
                continue
            if pack != "auto" and pack > number:
                where = f"a {self.campaign.slots.name(site)} session" if site.kind else "a machine"
                yield f"pack: {pack}: {where} runs {number} side by side, the others wait: planned with {number}"

    def _variants(self) -> Iterator[dict[str, Any]]:
        by_index = {load.index: load for load in self.loads}
        rows: dict[int, list[TrialStatus]] = {}
        for one in self.standings:
            rows.setdefault(one.trial.variant.index, []).append(one)
        for index, members in rows.items():
            variant = members[0].trial.variant
            left = [by_index[one.trial.index] for one in members if one.trial.index in by_index]
            yield {
                "variant": variant.label,
                "section": variant.card.section,
                "profile": variant.profile,
                "target_steps": variant.sizes.target_steps,
                "seeds": variant.completed,
                "states": dict(Counter(one.state.value for one in members)),
                "sessions": sum(load.sessions for load in left),
                "compute_h": round(sum(load.wall_s for load in left) / 3600, 2),
                "steps_per_s": round(self.rates.of(variant), 1),
                "measured": index in self.rates.measured,
                "session_too_short": any(load.too_short for load in left),
            }

    def lines(self) -> list[str]:
        """The plan as lines of text."""
        plain = self.to_json()
        rows = plain["variants"]
        wide = max((len(row["variant"]) for row in rows), default=0)
        lines = [
            f"{plain['campaign']} on {plain['backend']}: {plain['trials']} trials in {len(rows)} variants, "
            f"{self.campaign.slots} session(s) at a time{self._packed()}"
        ]
        for row in rows:
            states = ", ".join(f"{count} {state}" for state, count in row["states"].items())
            speed = f"{row['steps_per_s']:.0f} steps/s {'measured' if row['measured'] else 'assumed'}"
            to = f"to {row['target_steps']} steps"
            if row["target_steps"] is None:
                to, speed = "without target", "one full session assumed"
            lines.append(
                f"  {row['variant']:<{wide}}  {to}  {states:<22} "
                f"{row['sessions']:>4} sessions  {row['compute_h']:>8.2f} h  {speed}"
            )
        if short := [row["variant"] for row in rows if row["session_too_short"]]:
            lines.append(
                f"A session of {', '.join(short)} is too short to train: it takes no longer than assume.start_s + "
                "assume.save_s. Raise the profile's deadline_s or correct assume"
            )
        return [*lines, *self.rest_lines()]

    def rest_lines(self) -> list[str]:
        """The progress of the searches and the rest of the campaign, as lines of text."""
        plain = self.to_json()
        lines = [line for one in self.searches for line in one.lines()]
        if self.standings and not plain["sessions"] and all(one.state.final for one in self.standings):
            return [*lines, "Nothing left to run"]
        lines.append(
            f"To come: {plain['sessions']} sessions{self._by_kind()}, {plain['compute_h']} h of computing, "
            f"{plain['makespan_h']} h until the end (lower bound {plain['least_possible_h']} h)"
        )
        for backend, row in plain.get("backends", {}).items():
            lines.append(
                f"  on {backend}: {row['slots']} at a time, {row['in_flight']} in flight, "
                f"{row['sessions']} sessions to come, {row['compute_h']} h of computing"
            )
        if self.per_week:
            lines.append(f"Trainings a week, while enough are ready: {self._weekly(self.per_week)}")
        if self.alone is not None:
            ahead, per_week = self.alone
            lines.append(
                f"These share {_kernels(self.ahead)}. Each in its own: {_kernels(ahead)}, "
                f"{ahead.compute_s / 3600:.2f} h of computing, {ahead.makespan_s / 3600:.2f} h until the end"
                + (f", trainings a week: {self._weekly(per_week)}" if per_week else "")
            )
        if plain["weeks"]:
            weeks = ", ".join(f"{week['from'][:10]} {week['quota_h']} h" for week in plain["weeks"])
            lines.append(f"Quota by week: {weeks}")
        if plain["unfinished"]:
            lines.append(f"{plain['unfinished']} trial(s) cannot be completed before the deadline or in a week's quota")
        lines.append(
            f"Expected end: {self.finish.astimezone(UTC):%A %Y-%m-%d %H:%M} UTC" if self.standings else "Nothing to do"
        )
        return [*lines, *self._notes()]

    def _by_kind(self) -> str:
        """How many of the sessions are at which site, if there are several."""
        if len(self.ahead.sites) < 2:
            return ""
        name = self.campaign.slots.name
        each = (f"{sessions} {name(site)}" for site, (sessions, _) in self.ahead.sites.items())
        return f" ({', '.join(each)})"

    def _packed(self) -> str:
        if self.alone is None:
            return ""
        if len(set(self.places.values())) == 1:
            return f", each with up to {next(iter(self.places.values()))} trainings"
        name = self.campaign.slots.name
        each = " and ".join(f"{number} in a {name(site)} session" for site, number in self.places.items())
        return f", with up to {each} together"

    def _weekly(self, per_week: Mapping[Site, float]) -> str:
        name = self.campaign.slots.name
        each = ", ".join(f"{number:.1f} in {name(site)} sessions" for site, number in per_week.items())
        return f"{sum(per_week.values()):.1f} ({each})" if len(per_week) > 1 else each


def _kernels(ahead: Forecast) -> str:
    return f"{ahead.kernels} kernel{'s' * (ahead.kernels != 1)}"
