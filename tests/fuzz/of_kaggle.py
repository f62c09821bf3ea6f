"""What Kaggle answers: states, listings, kernels, quotas, datasets, errors; through the official SDK's own types."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import requests
from kagglesdk.datasets.types import dataset_api_service as of_datasets
from kagglesdk.kernels.types import kernels_api_service as of_kernels

from orchestrator.backends.kaggle.client.api import KaggleApi
from orchestrator.backends.kaggle.client.connection import Connection
from orchestrator.backends.kaggle.client.datasets_api import DatasetsApi
from orchestrator.backends.kaggle.client.errors import ServiceFault
from orchestrator.backends.kaggle.client.mapping import SaveRequest, observation
from orchestrator.backends.kaggle.diagnosis.readings import machine_check, report_in
from orchestrator.backends.kaggle.session.listing import list_outputs
from orchestrator.backends.kaggle.session.push_errors import refusal
from tests.fuzz.kind import Kind, require_plain

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class _Service:
    """A client of the SDK that gets the same body as the answer to every request."""

    def __init__(self, body: bytes, connection: Connection) -> None:
        self._response = requests.Response()
        self._response.status_code = 200
        self._response._content = body
        self._response.headers["Content-Type"] = "application/json"
        self._look_at = connection._look_at

    def __getattr__(self, name: str) -> Any:
        kinds = {
            **{"save_kernel": of_kernels.ApiSaveKernelResponse, "get_kernel": of_kernels.ApiGetKernelResponse},
            "get_kernel_session_status": of_kernels.ApiGetKernelSessionStatusResponse,
            "list_kernels": of_kernels.ApiListKernelsResponse,
            "list_kernel_session_output": of_kernels.ApiListKernelSessionOutputResponse,
            "get_accelerator_quota_statistics": of_kernels.ApiGetAcceleratorQuotaStatisticsResponse,
            "cancel_kernel_session": of_kernels.ApiCancelKernelSessionResponse,
            "list_dataset_files": of_datasets.ApiListDatasetFilesResponse,
            "get_dataset_status": of_datasets.ApiGetDatasetStatusResponse,
        }

        def answer(request: Any) -> Any:
            self._look_at(self._response)
            return kinds[name].prepare_from(self._response)

        return answer


def _apis(body: bytes) -> tuple[KaggleApi, DatasetsApi, Connection]:
    connection = Connection(None, now=lambda: NOW)
    service = _Service(body, connection)
    connection.client = SimpleNamespace(
        kernels=SimpleNamespace(kernels_api_client=service), datasets=SimpleNamespace(dataset_api_client=service)
    )
    once = cast(Any, lambda call: call())
    return KaggleApi(connection, "ana", once), DatasetsApi(connection, "ana", once), connection


def _read_answer(content: bytes, scratch: Path) -> bool:
    api, datasets, connection = _apis(content)
    wanted = SaveRequest(
        owner="ana", slug="x", source="", gpu=False, machine_shape=None, internet=False, session_timeout_s=60
    )
    asked = (
        lambda: observation(*api.status("ana", "x")).native,
        lambda: [repr(api.kernel("ana", "x"))],
        lambda: list(api.kernel_slugs()),
        lambda: repr(list_outputs(api, "ana", "x").refused),
        lambda: [repr(one) for one in api.quotas()],
        lambda: api.cancel_session(1),
        lambda: repr(refusal(api.save_kernel(wanted), wanted.slug, None)),
        lambda: datasets.status("x"),
        lambda: repr(datasets.listing("x")),
    )
    good = 0
    for ask in asked:
        try:
            require_plain(ask())
            good += 1
        except ServiceFault as fault:
            require_plain(str(fault))
    response = requests.Response()
    response.status_code, response._content = 500, content
    require_plain(str(connection.fault("state", response, "x")))
    return good > 0


_ANSWERS: tuple[dict[str, Any], ...] = (
    {"status": "RUNNING", "failureMessage": "none"},
    {
        "metadata": {
            "ref": "ana/x",
            "currentVersionNumber": 1,
            "isPrivate": True,
            "lastRunTime": "2026-01-01T00:00:00Z",
        },
        "blob": {"source": "print(1)"},
    },
    {"kernels": [{"ref": "ana/x"}, {"ref": "ana/y"}], "nextPageToken": ""},
    {"files": [{"fileName": "a.csv", "url": "https://x/a"}], "log": "[]", "nextPageToken": ""},
    {
        "gpuQuota": {"timeUsed": "3600.5s", "timeReserved": "0s", "totalTimeAllowed": "108000s"},
        "quotaRefreshTime": "2026-01-03T00:00:00Z",
    },
    {"ref": "ana/x", "versionNumber": 1, "error": "", "invalidDatasetSources": ["a"]},
    {"datasetFiles": [{"name": "a", "totalBytes": 5}], "status": "READY", "errorMessage": "no"},
    {"code": 403, "message": "denied"},
)
_PROBE = {"python": "3.11", "cpus": 4, "memory_gb": 31.0, "variables": [], "found": {"a": "b"}, "mounts": ["b"]}


def _read_probe(content: bytes, scratch: Path) -> bool:
    report = report_in(["SESSION_ID 1", *content.decode("utf-8", "replace").split("\n")])
    check = machine_check(report)
    require_plain(check and check.found)
    return report is not None


KINDS = (
    Kind(name="Kaggle's answers", seeds=tuple(json.dumps(one).encode() for one in _ANSWERS), read=_read_answer),
    Kind(name="probe report", seeds=(b"REPORT " + json.dumps(_PROBE).encode(),), read=_read_probe),
)
