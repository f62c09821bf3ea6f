"""The emulator: accounts, kernels, datasets, faults and the journal behind one port."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.emulator.accounts import OPEN_METHODS, Accounts
from tests.emulator.datasets import Datasets
from tests.emulator.faults import Faults
from tests.emulator.journal import Journal
from tests.emulator.kernels import Kernels
from tests.emulator.server import Handler, Server
from tests.emulator.settings import Settings
from tests.emulator.signed import SignedAddresses
from tests.emulator.wire import read_request, write_answer

PORT_PATIENCE_S = 120.0

PORT = 7777
"""Port that kagglesdk uses for KAGGLE_API_ENVIRONMENT=TEST; it cannot be configured."""


class LoopbackKaggle:
    """A Kaggle on this computer.

    Attributes:
        bugs: Exceptions of the emulator itself; the test then fails, since its result means nothing.
        flooded_bytes: Bytes that endless answers have sent.
    """

    def __init__(self, root: Path, base: str, settings: Settings) -> None:
        self.settings = settings
        self.accounts = Accounts()
        self.faults = Faults()
        self.journal = Journal()
        self.signed = SignedAddresses(base, settings.now)
        self.datasets = Datasets(root, base, settings)
        self.kernels = Kernels(root, settings, self.datasets, self.signed)
        self.bugs: list[BaseException | None] = []
        self.flooded_bytes = 0
        self._serving: tuple[Server, threading.Thread] | None = None
        self._calls = {
            "SaveKernel": self.kernels.save,
            "GetKernel": self.kernels.get,
            "ListKernels": self.kernels.list,
            "GetKernelSessionStatus": self.kernels.status,
            "ListKernelSessionOutput": self.kernels.outputs,
            "GetAcceleratorQuotaStatistics": self.kernels.quota,
            "DeleteKernel": self.kernels.delete,
            "CancelKernelSession": self.kernels.sessions.cancel,
            "StartBlobUpload": self.datasets.start_upload,
            "CreateDataset": self.datasets.create,
            "CreateDatasetVersion": self.datasets.add_version,
            "GetDatasetStatus": self.datasets.status,
            "ListDatasetFiles": self.datasets.files,
        }

    def serve(self, server: Server) -> None:
        """Answer on a server's port."""
        server.kaggle = self
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        self._serving = (server, thread)

    def stop_serving(self) -> int:
        """End every connection and close the port; returns its number. The sessions go on."""
        assert self._serving is not None, "it does not serve"
        (server, thread), self._serving = self._serving, None
        server.shutdown()
        server.server_close()
        server.cut()
        thread.join()
        return server.server_port

    def restart(self) -> None:
        """Go away until a client was refused, and come back with everything that it knew."""
        port = self.stop_serving()
        with socket.create_server(("127.0.0.1", port)) as door:
            door.settimeout(PORT_PATIENCE_S)
            door.accept()[0].close()
        self.serve(_bind(port))

    def output_zip(self, plain: Any, authorization: str) -> Path:
        """The outputs of a session as one zip.

        Raises:
            Refused: The answer is an error.
        """
        request = read_request("kernels.KernelsApiService/DownloadKernelOutputZip", plain)
        return self.kernels.sessions.output_zip(request, self.accounts.who(authorization))

    def call(self, method: str, plain: Any, authorization: str) -> dict[str, Any]:
        """One call of the API.

        Raises:
            Refused: The answer is an error.
        """
        request = read_request(method, plain)
        name = method.rpartition("/")[2]
        if name in OPEN_METHODS:
            act = self.accounts.introspect if name == "IntrospectToken" else self.accounts.exchange
            return write_answer(act(request))
        account = self.accounts.who(authorization)
        return write_answer(self._calls[name](request, account))


def _bind(port: int) -> Server:
    """A server on the port; waits while another test run on this computer uses it."""
    give_up_s = time.monotonic() + PORT_PATIENCE_S
    while True:
        try:
            return Server(("127.0.0.1", port), Handler)
        except OSError:
            if time.monotonic() > give_up_s:
                raise
            time.sleep(0.1)


@contextmanager
def loopback_kaggle(root: Path, *, port: int = PORT, settings: Settings | None = None) -> Iterator[LoopbackKaggle]:
    """Context manager: runs an emulator.

    Args:
        root: Folder for kernels and datasets.
        port: 0 for any free port.
    """
    server = _bind(port)
    kaggle = LoopbackKaggle(root, f"http://localhost:{server.server_port}", settings or Settings())
    kaggle.serve(server)
    try:
        yield kaggle
    finally:
        kaggle.kernels.close()
        kaggle.stop_serving()
    assert not kaggle.bugs, kaggle.bugs
