"""The rows of the report of `doctor --first-session`: what this program assumes of Kaggle and could not try."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from orchestrator.core.diagnostics.health_check import Check


class Doubt(StrEnum):
    """One assumption; the value is the name of its row. docs/KAGGLE.md lists them in the same order."""

    KERNEL_OUTPUT = "kernel output"
    DATASET = "dataset"
    LOG = "live log"
    TIME_LIMIT = "time limit"
    ACCELERATOR = "accelerator"
    WHEELHOUSE = "wheelhouse"
    QUOTA = "quota"
    LISTING = "listing"
    IMAGE = "image"
    CANCEL = "cancel"
    MACHINE = "machine"


UNDECIDED: Mapping[Doubt, str] = {
    Doubt.KERNEL_OUTPUT: "the second session did not report its inputs",
    Doubt.DATASET: "the dataset was not ready in time, or the second session did not report its inputs",
    Doubt.LOG: "no session ran long enough while its log was read",
    Doubt.TIME_LIMIT: "the session with a short time limit was refused, or did not end at it",
    Doubt.ACCELERATOR: "cannot be decided here: it needs a GPU session, whose event `preflight` names it",
    Doubt.WHEELHOUSE: "the dataset was not ready in time, or the second session did not report its inputs",
    Doubt.QUOTA: "the quota could not be read before and after",
    Doubt.LISTING: "the listing could not be read",
    Doubt.IMAGE: "the first session's image could not be read back, or the second session did not run",
    Doubt.CANCEL: "cannot be decided here: the session did not show its number, which a cancel needs",
    Doubt.MACHINE: "no session reported its machine",
}
"""What a row says if no check decided it."""


def undecided(doubt: Doubt) -> Check:
    """The row of a doubt that stays open."""
    return Check(name=doubt.value, good=None, found=UNDECIDED[doubt], remote=True)
