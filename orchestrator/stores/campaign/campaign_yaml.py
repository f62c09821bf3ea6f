"""Read campaigns from YAML, with line and key of every fault, and write their JSON Schema for editors."""

from __future__ import annotations

import difflib
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, get_args

from pydantic import TypeAdapter

from orchestrator.core.campaign.config import Campaign
from orchestrator.core.campaign.expansion import CardOf
from orchestrator.core.campaign.session_slots import Sessions
from orchestrator.core.errors import BadInput
from orchestrator.core.section.card import BackendName, SectionCard
from orchestrator.core.section.overrides import Settings
from orchestrator.core.section.site import KAGGLE
from orchestrator.stores.section.card_yaml import load_card, read_yaml, set_in_card
from orchestrator.stores.yaml.document import SHARED, read_document
from orchestrator.stores.yaml.schema_faults import checked
from orchestrator.stores.yaml.text_files import read_text

EXAMPLE = "configs/campaigns/smoke.yaml"

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


def campaign_path(folder: Path, name: str) -> Path:
    """The file that an argument names: a path, or the name of a shipped campaign.

    Raises:
        BadInput: There is no such file.
    """
    given = Path(name)
    if given.suffix in (".yaml", ".yml"):
        if given.is_file():
            return given
        if (folder / given.name).is_file() and given.parent == Path():
            return folder / given.name
        raise BadInput(f"there is no campaign file {name}", remedy="Give a path that exists.")
    path = folder / f"{name}.yaml"
    if path.is_file():
        return path
    known = sorted(found.stem for found in folder.glob("*.yaml"))
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {near[0]}?" if near else f"Known campaigns: {', '.join(known) or 'none'}."
    raise BadInput(f"there is no campaign {name!r}", remedy=hint)


def load_campaign(path: Path) -> Campaign:
    """Read and check a campaign.

    Raises:
        BadInput: Unreadable YAML, or any number of wrong keys and values, each with its line.
    """
    campaign = parse_campaign(read_text(path), path.name)
    if campaign.campaign != path.stem or not _NAME.fullmatch(campaign.campaign):
        raise BadInput(
            f"{path.name}: campaign is {campaign.campaign!r}",
            remedy="It must be the file's name: lower-case letters, digits, - and _.",
        )
    return campaign


def parse_campaign(text: str, source: str) -> Campaign:
    """Check the text of a campaign.

    Raises:
        BadInput: See `load_campaign`.
    """
    return checked(read_document(text, source), Campaign, source, whole="campaign", example=EXAMPLE)


def card_reader(folder: Path) -> CardOf:
    """A reader of the cards that a campaign needs; reads each file once.

    Args:
        folder: `configs/sections`.
    """

    @cache
    def file_of(section: str) -> tuple[SectionCard, Any]:
        card = load_card(folder, section)
        return card, read_yaml(read_text(folder / f"{section}.yaml"), f"{section}.yaml")

    def card_of(section: str, settings: Settings) -> SectionCard:
        card, plain = file_of(section)
        return set_in_card(card, plain, settings) if settings else card

    return card_of


def campaign_schema() -> dict[str, Any]:
    """JSON Schema of a campaign file, for editors."""
    schema = TypeAdapter(Campaign).json_schema()
    shared = {f"^{SHARED}": {"description": "A block that is only shared: an anchor for aliases and merge keys."}}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "patternProperties": shared}


def on_backend(campaign: Campaign, name: str | None) -> Campaign:
    """The campaign with the backend of `name`; None keeps those of the file.

    Raises:
        BadInput: There is no such backend, or the file names several others.
    """
    if name is None:
        return campaign
    if name not in (known := get_args(BackendName)):
        raise BadInput(f"there is no backend {name!r}", remedy=f"Known backends: {', '.join(known)}.")
    if campaign.backends is None:
        return replace(campaign, backend=name)  # type: ignore[arg-type]  # one of them, checked above
    for backend, limits in campaign.backends.items():
        if backend == name:
            sessions = limits.sessions
            kinds = sessions if isinstance(sessions, Sessions) else None
            count = sessions if isinstance(sessions, int) else None
            budget = campaign.weekly_gpu_hours if backend == KAGGLE else None
            return replace(
                campaign, backend=backend, backends=None, sessions=kinds, concurrency=count, weekly_gpu_hours=budget
            )
    raise BadInput(
        f"{campaign.campaign} does not name the backend {name!r}",
        remedy=f"It names {', '.join(campaign.backends)}. Add the other one to `backends`, with its sessions.",
    )
