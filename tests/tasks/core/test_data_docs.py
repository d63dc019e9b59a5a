"""Data Docs: Great Expectations' pages of a run, readable without a network, without a word of a customer."""

import json
from pathlib import Path
from typing import Any

import pytest
from selectolax.lexbor import LexborHTMLParser

from expectations.suites import build_suite, read_suite
from tasks.core.quality.checking import check_rows
from tasks.core.quality.data_docs import build_data_docs
from tasks.core.quality.results import QualityResult

SECRET = "secretwords"
HOSTILE = '<script src="https://evil.example/x.js"></script>'
REQUESTS = ("src", "srcset", "href", "data", "action", "poster", "background", "style", "onclick", "onload")


def stored(*splits: str, **changes: Any) -> dict[str, Any]:
    """Give a result as it is read back from its file."""
    same = {"twin_on_other_side": False, "reply_equals_question": False, "fingerprint": SECRET}
    numbers = {"sides_of_group": 1, "reply_uses": 1, "rows_of_group": 1}
    rows = [{"row_id": str(place), "split": split, **same, **numbers} for place, split in enumerate(splits)]
    result = check_rows(rows, build_suite(read_suite("training_examples"))).to_json()
    return {**json.loads(json.dumps(result)), **changes}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    empty = QualityResult("clean_logs", 0, passed=True, checks=()).to_json()
    results = [stored("train", SECRET), stored("train", part=HOSTILE), empty]
    results[1]["validation"]["results"][0]["expectation_config"]["notes"] = HOSTILE
    index = build_data_docs(results, tmp_path_factory.mktemp("run") / "data_docs")
    return {path.name: path.read_text() for path in index.parent.iterdir()}


def test_every_result_with_rows_has_a_page_that_the_index_leads_to(pages: dict[str, str]) -> None:
    assert sorted(pages) == ["index.html", "validation-0001.html", "validation-0002.html"]
    links = {
        node.attributes["href"] for page in pages.values() for node in LexborHTMLParser(page).css("a[href]")
    }
    assert links == set(pages)


def test_a_page_tells_rule_reason_and_numbers(pages: dict[str, str]) -> None:
    text = LexborHTMLParser(pages["validation-0001.html"]).body.text()
    assert "split is train or held_out (critical). A row on no side would be lost without a word." in text
    assert "50% of 2 total rows" in text
    assert "split is train or held_out (critical, 1)" in LexborHTMLParser(pages["index.html"]).body.text()


def test_no_page_holds_a_value_of_a_row(pages: dict[str, str]) -> None:
    assert not [name for name, page in pages.items() if SECRET in page]


def test_no_page_asks_the_network_for_anything_or_runs_anything(pages: dict[str, str]) -> None:
    for page in pages.values():
        tree = LexborHTMLParser(page)
        assert not tree.css("script, link, img, iframe, object, embed, base, form")
        asked = [
            value
            for node in tree.css("*")
            for name, value in node.attributes.items()
            if name in REQUESTS and value and ("//" in value or "url(" in value or name.startswith("on"))
        ]
        assert not asked
        assert not [node for node in tree.css("style") if "url(" in node.text() or "@import" in node.text()]


def test_an_expectation_whose_class_is_not_loaded_is_shown_all_the_same(tmp_path: Path) -> None:
    result = stored("train")
    result["validation"]["results"][0]["expectation_config"]["type"] = "expect_something_of_tomorrow"
    index = build_data_docs([result], tmp_path)
    assert "expect_something_of_tomorrow" in (index.parent / "validation-0001.html").read_text()


def test_equal_results_give_equal_pages(pages: dict[str, str], tmp_path: Path) -> None:
    build_data_docs([stored("train", SECRET)], tmp_path)
    assert (tmp_path / "validation-0001.html").read_text() == pages["validation-0001.html"]
