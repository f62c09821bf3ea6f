"""The report in a real browser: nothing fails, what it draws equals its data, and it can be read anywhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from tests.browser import pages, parts
from tests.browser.chromium import Browser
from tests.browser.contrast import WEAK_TEXT
from tests.browser.tab import Tab

RUN, CAMPAIGN = pages.run_page(), pages.campaign_page()
PAGES = {"run": RUN, "campaign": CAMPAIGN, "empty": pages.empty_page(), "hostile": pages.hostile_page()}
DRAWN = (
    "[...document.querySelectorAll('.plot')].every((plot) => !plot.clientWidth || !plot.layout"
    " || plot.layout.width === plot.clientWidth)"
)
RECTANGLE = "((node) => { const r = node.getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom]; })"


@pytest.fixture(scope="module")
def tabs(browser: Browser, written: Callable[..., str]) -> Iterator[dict[str, Tab]]:
    plain = pages.without_plotly  # nothing to draw
    opened = {name: browser.open(written(page, name, str if page.trainings else plain)) for name, page in PAGES.items()}
    for tab in opened.values():
        tab.ready()
    yield opened
    for tab in opened.values():
        tab.close()


@pytest.fixture
def run(tabs: dict[str, Tab]) -> Tab:
    return tabs["run"]


@pytest.fixture
def campaign(tabs: dict[str, Tab]) -> Tab:
    return tabs["campaign"]


def _rows(tab: Tab, cell: int) -> list[str]:
    """Texts of a cell of all rows that are drawn, from the top."""
    tab.evaluate("document.querySelector('#trainings .scroll').scrollTop = 0")
    tab.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return list(
        tab.evaluate(f"[...document.querySelectorAll('tr[data-lineage]')].map((row) => row.cells[{cell}].innerText)")
    )


def _rectangle(tab: Tab, selector: str) -> list[float]:
    return list(tab.evaluate(f"{RECTANGLE}(document.querySelector('{selector}'))"))


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_drawn_without_an_error_and_without_the_network(tabs: dict[str, Tab], name: str) -> None:
    assert tabs[name].evaluate("document.documentElement.dataset.ready") == "1"
    assert tabs[name].errors() == []
    assert tabs[name].requests() == []


@pytest.mark.parametrize("name", PAGES)
def test_no_width_makes_the_page_scroll_sideways(tabs: dict[str, Tab], name: str) -> None:
    tab = tabs[name]
    fits = "document.documentElement.scrollWidth <= innerWidth"
    for width in (380, 1200):
        tab.resize(width, 900)
        tab.wait(f"{DRAWN} && {fits}", within_s=5)
        page, window = tab.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert page <= window == width


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["run", "campaign"])
def test_all_text_stands_out_from_its_background(tabs: dict[str, Tab], name: str, scheme: str) -> None:
    tab = tabs[name]
    tab.emulate(prefers_color_scheme=scheme)
    tab.wait(f"document.documentElement.dataset.theme === '{scheme}'")
    assert tab.evaluate(WEAK_TEXT) == []
    tab.emulate(prefers_color_scheme="light")


def test_the_answer_stands_first_with_a_word_and_a_symbol(run: Tab) -> None:
    assert run.data("headline")["verdict"] == "supported"
    assert run.text(".answer").split() == ["✓", "Supported", *RUN.headline.text.split()]
    assert run.text(".lines").replace("\xa0", " ").splitlines() == list(RUN.headline.lines)
    assert "orchestrator report s1-6" in run.text("header .source")


def test_no_button_of_a_chart_sends_it_to_a_server(run: Tab) -> None:
    buttons = run.evaluate("[...document.querySelectorAll('.modebar-btn')].map((one) => one.dataset.title)")
    assert buttons == ["Download plot", "Zoom", "Pan", "Reset axes"]


def test_what_the_curve_draws_equals_the_data(run: Tab) -> None:
    curve = RUN.trainings[0].curve
    assert run.data("curve") == {
        **{"part": "curve", "mode": "each", "curves": "1", "points": str(len(curve.steps)), "seams": "5"},
        **{"rewards": str(len(curve.reward_steps)), "wasted": str(len(curve.wasted))},
    }
    assert run.evaluate("document.querySelectorAll('#curve .barlayer .point').length") == len(curve.wasted)
    _, top, _, _ = _rectangle(run, "#curve .nsewdrag")
    heads = (
        "[...document.querySelectorAll('#curve .scatterlayer .point')].map((one) => one.getBoundingClientRect())"
        f".filter((one) => Math.abs(one.top + one.height / 2 - {top}) < 4).length"
    )
    assert run.evaluate(heads) == len(curve.seams)


def test_evaluations_that_choose_a_best_model_are_named_so_and_it_has_a_star(run: Tab) -> None:
    assert run.text("#curve .legend").splitlines()[:3] == ["evaluation", "training reward", "best model"]
    titles = "[...document.querySelectorAll('#curve .infolayer [class$=title]')].map((one) => one.textContent)"
    assert "Score and reward" in run.evaluate(titles)


def test_seams_of_different_grade_look_different_and_name_grade_and_session(run: Tab) -> None:
    seams = RUN.trainings[0].curve.seams
    lines = run.evaluate(
        "document.querySelector('#curve .plot').data.filter((one) => one.legendgroup.startsWith('seam'))"
        ".map((one) => one.line.dash)"
    )
    assert len(set(lines)) == len({one.grade for one in seams}) == 3
    run.evaluate("document.querySelector('#curve .plot').scrollIntoView({block: 'center', behavior: 'instant'})")
    left, top, right, bottom = _rectangle(run, "#curve .nsewdrag")
    furthest = run.evaluate("document.querySelector('#curve .plot').layout.xaxis.range[1]")
    for seam in seams:
        run.move(left + (right - left) * seam.steps / furthest, bottom - (bottom - top) * 0.06)
        run.wait(f"document.querySelector('#curve .hoverlayer')?.textContent.includes('{seam.session}')", within_s=5)
        assert f"seam: {seam.grade}" in run.evaluate("document.querySelector('#curve .hoverlayer').textContent")


def test_the_legend_never_covers_data(run: Tab) -> None:
    for width in (380, 1200):
        run.resize(width, 900)
        for part in ("curve", "gantt"):
            run.wait(f"document.querySelector('#{part} .plot').layout.width <= {width} && {DRAWN}")
            _, _, _, data = _rectangle(run, f"#{part} .plot .main-svg")
            _, legend, right, _ = _rectangle(run, f"#{part} .legend")
            assert legend >= data
            assert right <= width
            assert run.evaluate(f"document.querySelectorAll('#{part} .plot .legend').length") == 0


def test_the_bars_over_wall_time_equal_the_sessions(run: Tab, campaign: Tab) -> None:
    for tab, page in ((run, RUN), (campaign, CAMPAIGN)):
        assert tab.data("gantt")["sessions"] == str(len(page.sessions))
        assert tab.data("gantt")["weeks"] == str(len(page.weeks)) == "2"
        assert tab.evaluate("document.querySelectorAll('#gantt .barlayer .point').length") == len(page.sessions)
    assert "28.4 h of 30 h used" in run.text(".weeks")
    assert "wall limit (2)" in run.text("#gantt .legend")


def test_a_bar_stands_at_its_time_in_the_zone_of_the_reader(run: Tab) -> None:
    left, _, right, _ = _rectangle(run, "#gantt .nsewdrag")
    bar = "[...document.querySelectorAll('#gantt .barlayer path')].map((one) => one.getBoundingClientRect())"
    begin = run.evaluate(f"Math.min(...{bar}.map((one) => one.left))")
    end = run.evaluate(f"Math.max(...{bar}.map((one) => one.right))")
    assert abs(begin - (left + (right - left) * 0.02 / 1.05)) < 2  # the axis begins 2 % before the first session
    assert abs(end - (right - (right - left) * 0.03 / 1.05)) < 2
    assert run.evaluate("document.querySelector('#gantt .plot').data[0].base[0]") == "2026-11-16 09:30:00.000"  # Paris


def test_many_seeds_are_drawn_as_means_until_rows_are_selected(campaign: Tab) -> None:
    assert campaign.data("curve")["mode"] == "mean"
    assert campaign.data("curve")["curves"] == "3"
    campaign.fill("[data-control=mode]", "each")
    assert campaign.data("curve")["curves"] == "10"
    campaign.fill("[data-control=mode]", "")
    for row in (0, 3):
        campaign.click(f"#trainings tr[data-index='{row}']")
    assert campaign.data("curve")["curves"] == campaign.data("gantt")["lanes"] == "2"
    campaign.click("[data-action=clear]")
    assert campaign.data("curve")["mode"] == "mean"


def test_the_filter_and_the_state_reduce_the_rows(campaign: Tab) -> None:
    failed = [one for one in CAMPAIGN.trainings if one.state == "failed"]
    campaign.fill("[data-control=state]", "failed")
    assert campaign.data("trainings")["rows"] == str(len(failed)) == str(len(_rows(campaign, 1)))
    campaign.fill("[data-control=filter]", "SAC failed")
    assert campaign.data("trainings")["rows"] == str(sum(one.label.startswith("SAC") for one in failed))
    campaign.fill("[data-control=filter]", "no such thing")
    assert "No row passes the filter." in campaign.text("#trainings tbody")
    campaign.fill("[data-control=filter]", "")
    campaign.fill("[data-control=state]", "")
    assert campaign.data("trainings")["rows"] == "60"


def test_every_column_sorts_both_ways_and_puts_empty_cells_last(campaign: Tab) -> None:
    for key in (
        "label",
        "seed",
        "state",
        "steps",
        "rate",
        "eta",
        "grade",
        "verdict",
        "why",
        "sessions",
        "wall",
        "policy",
    ):
        head = f"#trainings th[data-key={key}]"
        for direction in ("ascending", "descending"):
            campaign.click(f"{head} button")
            assert campaign.evaluate(f"document.querySelector('{head}').getAttribute('aria-sort')") == direction
        assert (
            campaign.evaluate("document.querySelectorAll('#trainings th:not([aria-sort=none])[aria-sort]').length") == 1
        )
    campaign.click("#trainings th[data-key=seed] button")
    assert _rows(campaign, 2)[:6] == ["0", "0", "0", "1", "1", "1"]
    for _ in range(2):
        campaign.click("#trainings th[data-key=eta] button")
        assert _rows(campaign, 6)[:6] == ["4 min"] * 6
    campaign.click("#trainings th[data-key=label] button")


def test_the_table_is_usable_with_the_keyboard(campaign: Tab) -> None:
    campaign.evaluate("document.querySelector('#trainings tr[data-index=\"0\"]').focus()")
    campaign.press("ArrowDown")
    campaign.press("ArrowDown")
    campaign.press(" ")
    assert campaign.data("trainings")["chosen"] == "1"
    assert campaign.evaluate("document.activeElement.dataset.index") == "2"
    campaign.press("End")
    campaign.wait("document.activeElement.dataset.index === '59'")
    campaign.click("[data-action=clear]")


def test_two_trainings_are_compared_with_the_differing_settings_first(campaign: Tab) -> None:
    one, other = CAMPAIGN.trainings[1], CAMPAIGN.trainings[45]
    campaign.fill("[data-control=left]", one.lineage_id)
    campaign.fill("[data-control=right]", other.lineage_id)
    differing = sorted(key for key in one.settings if one.settings[key] != other.settings[key])
    shown = campaign.evaluate(
        "[...document.querySelectorAll('[data-setting]')].map((row) => [row.dataset.setting, row.dataset.differs])"
    )
    assert (
        [key for key, differs in shown if differs == "true"] == differing == [key for key, _ in shown[: len(differing)]]
    )
    assert sorted(key for key, _ in shown) == sorted(one.settings)
    assert campaign.evaluate("document.querySelector('#compare details').open") is False


def test_intervals_follow_the_chosen_measure(campaign: Tab) -> None:
    assert campaign.data("intervals")["intervals"] == "3"
    assert "470 [456, 483]" in campaign.text("#intervals")
    assert campaign.evaluate("document.querySelectorAll('#intervals .single').length") == 1
    campaign.fill("[data-control=measure]", "travel_time_s")
    assert campaign.data("intervals")["measure"] == "travel_time_s"
    assert "41.0 [39.8, 42.1]" in campaign.text("#intervals")


def test_each_bad_ending_has_its_autopsy_and_each_number_its_source(campaign: Tab) -> None:
    assert campaign.data("endings")["endings"] == "6"
    card = campaign.text("[data-ending]")
    ending = next(one.ending for one in CAMPAIGN.trainings if one.ending)
    for text in (ending.sentence, *ending.evidence, ending.advice, ending.command):
        assert text in card
    assert campaign.data("numbers")["rows"] == str(42 + 6)
    campaign.fill("[data-control=numbers]", "travel_time_s")
    assert campaign.data("numbers")["rows"] == "3"
    assert parts.digest("code")[:12] in campaign.text("#numbers tbody")
    campaign.fill("[data-control=numbers]", "")


def test_what_is_left_out_on_purpose_is_no_fault(campaign: Tab) -> None:
    assert [campaign.data("about")[name] for name in ("notes", "leftOut")] == ["1", "1"]
    for place, title, sentences in (
        (".notes", "What could not be read", CAMPAIGN.notes),
        (".left-out", "Left out to keep the page small", CAMPAIGN.left_out),
    ):
        assert campaign.text(f"#about {place}").split("\n") == [title, *sentences]


def test_the_theme_changes_at_a_click(run: Tab) -> None:
    before = run.evaluate("getComputedStyle(document.querySelector('header')).backgroundColor")
    run.click("[data-action=theme]")
    assert run.evaluate("document.documentElement.dataset.theme") == "dark"
    assert run.evaluate("getComputedStyle(document.querySelector('header')).backgroundColor") != before
    run.click("[data-action=theme]")
    run.evaluate("localStorage.clear()")
    assert run.evaluate("document.documentElement.dataset.theme") == "light"


def test_paper_is_light_with_all_folds_open(campaign: Tab) -> None:
    folds = "[...document.querySelectorAll('details')].map((fold) => fold.open)"
    before = campaign.evaluate(folds)
    assert not all(before)
    campaign.emulate("print", prefers_color_scheme="dark")
    campaign.wait(f"{folds}.every(Boolean)")
    assert campaign.evaluate("document.querySelectorAll('tr[data-lineage]').length") == 60
    assert campaign.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    assert campaign.evaluate("getComputedStyle(document.body).color") == "rgb(27, 32, 39)"
    assert campaign.evaluate("document.querySelector('#curve .plot').layout.width") <= 700
    campaign.emulate("", prefers_color_scheme="light")
    campaign.wait(f"JSON.stringify({folds}) === '{str(before).lower().replace(' ', '')}'")
    campaign.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert campaign.evaluate(f"{folds}.every(Boolean)")
    campaign.evaluate("dispatchEvent(new Event('afterprint'))")
    assert campaign.evaluate(folds) == before


def test_every_printed_page_of_a_table_has_its_heads(campaign: Tab) -> None:
    campaign.emulate("print")
    campaign.evaluate("""(() => {
      const head = document.querySelector('#trainings th[data-key=seed]');
      const title = [...head.children].find((one) => getComputedStyle(one).display !== 'none');
      for (const name of ['once', 'head']) { // the links of a PDF show where their texts are printed
        const link = document.createElement('a');
        Object.assign(link, { href: `https://${name}.invalid/`, textContent: name, className: 'of-the-test' });
        (name === 'head' ? title : document.querySelector('h1')).append(link);
      }
      for (const chart of document.querySelectorAll('.plot')) chart.style.display = 'none'; // slow to print
    })()""")
    printed = campaign.pdf()
    assert printed.count(b"head.invalid") >= 2 * printed.count(b"once.invalid") > 0  # sixty rows need two pages
    buttons = "[...document.querySelectorAll('thead button')].filter((one) => one.checkVisibility()).length"
    assert campaign.evaluate(buttons) == 0  # Chromium paints a button on the first page only
    campaign.evaluate(
        "document.querySelectorAll('.of-the-test').forEach((one) => one.remove());"
        "document.querySelectorAll('.plot').forEach((one) => { one.style.display = ''; })"
    )
    campaign.emulate("", prefers_color_scheme="light")


def test_hostile_texts_stay_texts(tabs: dict[str, Tab]) -> None:
    tab = tabs["hostile"]
    assert tab.evaluate("document.querySelectorAll('script').length") == 3
    assert tab.evaluate("document.querySelectorAll('img').length") == 1
    assert tab.evaluate("document.querySelectorAll('[onerror], a[href^=javascript]').length") == 0
    shown = tab.evaluate("document.body.innerText + document.title")
    assert "</script><img src=x onerror=alert(1)>red evil" in shown
    assert re.search("[\x1b\u202e\u202c]", shown) is None
    chosen = "['measure', 'left', 'right'].map((one) => document.querySelector(`[data-control=${one}]`).selectedIndex)"
    assert tab.evaluate(chosen) == [0, 0, 1]
    assert tab.text("[data-setting=__proto__]").split() == ["__proto__", "x", "not", "set"]
    names = tab.evaluate("[...document.querySelectorAll('#gantt .ytick text')].map((one) => one.textContent).join()")
    assert "</script><img" in names  # Plotly read it as text, too
