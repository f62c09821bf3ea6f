"""Reads requests strictly and writes answers, in the format of kagglesdk. Contains no behaviour of the service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kagglesdk.blobs.types import blob_api_service as blobs
from kagglesdk.datasets.types import dataset_api_service as datasets
from kagglesdk.kaggle_object import KaggleObject, ListSerializer
from kagglesdk.kernels.types import kernels_api_service as kernels
from kagglesdk.security.types import oauth_service as oauth
from kagglesdk.users.types import account_service as users

REQUESTS: Mapping[str, type[KaggleObject]] = {
    "kernels.KernelsApiService/SaveKernel": kernels.ApiSaveKernelRequest,
    "kernels.KernelsApiService/GetKernel": kernels.ApiGetKernelRequest,
    "kernels.KernelsApiService/ListKernels": kernels.ApiListKernelsRequest,
    "kernels.KernelsApiService/GetKernelSessionStatus": kernels.ApiGetKernelSessionStatusRequest,
    "kernels.KernelsApiService/ListKernelSessionOutput": kernels.ApiListKernelSessionOutputRequest,
    "kernels.KernelsApiService/GetAcceleratorQuotaStatistics": kernels.ApiGetAcceleratorQuotaStatisticsRequest,
    "kernels.KernelsApiService/DeleteKernel": kernels.ApiDeleteKernelRequest,
    "kernels.KernelsApiService/CancelKernelSession": kernels.ApiCancelKernelSessionRequest,
    "kernels.KernelsApiService/DownloadKernelOutputZip": kernels.ApiDownloadKernelOutputZipRequest,
    "datasets.DatasetApiService/CreateDataset": datasets.ApiCreateDatasetRequest,
    "datasets.DatasetApiService/CreateDatasetVersion": datasets.ApiCreateDatasetVersionRequest,
    "datasets.DatasetApiService/GetDatasetStatus": datasets.ApiGetDatasetStatusRequest,
    "datasets.DatasetApiService/ListDatasetFiles": datasets.ApiListDatasetFilesRequest,
    "blobs.BlobApiService/StartBlobUpload": blobs.ApiStartBlobUploadRequest,
    "security.OAuthService/IntrospectToken": oauth.IntrospectTokenRequest,
    "users.AccountService/GenerateAccessToken": users.GenerateAccessTokenRequest,
}


class Refused(Exception):
    """An error answer: HTTP status and message of the service."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def read_request(method: str, plain: Any) -> Any:
    """The request object of a call.

    Raises:
        Refused: The method or a field is unknown, or a value has a wrong type.
    """
    if method not in REQUESTS:
        raise Refused(404, f"Unknown method {method}")
    return read_object(REQUESTS[method], plain)


def read_object(kind: type[KaggleObject], plain: Any) -> Any:
    """A typed object from JSON; unlike the SDK's own reader it refuses unknown fields and wrong types."""
    if not isinstance(plain, dict):
        raise Refused(400, f"{kind.__name__} must be an object")
    known = {field.json_name: field for field in kind._fields}
    unknown = sorted(set(plain) - set(known))
    if unknown:
        raise Refused(400, f"Unknown field {unknown[0]!r} in {kind.__name__}")
    made = kind()
    for name, value in plain.items():
        field = known[name]
        try:
            setattr(made, field.field_name, _value(field, value))
        except (TypeError, KeyError, ValueError) as fault:
            raise Refused(400, f"Wrong value for {name!r} in {kind.__name__}: {fault}") from fault
    return made


def _value(field: Any, value: Any) -> Any:
    nested = isinstance(field.field_type, type) and issubclass(field.field_type, KaggleObject)
    if nested and isinstance(field.serializer, ListSerializer):
        return [read_object(field.field_type, entry) for entry in value]
    if nested:
        return read_object(field.field_type, value)
    return field.serializer.from_dict_value(field.field_type, value)


def write_answer(answer: KaggleObject) -> dict[str, Any]:
    """JSON of a typed answer, without default values."""
    plain: dict[str, Any] = type(answer).to_dict(answer)
    if isinstance(answer, kernels.ApiGetAcceleratorQuotaStatisticsResponse):
        # The SDK's own writer drops the days of a duration: 30 h would arrive as 6 h.
        for name, quota in (("gpuQuota", answer.gpu_quota), ("tpuQuota", answer.tpu_quota)):
            if quota is not None:
                spans = {"timeUsed": quota.time_used, "timeReserved": quota.time_reserved}
                spans["totalTimeAllowed"] = quota.total_time_allowed
                plain[name] |= {key: f"{span.total_seconds():.3f}s" for key, span in spans.items()}
    return plain
