"""Sends checkpoints in a private dataset; it is used once its listing equals what was sent.

Kaggle unpacks archives in a dataset, and a `.zip` checkpoint is one, so every file is named by its digest with the
neutral suffix `.bin`. The kernel finds its inputs by digest, whatever their names.
"""

from __future__ import annotations

from orchestrator.backends.kaggle.client.datasets_api import DatasetsApi
from orchestrator.backends.kaggle.client.errors import ServiceFault
from orchestrator.backends.kaggle.session.push_errors import PROCESSING_WAIT_S
from orchestrator.core.errors import BadInput, NotYet
from orchestrator.core.section.lineage import short
from orchestrator.core.session.backend_types import CheckpointSet
from orchestrator.ports import Clock

_FORGET_S = 1800.0
"""Files that the listing does not show after this time are taken for lost and sent again."""


def dataset_slug(lineage_id: str) -> str:
    """Dataset of a lineage's checkpoints; each set is a new version."""
    return f"arz-checkpoints-{short(lineage_id)}"


def content_names(checkpoints: CheckpointSet) -> dict[str, int]:
    """Name in the dataset -> size in bytes: what its listing must show."""
    return {f"{entry.sha256}.bin": entry.size_bytes for entry in checkpoints.entries}


class CheckpointDataset:
    """Puts checkpoint sets into the datasets of one account."""

    def __init__(self, datasets: DatasetsApi, clock: Clock) -> None:
        self._datasets = datasets
        self._clock = clock
        self._sent: dict[str, tuple[dict[str, int], float]] = {}

    def stage(self, slug: str, checkpoints: CheckpointSet) -> None:
        """Make the dataset's current version hold exactly these files. Call again until it returns.

        Raises:
            NotYet: Kaggle is processing the version; call again.
            BadInput: Kaggle cannot process the files.
            ServiceFault: Kaggle cannot be reached.
        """
        wanted = content_names(checkpoints)
        listing = self._datasets.listing(slug)
        status = self._datasets.status(slug) if listing is not None else None
        if listing == wanted and status == "READY":
            self._sent.pop(slug, None)
            return
        if status == "FAILED" and self._was_sent(slug, wanted):
            raise BadInput(
                f"Kaggle could not process dataset {slug}", remedy=f"Delete dataset {slug} on kaggle.com and try again."
            )
        if status in (None, "READY", "FAILED") and not self._was_sent(slug, wanted):
            self._send(slug, checkpoints, new=listing is None)
        raise NotYet(
            f"dataset {slug} is being processed ({status or 'new'})",
            remedy="Small datasets take seconds to minutes.",
            wait_s=PROCESSING_WAIT_S,
        )

    def _send(self, slug: str, checkpoints: CheckpointSet, *, new: bool) -> None:
        paths = {f"{entry.sha256}.bin": checkpoints.root / entry.path for entry in checkpoints.entries}
        tokens = [self._datasets.upload(path, name) for name, path in sorted(paths.items())]
        # Noted before the request: if its answer is lost, the listing shows the outcome, and nothing is uploaded twice.
        self._sent[slug] = (content_names(checkpoints), self._clock.monotonic())
        try:
            if new:
                self._datasets.create(slug, slug, tokens)
            else:
                self._datasets.add_version(slug, f"{len(tokens)} files", tokens)
        except ServiceFault as fault:
            if not fault.undecided:
                del self._sent[slug]
                raise

    def _was_sent(self, slug: str, wanted: dict[str, int]) -> bool:
        sent = self._sent.get(slug)
        return sent is not None and sent[0] == wanted and self._clock.monotonic() - sent[1] < _FORGET_S
