"""The report of a real run in a real browser: quiet, alone, readable at any width, by anybody, also on paper."""

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from browsers import CHROMIUM, opened
from reported_runs import bare_run, curve, failed_run, full_run, swept_run

from tasks.core.page.charts import draw_charts
from tasks.core.page.rendering import render_page
from tasks.core.report.summary import RunSummary

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium here")
WIDTHS, SCHEMES = (360, 1280), ("light", "dark")
OPEN = "document.querySelectorAll('details').forEach(one => one.open = true)"
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
SCROLLING = """[...document.querySelectorAll('.wide')].filter(one => one.scrollWidth > one.clientWidth)
    .map(one => one.ariaLabel)"""
FOCUSED = "document.activeElement.ariaLabel || document.activeElement.textContent.trim()"


@pytest.fixture(scope="module")
def report(first: tuple[dict[str, Any], Any]) -> Path:
    return Path(first[0]["report"])


def insist_on_good_manners(file: Path, width: int, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    with opened(file, viewport={"width": width, "height": 800}, color_scheme=scheme) as (page, heard):
        assert page.evaluate(OVERFLOW) == 0
        page.evaluate(OPEN)
        assert page.evaluate(OVERFLOW) == 0
        assert heard == []
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize(("width", "scheme"), list(itertools.product(WIDTHS, SCHEMES)))
def test_the_report_of_a_run_is_quiet_fits_and_keeps_nobody_out(
    width: int, scheme: str, report: Path
) -> None:
    insist_on_good_manners(report, width, scheme)


@pytest.mark.parametrize(
    "run",
    [
        full_run(),
        full_run(status="awaiting-approval").public(),
        swept_run(status="kept"),
        failed_run(),
        bare_run(),
        replace(bare_run(), status="skipped", reason="Nothing is new.", warnings=["one"]),
        full_run(
            status="checked", metrics={}, gains={}, slices=[], merge={}, training={}, replies=[], model={}
        ),
    ],
    ids=lambda run: run.status,
)
def test_so_is_every_other_kind_of_run(run: RunSummary, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text(render_page(run, draw_charts(run, curve())), encoding="utf-8")

    insist_on_good_manners(tmp_path / "report.html", 360, "light")
    insist_on_good_manners(tmp_path / "report.html", 1280, "dark")


def test_the_keyboard_reaches_the_report_and_every_table_that_scrolls(report: Path) -> None:
    with opened(report, viewport={"width": 360, "height": 800}) as (page, _):
        page.evaluate(OPEN)
        scrolling = page.evaluate(SCROLLING)
        assert len(scrolling) > 3
        page.keyboard.press("Tab")
        assert page.evaluate(FOCUSED) == "Skip to the report"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "report"
        reached = set()
        for _ in range(200):
            page.keyboard.press("Tab")
            reached.add(page.evaluate(FOCUSED))
        assert set(scrolling) <= reached


def test_one_of_the_two_figures_is_seen_at_each_width_in_letters_that_can_be_read(report: Path) -> None:
    for width, shown in ((360, "narrow"), (1280, "wide")):
        with opened(report, viewport={"width": width, "height": 800}) as (page, _):
            seen = page.evaluate(
                "[...document.querySelectorAll('figure svg')].filter(one => one.checkVisibility())"
                ".map(one => [one.parentElement.className, one.getBoundingClientRect().width / one.viewBox.baseVal.width])"
            )
            assert [name for name, _ in seen] == [f"on-{shown}"] * 3
            assert min(scale for _, scale in seen) > 0.9


def test_a_page_in_the_dark_is_printed_in_ink_on_white_with_all_that_matters_open(report: Path) -> None:
    colours = "['body', '.chapter'].map(one => getComputedStyle(document.querySelector(one)).backgroundColor)"
    with opened(report, color_scheme="dark") as (page, _):
        assert "rgb(255, 255, 255)" not in page.evaluate(colours)
        page.emulate_media(media="print")
        assert page.evaluate(colours) == ["rgb(255, 255, 255)"] * 2
        assert not page.locator("nav").is_visible()
        assert page.locator("#settings dt", has_text="learning_rate").first.is_visible()
