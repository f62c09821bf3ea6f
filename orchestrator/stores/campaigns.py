"""Campaigns from YAML: every fault with its line and key, and the JSON Schema by which an editor finds it first."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from orchestrator.core.campaigns import Campaign
from orchestrator.core.cells import Settings
from orchestrator.core.errors import BadInput
from orchestrator.core.expansion import CardOf
from orchestrator.core.sections import SectionCard
from orchestrator.stores.configs import Loader, load_card, read_text, read_yaml, set_in_card

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


def campaign_path(folder: Path, name: str) -> Path:
    """The file that a word on the command line means: a path, or the name of a shipped campaign.

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
    plain = read_yaml(text, source)
    try:
        return _adapter().validate_json(json.dumps(plain, default=str))
    except ValidationError as fault:
        root = yaml.compose(text, Loader=Loader)
        lines = dict.fromkeys(f"{source}{line}" for line in _faults(fault, root))
        raise BadInput("\n".join(lines), remedy="Mend the named keys; nothing was started.") from fault


def card_reader(folder: Path) -> CardOf:
    """Reads the cards that a campaign needs, each file once.

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
    schema = _adapter().json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def on_backend(campaign: Campaign, name: str | None) -> Campaign:
    """The campaign on another backend than its file says, None for the file's own.

    Raises:
        BadInput: There is no such backend.
    """
    if name is None:
        return campaign
    if name not in ("local", "kaggle"):
        raise BadInput(f"there is no backend {name!r}", remedy="Known backends: local, kaggle.")
    return replace(campaign, backend=name)  # type: ignore[arg-type]  # one of the two, as was just asked


@lru_cache(maxsize=1)
def _adapter() -> TypeAdapter[Campaign]:
    return TypeAdapter(Campaign)


_WORDS = {"unexpected_keyword_argument": "unknown key", "missing": "missing"}


def _faults(fault: ValidationError, root: yaml.Node | None) -> Iterator[str]:
    for error in fault.errors(include_url=False):
        line, path = _place(root, error["loc"])
        told = _WORDS.get(error["type"]) or error["msg"].removeprefix("Value error, ")
        leaf = str(error["loc"][-1]) if error["loc"] else ""
        if error["type"] == "missing" and path[-1:] != [leaf]:
            path.append(leaf)
        hint = _hint(leaf) if told == "unknown key" else ""
        yield f", line {line}: {'.'.join(path) or 'the campaign'}: {told}{hint}"


def _place(root: yaml.Node | None, location: tuple[int | str, ...]) -> tuple[int, list[str]]:
    """Line and path of the deepest part of a location that the file has; pydantic's own words in it are no keys."""
    node, line, path = root, 1, list[str]()
    for part in location:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == str(part):
                    node, line = value, key.start_mark.line + 1
                    path.append(str(part))
                    break
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
            path.append(str(part))
    return line, path


def _hint(key: str) -> str:
    """Where an unknown key belongs, or which one may be meant."""
    schema = campaign_schema()
    if key in schema.get("properties", {}):
        return ", it belongs to the campaign itself, at the left margin"
    blocks = [schema, *schema.get("$defs", {}).values()]
    known = {name for block in blocks for name in block.get("properties", {})} - {key}
    near = difflib.get_close_matches(key, sorted(known), n=1)
    return f", did you mean {near[0]}?" if near else ""
