"""Sessions by their number: cancel one, and its outputs as one zip.

Source: what published tools report that cancel by the number in KAGGLE_CONTAINER_NAME (see docs/KAGGLE.md).
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kagglesdk.kernels.types import kernels_api_service as api

from tests.emulator.settings import Settings
from tests.emulator.wire import Refused

if TYPE_CHECKING:
    from tests.emulator.kernels import Kernel


@dataclass
class Sessions:
    """The sessions of all kernels; they are named by their own number only, not by that of a kernel or a version."""

    kernels: Mapping[tuple[str, str], Kernel]
    settings: Settings

    def cancel(self, request: Any, account: str) -> api.ApiCancelKernelSessionResponse:
        """Ask a session to end; only the account that started it may."""
        kernel = self._own(request.kernel_session_id, account, "kernelSessions.cancel")
        answer = api.ApiCancelKernelSessionResponse()
        if kernel.cancelled or kernel.ended.is_set():
            answer.error_message = "The session is not running"
        elif not self.settings.ignores_cancel:
            kernel.cancelled = True
            kernel.machine.cancel(self.settings.cancel_grace_s)
        return answer

    def output_zip(self, request: Any, account: str) -> Path:
        """A zip with the outputs that are listed now."""
        kernel = self._own(request.kernel_session_id, account, "kernelSessions.get")
        if not self.settings.offers_zip:
            raise Refused(403, "Permission 'kernelSessions.get' was denied")
        if not kernel.ended.is_set():
            raise Refused(404, "No output")
        made = kernel.folder / "output.zip"
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in self.shown(kernel):
                archive.write(path, path.relative_to(kernel.outputs).as_posix())
        return made

    def shown(self, kernel: Kernel) -> list[Path]:
        """The saved outputs that are listed now: all, or a growing part while a cancelled session is saved."""
        paths = sorted(path for path in kernel.outputs.rglob("*") if path.is_file())
        left, whole = kernel.cancel_looks, self.settings.cancel_looks
        return paths[: len(paths) * (whole - left) // whole] if kernel.cancelled and left > 0 else paths

    def _own(self, session_id: int, account: str, permission: str) -> Kernel:
        for kernel in self.kernels.values():
            if kernel.session_id == session_id and kernel.owner == account:
                return kernel
        # The service does not say whether it exists.
        raise Refused(403, f"Permission '{permission}' was denied")
