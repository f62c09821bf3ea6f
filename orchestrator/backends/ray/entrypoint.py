"""What Ray runs: the command of a job, its runtime environment, and the driver file that the command loads. No I/O."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pprint import pformat
from typing import Any

from orchestrator.core.section.ray import RaySettings
from orchestrator.kernel.files.reserve import RESERVE_NAME
from orchestrator.kernel.files.workspace import ROOT_VARIABLE

NONCE = "orchestrator"
"""Key of the nonce in the metadata of a job."""

SYNC_S = 15.0
"""Seconds between two times at which a running session stores its outputs."""

PATIENCE_S = 600
"""Seconds that a session has to save after a request to stop; then it is killed."""

_BOOT = """\
import hashlib, pathlib, runpy, sys, tempfile
try:
    import fsspec
except ImportError:
    sys.exit("fsspec is not installed on this node: add it to ray.pip in the section card.")
try:
    fs, root = fsspec.core.url_to_fs({url!r}, use_listings_cache=False, **{options!r})
except ImportError as fault:
    sys.exit(f"{{fault}}: add it to ray.pip in the section card.")
code = fs.cat_file(root + "/driver.py")
if hashlib.sha256(code).hexdigest() != {digest!r}:
    sys.exit("driver.py in the storage is not the one that was submitted.")
with tempfile.TemporaryDirectory(prefix="orchestrator-ray-") as folder:
    path = pathlib.Path(folder, "driver.py")
    path.write_bytes(code)
    driver = runpy.run_path(str(path))
    code = driver["main"](fs, root, driver["PLAN"])
sys.exit(code)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """A job as it is submitted.

    Attributes:
        slug: Its submission id.
        entrypoint: Shell command.
        runtime_env: Ray's runtime environment of the job.
        metadata: Text values that Ray keeps with it.
        resources: Further keywords of `submit_job`: what Ray reserves.
    """

    slug: str
    entrypoint: str
    runtime_env: Mapping[str, Any]
    metadata: Mapping[str, str]
    resources: Mapping[str, Any] = field(default_factory=dict)


def log_mark(nonce: str) -> str:
    """The line after which a job's log is the log of its session."""
    return f"[orchestrator] The log of session {nonce} begins here."


def driver_code(
    source: str,
    *,
    nonce: str,
    kernel_sha256: str,
    inputs: Sequence[Mapping[str, str]],
    has_folders: bool,
    sync_s: float,
) -> str:
    """The driver file of a session: the driver, and its plan as a literal.

    Args:
        source: Code of `driver.py`.
        kernel_sha256: Of the kernel in the storage.
        has_folders: Whether a file in the storage needs its folder first.
        inputs: Path below the input folder, and digest, of each file.
        sync_s: Seconds between two times at which outputs are stored.
    """
    plan = {
        "nonce": nonce,
        "mark": log_mark(nonce),
        "kernel_sha256": kernel_sha256,
        "inputs": [dict(one) for one in inputs],
        "has_folders": has_folders,
        "root_variable": ROOT_VARIABLE,
        "reserve": RESERVE_NAME,
        "unfinished": ".partial-",
        "sync_s": sync_s,
        "patience_s": PATIENCE_S,
    }
    return f"{source}\n\nPLAN = {pformat(plan, width=200, sort_dicts=False)}\n"


def job_request(settings: RaySettings, *, slug: str, nonce: str, driver_sha256: str) -> JobRequest:
    """The job of a session.

    Its files come from the storage, which checkpoints and outputs need anyway, and not as Ray's `working_dir`: Ray
    keeps such a package in the memory of its head, up to 500 MiB, and forgets it with the head.
    """
    url = f"{settings.storage.rstrip('/')}/{slug}"
    boot = _BOOT.format(url=url, options=dict(settings.storage_options), digest=driver_sha256)
    words = [settings.python, "-I", "-u", "-X", "utf8", "-c", boot]
    # Ray sends TERM and kills after this time, by default 3 s; it reads the variable in the job's own environment.
    environ = {"RAY_JOB_STOP_WAIT_TIME_S": str(PATIENCE_S)}
    runtime_env: dict[str, Any] = {"env_vars": environ}
    if settings.pip:
        runtime_env["pip"] = list(settings.pip)
    reserved = {
        "entrypoint_num_cpus": settings.num_cpus,
        "entrypoint_num_gpus": settings.num_gpus,
        "entrypoint_memory": settings.mem_bytes,
        "entrypoint_resources": dict(settings.resources),
    }
    return JobRequest(
        slug=slug,
        entrypoint=f"exec {' '.join(map(shlex.quote, words))}",
        runtime_env=runtime_env,
        metadata={NONCE: nonce},
        resources={name: value for name, value in reserved.items() if value},
    )
