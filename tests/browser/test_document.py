"""The file of the page, without a browser: what it joins, what may run in it, and that no text leaves its place."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace

from orchestrator.page.document import SCRIPTS, html, script
from tests.browser import pages


def test_every_file_of_the_script_is_joined_once() -> None:
    assert sorted(SCRIPTS) == sorted(path.name for path in pages.TEMPLATES.glob("*.js"))
    assert script(pages.TEMPLATES).count('"use strict"') == 1


def test_texts_of_the_data_never_become_markup_by_the_script() -> None:
    text = script(pages.TEMPLATES)
    for name in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "srcdoc"):
        assert name not in text
    template = (pages.TEMPLATES / "page.html.j2").read_text(encoding="utf-8")
    assert re.findall(r"\son[a-z]+=|(?:src|href)=\"(?!data:|#)", template) == []


def test_only_the_scripts_of_the_file_may_run() -> None:
    text = html(pages.run_page(), pages.TEMPLATES)
    policy = text.partition('Content-Security-Policy" content="')[2].partition('"')[0].replace("&#39;", "'")
    scripts = re.findall(r"<script>(.*?)</script>", text, flags=re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in scripts]
    assert re.findall(r"'sha256-(.*?)'", policy) == hashes
    assert policy.startswith("default-src 'none';")
    assert "connect-src 'none'" in policy
    assert "connect-src 'self'" in html(pages.run_page(live=True), pages.TEMPLATES).replace("&#39;", "'")


def test_the_data_stand_in_the_file_whole_and_the_answer_as_text() -> None:
    page = pages.hostile_page()
    text = html(page, pages.TEMPLATES)
    data = text.partition('id="page-data">')[2].partition("</script>")[0]
    assert json.loads(data) == json.loads(json.dumps(page.to_json()))
    assert "<img src=x" not in text
    plain = html(replace(page, headline=replace(page.headline, text="A & B")), pages.TEMPLATES)
    assert "A &amp; B</p>" in plain


def test_a_report_of_sixty_trials_is_below_six_megabytes() -> None:
    assert len(html(pages.campaign_page(), pages.TEMPLATES).encode()) < 6e6
