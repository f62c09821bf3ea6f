"""Builds this project's wheel and installs it into an empty environment outside of the clone, without a network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import PROJECT_ROOT
from tests.doubles.commands import Answer

PACKED = ("orchestrator", "kernel_templates", "validation_ch7", "configs")
_UNWANTED = shutil.ignore_patterns("__pycache__", "data", "trials", "*.egg-info")


def copied_sources(folder: Path) -> Path:
    """A copy of what a wheel is built from, without outputs of earlier trainings."""
    for name in PACKED:
        shutil.copytree(PROJECT_ROOT / name, folder / name, ignore=_UNWANTED)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(PROJECT_ROOT / name, folder / name)
    return folder


def build(sources: Path, into: Path, kind: str = "wheel") -> Path:
    """Build a `wheel` or an `sdist` with the backend that pyproject.toml names."""
    into.mkdir(parents=True, exist_ok=True)
    code = f"import setuptools.build_meta as b, sys; b.build_{kind}(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, str(into)], cwd=sources, check=True, capture_output=True)
    (built,) = into.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return built


@dataclass(frozen=True, slots=True)
class Installed:
    """An environment with the wheel.

    Attributes:
        root: The environment's folder.
    """

    root: Path

    @property
    def scripts(self) -> Path:
        """Folder of `python` and `orchestrator`."""
        return self.root / ("Scripts" if os.name == "nt" else "bin")

    @property
    def site_packages(self) -> Path:
        """Where the wheel is installed."""
        return Path(sysconfig.get_path("purelib", "venv", {"base": str(self.root), "platbase": str(self.root)}))

    def orchestrate(self, cwd: Path, *words: str, module: bool = False, **variables: str) -> Answer:
        """The command `orchestrator WORDS` in a folder; `module`: as `python -m orchestrator`."""
        command = [self.scripts / "python", "-m", "orchestrator"] if module else [self.scripts / "orchestrator"]
        return self._run(cwd, [*map(str, command), *words], variables)

    def python(self, cwd: Path, *words: str, **variables: str) -> Answer:
        """`python WORDS` in a folder."""
        return self._run(cwd, [str(self.scripts / "python"), *words], variables)

    def _run(self, cwd: Path, command: list[str], variables: dict[str, str]) -> Answer:
        dropped = ("ORCHESTRATOR", "PYTEST", "PYTHONPATH", "VIRTUAL_ENV")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
        done = subprocess.run(
            command,
            cwd=cwd,
            env={**kept, "PYTHONIOENCODING": "utf-8", **variables},
            capture_output=True,
            timeout=300,
            check=False,
        )
        return Answer(done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8", "replace"))


def install(wheel: Path, root: Path, *, without: tuple[str, ...] = ()) -> Installed:
    """Install a wheel into a new environment that finds the libraries of this one, and never this clone.

    Args:
        without: Top-level libraries that the environment must lack, such as numpy.
    """
    environment = Installed(root)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(root)], check=True, capture_output=True)
    libraries = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (environment.site_packages / "libraries.pth").write_text("\n".join(libraries) + "\n", encoding="utf-8")
    words = ["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-index", "--ignore-installed"]
    done = environment.python(root, "-m", "pip", *words, str(wheel))
    assert done.code == 0, done.err
    if without:
        _block(environment, without)
    return environment


def _block(environment: Installed, names: tuple[str, ...]) -> None:
    """Make libraries absent, for imports and for `importlib.metadata`."""
    text = (
        "import importlib.metadata, sys\n"
        f"NAMES = {json.dumps(names)}\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in NAMES:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "found = importlib.metadata.Distribution.from_name.__func__\n"
        "def from_name(cls, name):\n"
        "    if name.replace('-', '_') in NAMES:\n"
        "        raise importlib.metadata.PackageNotFoundError(name)\n"
        "    return found(cls, name)\n"
        "importlib.metadata.Distribution.from_name = classmethod(from_name)\n"
        "listed = importlib.metadata.packages_distributions\n"
        "importlib.metadata.packages_distributions = lambda: {k: v for k, v in listed().items() if k not in NAMES}\n"
    )
    (environment.site_packages / "absent_libraries.py").write_text(text, encoding="utf-8")
    (environment.site_packages / "zz_absent.pth").write_text("import absent_libraries\n", encoding="utf-8")
