"""The Kaggle emulator is tested with the unmodified official client, not with ours."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kagglesdk import KaggleClient
from kagglesdk.kernels.types.kernels_api_service import (
    ApiGetAcceleratorQuotaStatisticsRequest,
    ApiGetKernelSessionStatusRequest,
    ApiSaveKernelRequest,
)
from kagglesdk.kernels.types.kernels_enums import KernelWorkerStatus
from requests import HTTPError

from tests.conftest import PROJECT_ROOT
from tests.doubles.kaggle_side import KEY, USER, far_settings, loopback_variables, point_at_loopback
from tests.emulator.loopback import LoopbackKaggle, loopback_kaggle
from tests.emulator.machine import namespace_command
from tests.emulator.settings import Settings

SCRIPT = """
import os, pathlib, sys
print("hello", sorted(os.listdir("/kaggle")), flush=True)
pathlib.Path("/kaggle/working/out").mkdir()
pathlib.Path("/kaggle/working/out/a.txt").write_text("a")
os.symlink("a.txt", "/kaggle/working/out/link")
try:
    pathlib.Path("/kaggle/input/x").write_text("x")
except OSError as fault:
    print("inputs are read-only:", fault.errno)
print([name for name in os.environ if "KEY" in name or "TOKEN" in name], file=sys.stderr)
"""

API_SCRIPT = """
import sys
from kaggle.api.kaggle_api_extended import KaggleApi
from kagglesdk import KaggleClient, KaggleEnv

class Api(KaggleApi):
    def build_kaggle_client(self):
        values = self.config_values
        return KaggleClient(env=KaggleEnv.TEST, username=values.get("username"), password=values.get("key"))

api = Api()
api.authenticate()
folder, out = sys.argv[1:]
answer = api.kernels_push(folder)
assert not answer.error, answer.error
while "RUNNING" in str(api.kernels_status("ana/first-kernel").status):
    pass
print(api.kernels_status("ana/first-kernel").status)
api.kernels_output("ana/first-kernel", out)
"""


@pytest.fixture
def kaggle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackKaggle]:
    point_at_loopback(monkeypatch)
    with loopback_kaggle(tmp_path / "kaggle", settings=far_settings()) as service:
        service.accounts.add(USER, key=KEY)
        yield service


def client() -> Any:
    return KaggleClient(username=USER, password=KEY)


def push(**changes: Any) -> Any:
    request: Any = ApiSaveKernelRequest()
    request.slug, request.new_title, request.text = "ana/first-kernel", "First kernel", "print('hello')"
    request.language, request.kernel_type = "python", "script"
    for name, value in changes.items():
        setattr(request, name, value)
    with client() as kaggle:
        return kaggle.kernels.kernels_api_client.save_kernel(request)


def test_the_emulator_does_not_import_the_code_under_test() -> None:
    for path in (PROJECT_ROOT / "tests" / "emulator").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert name.partition(".")[0] not in ("orchestrator", "kernel_templates", "validation_ch7"), path


def test_a_kernel_runs_with_the_literal_kaggle_paths(kaggle: LoopbackKaggle) -> None:
    if namespace_command() is None:
        assert not os.environ.get("CI"), "CI must prove the literal /kaggle, and this machine gives no mount namespace"
        pytest.skip("no mount namespace here")
    assert not push(text=SCRIPT).error
    kernel = kaggle.kernels.all["ana", "first-kernel"]
    assert kernel.ended.wait(20)
    log = "".join(event["data"] for event in kernel.machine.events)
    assert "hello ['input', 'working']" in log
    assert "inputs are read-only: 30" in log
    assert "\n[]\n" in f"\n{log}"
    assert [path.name for path in kernel.outputs.rglob("*") if path.is_file()] == ["a.txt"]
    assert not Path("/kaggle/working/out").exists()


def test_the_unmodified_client_pushes_watches_and_fetches(kaggle: LoopbackKaggle, tmp_path: Path) -> None:
    folder = tmp_path / "push"
    folder.mkdir()
    (folder / "script.py").write_text("open('result.txt', 'w').write('42')\n", "utf-8")
    card = {"id": "ana/first-kernel", "title": "First kernel", "code_file": "script.py", "language": "python"}
    (folder / "kernel-metadata.json").write_text(json.dumps({**card, "kernel_type": "script"}), "utf-8")
    done = subprocess.run(
        [sys.executable, "-c", API_SCRIPT, str(folder), str(tmp_path / "out")],
        capture_output=True,
        check=False,
        timeout=60,
        env={**os.environ, **loopback_variables(), "HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr.decode()
    assert b"COMPLETE" in done.stdout
    assert (tmp_path / "out" / "result.txt").read_text() == "42"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("kernels.KernelsApiService/Fly", {}, 404),
        ("kernels.KernelsApiService/SaveKernel", {"slugg": "x"}, 400),
        ("kernels.KernelsApiService/SaveKernel", {"slug": 7}, 400),
        ("datasets.DatasetApiService/CreateDatasetVersion", {"body": {"filez": []}}, 400),
    ],
)
def test_a_request_the_client_could_not_send_is_refused(
    kaggle: LoopbackKaggle, path: str, body: Any, status: int
) -> None:
    request = urllib.request.Request(f"http://localhost:7777/api/v1/{path}", json.dumps(body).encode(), method="POST")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    with refused.value as answer:
        assert answer.code == status
        assert json.load(answer)["code"] == status


def test_wrong_credentials_are_refused(kaggle: LoopbackKaggle) -> None:
    kaggle.accounts.keys[USER] = "another"
    with pytest.raises(HTTPError) as refused:
        push()
    assert refused.value.response.status_code == 401


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"new_title": "Another name"}, 409),
        ({"text": "#" * (1 << 20) + "#"}, 400),
        ({"slug": "bob/first-kernel"}, 403),
    ],
)
def test_an_invalid_push_is_an_http_error(kaggle: LoopbackKaggle, changes: dict[str, Any], status: int) -> None:
    with pytest.raises(HTTPError) as refused:
        push(**changes)
    assert refused.value.response.status_code == status


def test_a_push_over_a_limit_is_refused_in_a_successful_answer(kaggle: LoopbackKaggle) -> None:
    kaggle.settings.gpu_sessions = 0
    assert push(enable_gpu=True).error == "Maximum batch GPU session count of 0 reached."
    kaggle.settings.gpu_sessions, kaggle.settings.gpu_used = 2, kaggle.settings.weekly_gpu
    assert push(enable_gpu=True).error == "Maximum weekly GPU quota of 30.00 hours reached."
    answer = push(kernel_data_sources=["ana/nothing"], dataset_data_sources=["ana/none"])
    assert (answer.error, answer.version_number) == ("", 1)
    assert (answer.invalid_kernel_sources, answer.invalid_dataset_sources) == (["ana/nothing"], ["ana/none"])


def test_a_duration_over_a_day_is_read_back_whole(kaggle: LoopbackKaggle) -> None:
    with client() as service:
        quota = service.kernels.kernels_api_client.get_accelerator_quota_statistics(
            ApiGetAcceleratorQuotaStatisticsRequest()
        )
    assert quota.gpu_quota.total_time_allowed.total_seconds() == 108_000


def test_a_kernel_is_hidden_then_queued_then_in_its_final_state(kaggle: LoopbackKaggle) -> None:
    kaggle.settings.hidden_looks, kaggle.settings.queued_looks = 1, 1
    push(text="raise SystemExit(3)")
    request: Any = ApiGetKernelSessionStatusRequest()
    request.user_name, request.kernel_slug = "ana", "first-kernel"
    with client() as service:
        ask = service.kernels.kernels_api_client.get_kernel_session_status
        with pytest.raises(HTTPError):
            ask(request)
        states = [ask(request).status]
        kaggle.kernels.all["ana", "first-kernel"].ended.wait(20)
        states.append(ask(request).status)
    assert states == [KernelWorkerStatus.QUEUED, KernelWorkerStatus.ERROR]


def test_a_root_override_works_without_a_mount_namespace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    point_at_loopback(monkeypatch)
    with loopback_kaggle(tmp_path / "kaggle", settings=Settings(override="MY_ROOT")) as kaggle:
        kaggle.accounts.add(USER, key=KEY)
        push(text="import os; open(os.environ['MY_ROOT'] + '/working/a', 'w').close()")
        kernel = kaggle.kernels.all["ana", "first-kernel"]
        assert kernel.ended.wait(20)
        assert [path.name for path in kernel.outputs.iterdir()] == ["a"]
