"""Figures of the page: in its colours, the same for the same numbers, with the numbers behind them."""

import re
from xml.etree import ElementTree as ET

import pytest
from reported_runs import curve, full_run, gain

from tasks.core.page.charts import MOST_POINTS, draw_charts, gains, losses, row_lengths
from tasks.core.page.drawings import PAINTS, drawing
from tasks.core.tokens.lengths import histogram


def tree(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314 - it is our own


def words_of(svg: str) -> list[str]:
    return [one.text or "" for one in tree(svg).iter("text")]


def test_the_same_numbers_give_the_same_characters_and_others_give_others() -> None:
    first, second = (draw_charts(full_run(), curve()) for _ in range(2))

    assert set(first) == {"losses", "lengths", "gains"}
    assert first == second
    assert draw_charts(full_run(), curve(41))["losses"].wide != first["losses"].wide


def test_a_figure_is_in_the_colours_and_letters_of_the_page_and_says_what_it_shows() -> None:
    for chart in draw_charts(full_run(), curve()).values():
        for svg in (chart.wide, chart.narrow):
            assert "var(--accent)" in svg
            assert not re.search(r"#[0-9a-f]{6}\b", svg), "a colour that is not the page's"
            assert not any(paint in svg for paint in PAINTS.values())
            assert not re.search(r"font-family|DejaVu|xmlns|<\?xml|metadata|<style|http", svg)
            root = tree(svg)
            assert root.get("role") == "img"
            title, told = root[0], root[1]
            assert (title.tag, told.tag) == ("title", "desc")
            assert root.get("aria-labelledby") == f"{title.get('id')} {told.get('id')}"
            assert len(told.text or "") > 40


def test_names_are_written_as_they_are_and_never_read_as_formulas_or_markup() -> None:
    name = "product: $\\frac{1}{0}$ <b>&"
    chart = gains(full_run(slices=[{"slice": name, **gain(0.2, 0.1, 0.3), "fell": True}]))

    assert chart is not None
    assert f"{name} (fell)" in words_of(chart.wide)
    assert f"{name} (fell)" in words_of(chart.narrow)
    assert "<b>" not in chart.wide
    assert "var(--bad)" in chart.wide


def test_letters_of_any_writing_are_taken_and_what_is_no_letter_left_out(
    recwarn: pytest.WarningsRecorder,
) -> None:
    name = "product: 日本語\x00\ufffe\ud800 😀\u202e"
    chart = gains(full_run(slices=[{"slice": name, **gain(0.2, 0.1, 0.3), "fell": False}]))

    assert chart is not None
    assert "product: 日本語 😀" in words_of(chart.wide)
    assert [str(one.message) for one in recwarn if "Glyph" in str(one.message)] == []


def test_held_out_and_watched_losses_stand_in_the_curve_and_behind_it() -> None:
    chart = losses(curve(), full_run().metrics)

    assert chart is not None
    assert {"held-out rows", "watched rows", "each step", "smoothed"} <= set(words_of(chart.wide))
    assert "Held-out loss after step 0: 3.413. Held-out loss after step 40: 2.010." in chart.wide
    assert chart.head == ("step", "loss", "smoothed", "watched rows", "learning rate")
    tenth = next(row for row in chart.rows if row[0] == "10")
    assert (tenth[1], tenth[3]) == ("1.4211", "1.5000")
    assert chart.rows[-1][0] == "40"
    unwatched = losses([{"step": 1, "loss": 2.0, "learning_rate": 0.1}], {})
    assert unwatched is not None
    assert not {"held-out rows", "watched rows"} & set(words_of(unwatched.wide))
    assert unwatched.rows == (("1", "2.0000", "2.0000", "0.1"),)
    assert losses([], full_run().metrics) is None


def test_a_long_training_makes_no_heavy_page() -> None:
    short, long = losses(curve(MOST_POINTS), {}), losses(curve(20 * MOST_POINTS), {})

    assert short is not None
    assert long is not None
    assert len(long.wide) < 1.5 * len(short.wide)
    assert long.rows[-1][0] == "12,000"


def test_the_histogram_ends_with_the_last_length_that_is_there() -> None:
    with_one_too_long = row_lengths(full_run())
    short = row_lengths(full_run(lengths=histogram([20, 30], 384)))

    assert with_one_too_long is not None
    assert short is not None
    assert len(with_one_too_long.rows) - len(short.rows) == 1
    assert "var(--over_length)" in with_one_too_long.wide
    assert "var(--over_length)" not in short.wide
    assert sum(int(rows) for _, rows in with_one_too_long.rows) == 6
    assert row_lengths(full_run(lengths=histogram([], 384))) is None


def test_gains_are_over_the_champion_or_else_over_the_base_with_the_worst_slices_first() -> None:
    chart, alone = gains(full_run()), gains(full_run(gains={"base": gain(1.4, 1.3, 1.5)}, slices=[]))

    assert chart is not None
    assert alone is not None
    assert [row[0] for row in chart.rows] == ["all held-out rows", "earlier rows", "language: de"]
    assert chart.rows[0][1:] == ("+0.117", "+0.064", "+0.171", "191", "48", "no")
    assert "Gain of the challenger over the champion" in chart.wide
    assert "The worst slice is earlier rows with -0.020." in chart.wide
    assert "Gain of the challenger over the base" in alone.wide
    assert gains(full_run(gains={})) is None


def test_two_figures_of_one_page_share_no_id() -> None:
    def draw(figure: object, narrow: bool) -> None:
        figure.subplots().plot([1, 2], "o")  # type: ignore[attr-defined]

    made = [drawing(name, "t", "w", draw, (90, 90), head=(), rows=()) for name in ("a", "b")]
    ids = [
        found for one in made for svg in (one.wide, one.narrow) for found in re.findall(r' id="([^"]+)"', svg)
    ]
    used = [
        found
        for one in made
        for svg in (one.wide, one.narrow)
        for found in re.findall(r'(?:href="|url\()#([\w-]+)', svg)
    ]

    assert len(ids) == len(set(ids))
    assert used
    assert set(used) <= set(ids)
