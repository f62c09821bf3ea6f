"""The dataset of `doctor --first-session`: a checkpoint under its digest, and a wheel."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.backends.kaggle.client.datasets_api import DatasetsApi
from orchestrator.backends.kaggle.diagnosis.probe import save_checkpoint, write_zip
from orchestrator.ports import Clock

DATASET = "orchestrator-first-session"
WHEEL = "probe-1.0-py3-none-any.whl"
_LOOK_EVERY_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeFiles:
    """The files that the second session looks for.

    Attributes:
        checkpoint_sha256: Of the checkpoint that the first session saves; the dataset holds other bytes.
        dataset: sha256 -> name in the dataset, of the files that were sent.
        sizes: Name -> size in bytes, as sent.
        listed: Name -> size in bytes, as Kaggle lists them; empty until it lists any.
        ready: Whether Kaggle says that the dataset is ready.
    """

    checkpoint_sha256: str
    dataset: Mapping[str, str]
    sizes: Mapping[str, int]
    listed: Mapping[str, int]
    ready: bool = False

    @property
    def digest_of(self) -> dict[str, str]:
        """Name in the dataset -> sha256."""
        return {name: digest for digest, name in self.dataset.items()}


class ProbeDataset:
    """Sends the dataset once; later checks use it again.

    Args:
        folder: Empty folder for the files.
        patience_s: Longest wait until Kaggle says that it is ready.
    """

    def __init__(self, datasets: DatasetsApi, clock: Clock, folder: Path, patience_s: float) -> None:
        self._datasets = datasets
        self._clock = clock
        self._folder = folder
        self._patience_s = patience_s

    def stage(self) -> ProbeFiles:
        """Send the files unless they are there, and wait until they are ready.

        Raises:
            ServiceFault: Kaggle refused them or does not answer.
        """
        paths = self._files()
        digests = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in paths.items()}
        save_checkpoint(self._folder / "saved.zip")
        files = ProbeFiles(
            checkpoint_sha256=hashlib.sha256((self._folder / "saved.zip").read_bytes()).hexdigest(),
            dataset={digest: name for name, digest in digests.items()},
            sizes={name: path.stat().st_size for name, path in paths.items()},
            listed={},
        )
        listed = self._datasets.listing(DATASET)
        if not listed:
            tokens = [self._datasets.upload(path, name) for name, path in sorted(paths.items())]
            if listed is None:
                self._datasets.create(DATASET, DATASET, tokens)
            else:
                self._datasets.add_version(DATASET, f"{len(tokens)} files", tokens)
        return self._settled(files)

    def _files(self) -> dict[str, Path]:
        checkpoint, wheel = self._folder / "carried.zip", self._folder / WHEEL
        for path, text in ((checkpoint, "carried"), (wheel, "Wheel-Version: 1.0")):
            write_zip(path, text * 512)
        return {f"{hashlib.sha256(checkpoint.read_bytes()).hexdigest()}.bin": checkpoint, WHEEL: wheel}

    def _settled(self, files: ProbeFiles) -> ProbeFiles:
        until_s = self._clock.monotonic() + self._patience_s
        while True:
            listed, late = self._datasets.listing(DATASET) or {}, self._clock.monotonic() >= until_s
            ready = bool(listed) and self._datasets.status(DATASET) == "READY"
            if ready or late:
                return replace(files, listed=listed, ready=ready)
            self._clock.sleep(_LOOK_EVERY_S)
