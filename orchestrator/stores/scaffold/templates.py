"""Renders the files of a new project from `kernel_templates/project`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_FOLDER = Path(__file__).resolve().parents[3] / "kernel_templates" / "project"

FILES = {
    "section.yaml.j2": "configs/sections/{name}.yaml",
    "campaign.yaml.j2": "configs/campaigns/{name}.yaml",
    "requirements.txt.j2": "{script_folder}requirements.txt",
    "gitignore.j2": ".gitignore",
    "workflow.yml.j2": ".github/workflows/train.yml",
    "README.md.j2": "README.md",
}
"""Template -> path below the project."""


def render(template: str, **values: Any) -> bytes:
    """The file of a template, with LF line ends, in UTF-8."""
    # GitHub's workflows use {{ }} themselves, and Python and YAML use braces.
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        undefined=StrictUndefined,
        block_start_string="[%",
        block_end_string="%]",
        variable_start_string="[[",
        variable_end_string="]]",
        comment_start_string="[#",
        comment_end_string="#]",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters["quoted"] = lambda text: json.dumps(text, ensure_ascii=False)
    environment.filters["digits"] = lambda number: f"{number:_}"
    return environment.get_template(template).render(**values).encode("utf-8")
