"""A section's own report: its statement names the sessions whose results it judges."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from orchestrator.core.errors import RunFailed
from orchestrator.kernel.reporting.trial_report import CampaignReport, StitchedCurve, TrialReport
from orchestrator.stores.reporting.section_report import section_report, statement_in


def account() -> CampaignReport:
    none = StitchedCurve(points=(), seams=(), wasted_steps=0, measured_twice=0, measured_otherwise=0)
    texts = dict.fromkeys(
        ("group", "variant", "lineage_id", "run_id", "resume_grade", "command", "code_digest", "policy_digest"), "x"
    )
    trials = tuple(
        TrialReport(
            **texts,
            seed=seed,
            session=f"s{seed}-3",
            sessions=(f"s{seed}-1", f"s{seed}-3"),
            results_dir="",
            manifest_sha256="",
            wall_s=1.0,
            untold=0,
            curve=none,
        )
        for seed in (1, 0)
    )
    return CampaignReport(campaign="c", title="", section="own", command="", trials=trials, unfinished={})


def project(root: Path, statement: str) -> Path:
    """A project whose section `own` writes this statement; the folder of its report."""
    package = root / "own" / "multi_seed"
    package.mkdir(parents=True)
    code = f"import sys, pathlib\npathlib.Path(sys.argv[4], 'statement.json').write_text({statement!r})\n"
    (package / "__main__.py").write_text(code, encoding="utf-8")
    folder = root / "report"
    folder.mkdir()
    return folder


def test_a_statement_names_the_sessions_with_the_results(tmp_path: Path) -> None:
    folder = project(tmp_path, '{"lines": ["One."], "more": 1}')
    section_report(tmp_path, PurePosixPath("own"), account(), tmp_path, folder)
    found = statement_in(folder)
    assert found is not None and (found.lines, found.sessions) == (("One.",), frozenset({"s0-3", "s1-3"}))


def test_an_unusable_statement_is_an_error_with_its_remedy(tmp_path: Path) -> None:
    folder = project(tmp_path, '{"lines": "One."}')
    with pytest.raises(RunFailed, match=r"the report of own wrote an unusable statement.json") as caught:
        section_report(tmp_path, PurePosixPath("own"), account(), tmp_path, folder)
    assert "Write `lines`" in caught.value.remedy
