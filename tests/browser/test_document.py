"""The file of the page, without a browser: what it joins, what may run in it, and that no text leaves its place."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from dataclasses import replace

from orchestrator.core.page.conversion.limits import limits_of
from orchestrator.page.document import SCRIPTS, html, plotly, script
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
    for tag, directive, others in (("script", "script-src", 0), ("style", "style-src-elem", 2)):
        texts = re.findall(f"<{tag}>(.*?)</{tag}>", text, flags=re.DOTALL)
        hashes = [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in texts]
        (allowed,) = re.findall(f"{directive} (.*?);", policy)
        found = re.findall(r"'sha256-(.*?)'", allowed)
        if tag == "script":  # Plotly's is unpacked by the page's own
            hashes.insert(0, base64.b64encode(hashlib.sha256(plotly().encode()).digest()).decode())
        assert found[: len(hashes)] == hashes
        assert (len(found), "unsafe" in allowed) == (len(hashes) + others, False)  # two styles are Plotly's own
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


def test_plotly_stands_compressed_in_the_file_and_no_text_in_it_ends_its_element() -> None:
    text = html(pages.run_page(), pages.TEMPLATES)
    inside = text.partition('<script type="text/plain" id="plotly">')[2].partition("</script>")[0]
    assert "<" not in inside and "/" not in inside and len(inside) < 0.45 * len(plotly())
    assert gzip.decompress(base64.b85decode(inside.replace(",", "<"))).decode() == plotly()


def test_a_report_of_sixty_trials_with_its_pictures_is_below_six_megabytes() -> None:
    page = pages.campaign_page()
    pictures = limits_of(len(page.trainings)).picture_bytes
    assert pictures >= 2_365_000  # of one session of section 7.6 and of the campaign's report
    data = base64.b64encode(bytes(pictures)).decode()
    whole = replace(page, pictures=(replace(pages.run_page().pictures[0], data=data),))
    assert len(html(whole, pages.TEMPLATES).encode()) < 6e6
