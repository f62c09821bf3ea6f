"""Quick saves, deletion, images and replaced machines of the loopback service, through the official client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kagglesdk import KaggleClient
from kagglesdk.kernels.types.kernels_api_service import (
    ApiDeleteKernelRequest,
    ApiGetKernelRequest,
    ApiGetKernelSessionStatusRequest,
    ApiSaveKernelRequest,
)
from kagglesdk.kernels.types.kernels_enums import KernelExecutionType
from requests import HTTPError

from tests.doubles.kaggle_side import KEY, USER, far_settings, point_at_loopback
from tests.emulator.loopback import LoopbackKaggle, loopback_kaggle
from tests.emulator.settings import FIRST_IMAGE


@pytest.fixture
def kaggle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackKaggle]:
    point_at_loopback(monkeypatch)
    with loopback_kaggle(tmp_path / "kaggle", settings=far_settings()) as service:
        service.accounts.add(USER, key=KEY)
        yield service


def kernels() -> Any:
    return KaggleClient(username=USER, password=KEY).kernels.kernels_api_client


def save(**fields: Any) -> Any:
    request = ApiSaveKernelRequest()
    request.slug, request.new_title, request.text = f"{USER}/a-kernel", "a-kernel", "print('ran')"
    request.language, request.kernel_type, request.is_private = "python", "script", True
    for name, value in fields.items():
        setattr(request, name, value)
    return kernels().save_kernel(request)


def of_kernel(kind: Any) -> Any:
    request = kind()
    request.user_name, request.kernel_slug = USER, "a-kernel"
    return request


def test_a_quick_save_starts_no_session(kaggle: LoopbackKaggle) -> None:
    kaggle.settings.gpu_used = kaggle.settings.weekly_gpu
    answer = save(kernel_execution_type=KernelExecutionType.QUICK_SAVE, enable_gpu=True)
    assert (answer.error, answer.version_number) == ("", 1)
    found = kernels().get_kernel(of_kernel(ApiGetKernelRequest))
    assert (found.blob.source, found.metadata.last_run_time) == ("print('ran')", None)
    with pytest.raises(HTTPError, match="No runs found"):
        kernels().get_kernel_session_status(of_kernel(ApiGetKernelSessionStatusRequest))
    assert kaggle.kernels.runs == 0


def test_a_quick_save_leaves_an_earlier_session(kaggle: LoopbackKaggle) -> None:
    save()
    assert kaggle.kernels.all[USER, "a-kernel"].ended.wait(20)
    assert save(kernel_execution_type=KernelExecutionType.QUICK_SAVE, text="print('new')").version_number == 2
    assert kernels().get_kernel(of_kernel(ApiGetKernelRequest)).blob.source == "print('new')"
    assert kernels().get_kernel_session_status(of_kernel(ApiGetKernelSessionStatusRequest)).status.name == "COMPLETE"
    assert kaggle.kernels.runs == 1


def test_a_deleted_kernel_is_gone(kaggle: LoopbackKaggle) -> None:
    save(kernel_execution_type=KernelExecutionType.QUICK_SAVE)
    kernels().delete_kernel(of_kernel(ApiDeleteKernelRequest))
    with pytest.raises(HTTPError, match="Kernel not found"):
        kernels().get_kernel(of_kernel(ApiGetKernelRequest))


def test_image_and_machine_are_read_back(kaggle: LoopbackKaggle) -> None:
    save(enable_gpu=True, machine_shape="NvidiaTeslaP100", kernel_execution_type=KernelExecutionType.QUICK_SAVE)
    metadata = kernels().get_kernel(of_kernel(ApiGetKernelRequest)).metadata
    assert (metadata.docker_image, metadata.machine_shape) == (FIRST_IMAGE, "NvidiaTeslaT4")
    assert "does not exist" in save(docker_image="gcr.io/kaggle-images/python@sha256:none").error
