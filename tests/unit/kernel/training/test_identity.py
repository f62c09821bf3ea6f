"""What a script's session compares of its machine before it continues a checkpoint."""

from __future__ import annotations

from pathlib import Path

from tests.doubles.own_script import run_script

SCRIPT = """
import os
import orchestrator

with orchestrator.session(target=int(os.environ["TARGET"])) as run:
    for _ in run.steps():
        pass
"""


def test_another_number_of_threads_of_blas_ends_exact_resumes(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SCRIPT, encoding="utf-8")
    outputs = []
    for target, threads in ((2, 1), (4, 1), (6, 2)):
        done = run_script(tmp_path, variables={"TARGET": target, "OMP_NUM_THREADS": threads})
        assert done.returncode == 0, done.stderr
        outputs.append(done.stdout + done.stderr)
    assert "Resume is statistical" not in outputs[1]
    assert "[CHECKPOINT] Resume is statistical: machine.OMP_NUM_THREADS: checkpoint=1, current=2" in outputs[2]
