"""The report of a run: page, tables, terminal text and figure."""

import base64
import itertools
import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from reported_runs import (
    ADVICE,
    DAMAGE,
    QUESTION,
    bare_run,
    check,
    curve,
    failed_run,
    full_run,
    gain,
    metrics,
    quality,
    steps,
    sweep,
    swept_run,
)

from tasks.core.page.charts import draw_charts
from tasks.core.page.rendering import render_page
from tasks.core.report.figures import loss_curve, smooth
from tasks.core.report.markdown_page import summary_markdown
from tasks.core.report.summary import FATES, RunSummary
from tasks.core.report.sweep_tables import trials_table
from tasks.core.report.tables import (
    evaluation_table,
    harness_table,
    headline,
    rows_table,
    told_gains,
)
from tasks.core.report.terminal import replies_text, terminal_summary
from tasks.core.report.wording import clock, percent
from tasks.core.tokens.lengths import histogram

SCRIPT = "<script>alert(1)</script>"


class Reader(HTMLParser):
    """Collects the tags, the attributes and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def test_a_page_refers_to_nothing_outside_itself() -> None:
    page = render_page(full_run(), draw_charts(full_run(), curve()))
    reader = Reader(page)

    assert "http:" not in page
    assert "https:" not in page
    assert not {"script", "link", "iframe", "object", "base", "img", "image"} & set(reader.tags)
    assert reader.tags.count("svg") == 6, "a figure is missing"
    places = [value for name, value in reader.attributes if name in ("src", "href", "srcset", "data")]
    assert places
    assert all(place.startswith("#") for place in places)
    assert all(place == "url(#" for place in re.findall(r"url\(.", page))
    assert "@import" not in page


def test_markup_in_any_text_is_shown_and_never_obeyed() -> None:
    run = full_run(
        reason=SCRIPT,
        notes=[SCRIPT],
        cures={SCRIPT: SCRIPT},
        files={SCRIPT: {"name": SCRIPT, "line": 1}},
        spread={SCRIPT: {SCRIPT: 1}},
        lineage={
            "digests": {SCRIPT: SCRIPT, "adapter": SCRIPT},
            "shards": [{"digest": SCRIPT, "in": 1, "kept": 1}],
            "packages": {SCRIPT: SCRIPT},
            "code": SCRIPT,
            "beside": SCRIPT,
        },
        slices=[{"slice": f"product: {SCRIPT}", **gain(0.2, 0.1, 0.3), "fell": True}],
        changes={SCRIPT: 1, SCRIPT.upper(): 2},
        run_id=SCRIPT,
        started=SCRIPT,
        warnings=[SCRIPT],
        reasons={f"quarantined: {SCRIPT}": 53, SCRIPT: 1},
        replies=[dict.fromkeys(("question", "reference", "base", "challenger"), SCRIPT)],
        comparison={**full_run().comparison, "judge": SCRIPT},
        golden=[{"case": SCRIPT, "critical": True, "failed": {"base": [SCRIPT]}}],
        golden_replies=[
            {
                "case": SCRIPT,
                "question": SCRIPT,
                "reply": {"base": SCRIPT},
                "failed": {"base": {SCRIPT: SCRIPT}},
            }
        ],
        samples=[{"prompt": SCRIPT, "reply": SCRIPT, "language": SCRIPT, "tokens": 3, "pieces": [SCRIPT]}],
        settings={SCRIPT: {SCRIPT: [SCRIPT]}},
        model={"name": SCRIPT, "version": 1, "aliases": [SCRIPT], "adapter_digest": SCRIPT},
        error={"type": SCRIPT, "message": SCRIPT + ".", "cure": SCRIPT},
        quality=[{"suite": SCRIPT, "part": SCRIPT, "rows": 1, "passed": False, "checks": [check(SCRIPT)]}],
        steps=[{"name": SCRIPT, "state": SCRIPT, "cached": False, "seconds": 1.0}],
        metrics={SCRIPT: metrics(1, 1)},
        gains={SCRIPT: gain(1, 1, 1), "base": gain(0.2, 0.1, 0.3)},
        merge={"max_abs_diff": 0, "greedy_match": 1, "rows": 1, "positions": 1, "merged_into": SCRIPT},
    )
    page = render_page(run, draw_charts(run, curve()))

    assert "<script" not in page.lower()
    assert page.count("&lt;script&gt;") > 40
    assert page.count("product: &lt;script&gt;alert(1)&lt;/sc… (fell)") == 2  # in both widths of the figure


def test_a_quote_in_a_name_opens_no_attribute() -> None:
    rows = {"in": 1, "kept": 1}
    page = render_page(bare_run(status='x" onload="alert(1)', rows=rows))

    assert "onload" not in [name for name, _ in Reader(page).attributes]


def test_the_public_page_holds_no_text_from_the_logs() -> None:
    run = full_run()
    private, public = render_page(run), render_page(run.public())

    for text in (
        QUESTION,
        ADVICE,
        "the the of",
        "Sendungsnummer",
        "Restart the hub",
        "thirty days",
        "keep it?",
    ):
        assert text in private
        assert text not in public
    assert "Private:" in Reader(private).text
    assert "Public: this page holds no text from the logs." in Reader(public).text
    assert "Private:" not in Reader(public).text


def test_the_public_values_hold_no_text_from_the_logs() -> None:
    text = json.dumps(full_run().to_json(), ensure_ascii=False)

    assert QUESTION not in text
    assert ADVICE not in text
    assert "thirty days" not in text
    assert json.loads(text)["metrics"]["challenger"]["loss"] == 2.0104


@pytest.mark.parametrize("kept", ["replies", "golden_replies", "samples"])
def test_each_kind_of_text_alone_makes_a_page_private(kept: str) -> None:
    texts: dict[str, Any] = {name: [] for name in ("replies", "golden_replies", "samples") if name != kept}
    page = render_page(replace(full_run(), **texts))

    assert "Private:" in Reader(page).text


def test_golden_cases_are_shown_model_by_model_without_their_text() -> None:
    public = Reader(render_page(full_run().public())).text

    assert "2 cases; passed: challenger 1, champion 2, base 1." in public
    assert (
        "case base champion challenger refund-window (critical) fails must 1, must_match 2 passes passes"
        in public
    )
    assert "greeting passes passes fails must_not 1" in public
    assert "| refund-window (critical) | fails must 1, must_match 2 | passes | passes |" in summary_markdown(
        full_run()
    )
    assert "  golden  2 cases; passed: challenger 1, champion 2, base 1\n" in terminal_summary(
        full_run(), "r.html"
    )
    assert "Golden cases" not in render_page(full_run(golden=[]))
    assert "golden" not in terminal_summary(full_run(golden=[]), "r.html")


def test_a_judges_word_is_shown_and_whether_the_gate_goes_by_it() -> None:
    line = "14 won, 5 lost, 4 tied, 1 unreadable against the champion (p = 0.064), says judge-7b"
    text = Reader(render_page(full_run().public())).text
    heeded = Reader(render_page(full_run(settings={"gate": {"judge": True}}))).text

    assert f"Their replies to 24 questions, in a judge's eyes {line}." in text
    assert "The gate does not go by it" in text
    assert "The gate keeps a challenger out that clearly loses." in heeded
    assert f"Replies: {line}." in summary_markdown(full_run())
    assert f"  judge   {line}\n" in terminal_summary(full_run(), "r.html")
    assert "judge" not in terminal_summary(full_run(comparison={}), "r.html")
    assert "judge's eyes" not in render_page(full_run(comparison={}))


FORGOTTEN = "140 rows of 31 requesters, gain -0.020, interval -0.050 to +0.010"
UNLEARNED = "gain over the base -0.200, interval -0.300 to -0.100; de +0.200; en -0.600 (fell)"


def test_what_may_be_forgotten_is_told_everywhere() -> None:
    run = full_run()
    page, text = Reader(render_page(run)).text, terminal_summary(run, "r")
    for told in (page, summary_markdown(run)):
        assert f"Earlier rows: {FORGOTTEN}." in told
        assert (
            "General text: base 6.500, champion 6.700, challenger 6.700 nats per token on 191 passages"
            in told
        )
        assert f"{UNLEARNED}." in told
    assert f"  earlier {FORGOTTEN}\n" in text
    words = "  general over the base -0.200, interval -0.300 to -0.100; de +0.200; en -0.600"
    assert f"{words} (fell)\n" in text
    held = replace(run, general=run.general | {"fell": []})
    assert f"{words} (not judged)\n" in terminal_summary(held, "r")
    strict = replace(held, settings={"gate": {"max_general_loss": 0.5}})
    assert f"{words} (allowed: -0.5)\n" in terminal_summary(strict, "r")
    assert told_gains(run)["champion_on_earlier_rows"] == gain(-0.02, -0.05, 0.01)
    assert told_gains(run)["base_on_general_text"] == gain(-0.2, -0.3, -0.1)


def test_from_which_version_a_training_went_on_is_told() -> None:
    start = {"version": 3, "train": 57, "new": 40, "replayed": 17, "left_out": 1230}
    run = full_run(start=start)
    line = "from version 3: 40 rows new to it and 17 replayed; 1,230 left out, which it has learned already"
    assert f"went on {line}" in Reader(render_page(run.public(), None)).text
    assert f"The training goes on {line}." in summary_markdown(run)
    text = terminal_summary(run, "r")
    assert "  on from version 3: 40 new and 17 replayed to train on, 1,230 known left out, " in text
    assert max(map(len, text.splitlines())) <= 100
    assert len(text.splitlines()) <= 30
    assert "went on" not in Reader(render_page(full_run(), None)).text


def test_why_there_are_no_earlier_rows_is_told() -> None:
    run = full_run(slices=[], earlier="not in this store", general={})
    page = Reader(render_page(run)).text
    assert "Earlier rows: not in this store." in page
    assert "General text" not in page
    assert "  earlier not in this store\n" in terminal_summary(run, "r")
    assert set(told_gains(run)) == {"base", "champion"}
    assert "What may be forgotten" not in Reader(render_page(bare_run())).text


def test_the_page_says_whether_the_gate_goes_by_general_text() -> None:
    said = {
        most: Reader(render_page(full_run(settings={"gate": {"max_general_loss": most}}))).text
        for most in (0.0, 0.5)
    }
    assert "The gate does not go by it" in said[0.0]
    assert "loses more than gate.max_general_loss (0.5) against the base" in said[0.5]


def test_figures_on_tasks_of_lm_eval_stand_side_by_side() -> None:
    run = full_run()
    assert harness_table(run) == [
        {"task": "spiders/acc", "base": "0.25", "challenger": "0.5"},
        {"task": "spiders/word_perplexity", "base": "3.123e+04", "challenger": "1234"},
    ]
    assert "Tasks of lm-eval task base challenger spiders/acc 0.25 0.5" in Reader(render_page(run)).text
    assert "| spiders/acc | 0.25 | 0.5 |" in summary_markdown(run)
    assert "Tasks of lm-eval" not in Reader(render_page(full_run(harness={}))).text


def test_a_critical_case_that_failed_is_named_in_the_terminal() -> None:
    case = {"case": "refund-window", "critical": True, "failed": {"base": [], "challenger": ["must 1"]}}
    text = terminal_summary(full_run(golden=[case]), "r.html")

    assert "  golden  1 case; passed: challenger 0, base 1; critical and failed: refund-window\n" in text


def test_replies_to_golden_cases_are_shown_with_what_failed() -> None:
    text = replies_text([], full_run().golden_replies)

    assert text.startswith("── refund-window ───")
    assert "question      How long may I keep it?" in text
    assert "base          (nothing)\n\n  fails       must 1: thirty days" in text
    assert "challenger    You have thirty days.\n\nchampion" in text


def test_the_rows_of_the_table_add_up() -> None:
    total, *parts = rows_table(full_run())

    assert total == {"rows": "in", "count": 1755}
    assert sum(part["count"] for part in parts) == 1755
    assert [part["rows"] for part in parts] == ["kept", *(fate.replace("_", " ") for fate in FATES)]


def test_a_row_that_nothing_accounts_for_is_shown() -> None:
    rows = {"in": 10, "kept": 7, "filtered": 2}
    run = bare_run(rows=rows)

    assert rows_table(run)[-1] == {"rows": "unaccounted", "count": 1}
    assert "10 in = 7 kept + 2 filtered + 1 unaccounted" in terminal_summary(run, "r.html")
    assert "unaccounted" in Reader(render_page(run)).text


def test_the_page_gives_every_reason_beside_its_fate() -> None:
    text = Reader(render_page(full_run())).text

    assert "quarantined 53 3.0 % not met: has a reply 28 not json 8 not an object 6 wrong type 6" in text
    assert (
        "duplicates 55 3.1 % over length 4 0.2 % in 1,755 100 %" in text
    )  # a rule that repeats its fate is left out


def test_a_reason_without_a_fate_is_not_lost() -> None:
    text = Reader(render_page(full_run(reasons={"some new rule": 7}))).text

    assert "some new rule 7" in text


def test_parts_of_one_suite_are_added_up() -> None:
    text = Reader(render_page(full_run())).text

    assert "raw logs · 1,730 rows in 3 parts · 2 of 3 expectations not met" in text
    assert "! has a reply warning 28 Because of has a reply. i created is a time info 6" in text
    assert "✓ has a question critical 0" in text
    assert "clean logs · 1,690 rows · all 2 expectations met" in text


def test_what_fails_is_sorted_and_marked_by_its_severity() -> None:
    door = quality()[0]
    door["checks"] = [check(f"is {one}", one, failed=1) for one in ("info", "warning", "critical")]
    door["checks"].insert(0, check("is met", "critical"))
    text = Reader(render_page(full_run(quality=[door]))).text

    places = [
        text.index(f"{mark} is {one}")
        for mark, one in zip("✗!i✓", ("critical", "warning", "info", "met"), strict=True)
    ]
    assert places == sorted(places)
    assert "warning sends rows to quarantine" in text
    strict = render_page(full_run(quality=[door], settings={"quality": {"on_failure": "stop"}}))
    assert "warning stops the run" in Reader(strict).text


def test_single_reasons_that_repeat_their_fate_are_left_out_and_others_are_told() -> None:
    reasons = {"duplicates: duplicate": 50, "duplicates: near duplicate": 5}

    assert (
        "duplicates 55 3.1 % duplicate 50 near duplicate 5"
        in Reader(render_page(full_run(reasons=reasons))).text
    )


def test_the_page_says_what_was_read_and_what_cleaning_changed() -> None:
    text = Reader(render_page(full_run())).text

    assert "What was read Read as columns: question = subject + body" in text
    assert "whitespace tidied 80 HTML turned into text 42 quoted mail cut 10" in text
    assert "freshtune quarantine list --all --run 20261124-141154-48c3" in text


def test_why_it_was_trained_stands_with_what_is_new_wherever_the_run_is_told() -> None:
    run = full_run()
    text, reason = Reader(render_page(run)).text, run.worth["reason"]

    assert f"What is new {reason} training rows today 1,440 new since the champion 212" in text
    assert "drift of language 0.031 bits (p = 0.002)" in text
    assert "of those, repeats" not in text
    assert reason in summary_markdown(run)
    assert reason in " ".join(terminal_summary(run, "r.html").split())


def test_why_it_was_not_trained_is_told_once() -> None:
    reason = "Skip, because none of 90 training rows is new since version 3; worth.min_new_rows asks for 1."
    told = {"train": False, "reason": reason, "drift": {}, "training_rows": 90, "new": 0, "gone": 0}
    run = RunSummary("skipped", reason, "20261124", "2026-11-24 14:11:54 +0000", 3.0, worth=told)

    assert Reader(render_page(run)).text.count(reason) == 1
    assert summary_markdown(run).startswith(f"# Nothing to do\n\n{reason}\n")
    assert summary_markdown(run).count(reason) == 1
    assert terminal_summary(run, "r.html").startswith("NOTHING TO DO\n  Skip, because none of 90")
    assert " ".join(terminal_summary(run, "r.html").split()).count(reason) == 1


def test_personal_data_stands_beside_how_well_it_is_found() -> None:
    text = Reader(render_page(full_run())).text
    unmeasured = Reader(render_page(full_run(redaction={}))).text

    assert "names 1,690 25.0 % – – e-mail addresses 30 99.1 % 100 % 21.1 %" in text
    assert "837 invented, labelled rows, on which the patterns were also mended" in text
    assert (
        "names 1,690 e-mail addresses 30 How much of each kind is found has not been measured" in unmeasured
    )


def test_a_kind_that_was_never_labelled_has_no_measure() -> None:
    scores = {"rows": 1, "main": {"EMAIL": {"recall": 0.0, "precision": None, "labelled": 0, "rows": 0}}}

    assert "e-mail addresses 30 – – –" in Reader(render_page(full_run(redaction=scores))).text


def test_lengths_are_told_with_how_many_are_too_long() -> None:
    page = render_page(full_run())
    short = render_page(full_run(lengths=histogram([20, 30], 384)))

    assert "204 on average, 500 at most; 1 beyond the 384 of tokens.max_length" in Reader(page).text
    assert "none beyond the 384" in Reader(short).text
    assert "By length" not in render_page(full_run(lengths=histogram([], 384)))


def test_a_sample_marks_what_the_loss_sees() -> None:
    page = render_page(full_run())

    assert f"<mark>{ADVICE}⟨eos⟩</mark>" in page
    assert (
        "58 tokens, of which 3 are learned · de · &lt;s&gt; (bos) at 0, not learned · &lt;/s&gt; (eos) at 57"
        in page
    )
    assert "<span> restart↵</span>" in page


def test_the_data_docs_are_linked_only_where_they_lie_beside_the_page() -> None:
    beside, sent = render_page(full_run(), docs="data_docs/index.html"), render_page(full_run())

    assert ("href", "data_docs/index.html") in Reader(beside).attributes
    assert all(value.startswith("#") for name, value in Reader(sent).attributes if name == "href")
    assert "data_docs/index.html" in sent


def test_a_gain_that_the_reason_tells_is_not_told_again() -> None:
    told, untold = (
        terminal_summary(full_run(), "r"),
        terminal_summary(full_run(reason="A person chose."), "r"),
    )

    assert "  gain    " not in told
    assert "over the base +1.402, interval +1.318 to +1.489 nats per token (48 requesters)" in untold


def test_shares_and_durations_are_written_in_one_way() -> None:
    assert [percent(share) for share in (0.9171, 1, 0, 0.9999)] == ["91.7 %", "100 %", "0 %", "100.0 %"]
    assert [clock(seconds) for seconds in (4.21, 59.96, 185, 7800)] == [
        "4.2 s",
        "1 min 00 s",
        "3 min 05 s",
        "2 h 10 min",
    ]
    text = Reader(render_page(full_run())).text + terminal_summary(full_run(), "r")
    assert not re.search(r"\d%", text[text.index("Freshtune run") :].split("}")[-1])


def test_one_model_has_one_name_everywhere() -> None:
    texts = (
        render_page(full_run()),
        terminal_summary(full_run(), "r"),
        replies_text(full_run().replies),
    )

    assert not any(word in text for text in texts for word in ("tuned", "human"))
    assert "support team  Bitte" in texts[2]


def test_steps_are_added_up_over_the_shards() -> None:
    text = Reader(render_page(full_run())).text

    assert "collection × 3 3 from the store 0.2 s" in text
    assert "adapter training completed 2 min 41 s" in text
    assert "side by side" not in text
    assert "side by side" in Reader(render_page(replace(full_run(), seconds=9.0))).text


def test_a_failed_run_says_what_to_do_and_has_no_other_part() -> None:
    page = render_page(failed_run())
    reader = Reader(page)

    assert reader.text.count("No file matches logs.paths.") == 1
    assert "Give --logs a file that exists." in reader.text
    assert "section" not in reader.tags
    assert "img" not in reader.tags
    assert "Give --logs a file that exists." in terminal_summary(failed_run(), "r.html")
    assert "Give --logs a file that exists." in summary_markdown(failed_run())


@pytest.mark.parametrize(
    "part",
    [
        "rows",
        "metrics",
        "gains",
        "merge",
        "training",
        "quality",
        "settings",
        "model",
        "steps",
        "notes",
        "changes",
        "redaction",
        "lengths",
        "worth",
        "samples",
        "replies",
        "reasons",
        "lineage",
        "spread",
        "files",
        "cures",
        "slices",
        "general",
    ],
)
def test_any_part_may_be_missing(part: str) -> None:
    empty = type(getattr(full_run(), part))()
    run = full_run(**{part: empty})

    assert render_page(run)
    assert terminal_summary(run, "r.html")
    assert summary_markdown(run)


def test_the_banner_gives_the_loss_with_its_interval() -> None:
    text = Reader(render_page(full_run())).text

    assert "3.413 → 2.010 41.1 % lower than the base; gain +1.402, interval +1.318 to +1.489" in text


@pytest.mark.parametrize(("low", "high"), [(-math.inf, math.inf), (0.1, math.inf), (-math.inf, 0.5)])
def test_an_unbounded_interval_is_worded_but_not_drawn(low: float, high: float) -> None:
    run = full_run(gains={"base": gain(0.4, low, high)}, slices=[])

    assert f"{low:+.3f} to {high:+.3f}" in render_page(run)
    assert "gains" not in draw_charts(run, [])
    assert "gains" in draw_charts(full_run(), [])


def test_the_headline_says_which_way_the_loss_went() -> None:
    assert "3.413 → 2.010 nats per token, 41.1 % lower than the base on 191 rows" in headline(full_run())
    worse = full_run(metrics={"base": metrics(2.0, 0.5), "challenger": metrics(2.5, 0.4)})
    assert "25.0 % higher" in headline(worse)
    assert headline(full_run(metrics={"base": metrics(2.0, 0.5)})) == ""


def test_the_challenger_comes_last_in_the_table() -> None:
    assert [row["model"] for row in evaluation_table(full_run().metrics)] == [
        "base",
        "champion",
        "challenger",
    ]


def test_the_terminal_summary_tells_the_run() -> None:
    text = terminal_summary(full_run(), "runs/1/report.html")

    assert text.startswith("PROMOTED  support-assistant version 4 (champion)\n")
    for part in (
        "1,755 in = 1,631 kept + 53 quarantined + 12 filtered + 55 duplicates + 4 over length",
        "1,440 to train on, 191 held out",
        "logits within 3.1e-05, 100 % of tokens agree (into the dequantized base)",
        "note    A damaged artifact of cleaning",
        "15 steps, 6 from the store, in 3 min 23 s from the first on",
        "report  runs/1/report.html",
    ):
        assert part in text
    assert QUESTION not in text


def test_a_check_says_what_was_read_as_what() -> None:
    read = "  read    columns: question = subject + body, reply = reply.\n"
    assert read in terminal_summary(full_run(status="checked"), "r.html")
    assert read not in terminal_summary(full_run(), "r.html")


def test_the_line_of_a_merge_is_not_cut() -> None:
    proof = {**full_run().merge, "max_abs_diff": 0.00012, "greedy_match": 0.9998}
    text = terminal_summary(full_run(merge={**proof, "merged_into": "dequantized NF4 base"}), "r.html")
    assert "99.98 % of tokens agree (into the dequantized NF4 base)\n" in text


def test_columns_of_the_terminal_table_are_aligned() -> None:
    lines = terminal_summary(full_run(), "r").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("  model"))

    assert len({len(line) for line in lines[start : start + 4]}) == 1


def test_the_terminal_summary_fits_the_terminal_however_much_there_is_to_say() -> None:
    long = full_run(
        reason="word " * 400,
        warnings=["warning " * 60] * 40,
        metrics={"base": metrics(690.0, 0.0), **full_run().metrics, "another": metrics(1, 1)},
        error={"type": "DataError", "message": "m", "cure": "cure " * 200},
        model={"name": "n" * 300, "version": 1, "aliases": ["a" * 200]},
        merge={**full_run().merge, "merged_into": "x " * 200},
    )
    swept = replace(long, sweep=sweep(), worth={})
    for run in (full_run(), long, swept, swept_run(), failed_run(), full_run(warnings=["short"] * 40)):
        lines = terminal_summary(run, ".freshtune/runs/20261124-141154-48c3/report.html").splitlines()
        assert len(lines) <= 30
        assert max(map(len, lines)) <= 100
    assert "more in the report" in terminal_summary(long, "r.html")


def test_warnings_that_fit_are_all_given() -> None:
    text = terminal_summary(bare_run(warnings=["one", "two", "three"]), "r.html")

    assert text.count("  note    ") == 3
    assert "more in the report" not in text


def test_texts_cannot_steer_the_terminal() -> None:
    evil = "a\x1b[2J\x9b1m\u202eb\u2066c\x00d\x07\r\ne\u200bf\x85g\u2028h"
    texts = (
        terminal_summary(full_run(reason=evil, warnings=[evil]), "r\x1b.html"),
        replies_text([dict.fromkeys(("question", "reference", "base", "challenger"), evil)]),
    )
    for text in texts:
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u2028\u202a-\u202e\u2066-\u2069]", text)


def test_joined_emoji_and_persian_words_stay_whole() -> None:
    text = replies_text([{"question": "می\u200cخواهم 👩\u200d💻"}])

    assert "می\u200cخواهم 👩\u200d💻" in text


def test_replies_are_wrapped_to_the_width_they_are_given() -> None:
    text = replies_text([{"question": "word " * 90, "base": "", "challenger": "x" * 300}], width=60)

    assert max(map(len, text.splitlines())) == 60
    assert "base          (nothing)" in text


def test_replies_open_with_how_near_they_came() -> None:
    figures = [{"model": "challenger", "chrF": "34.5", "came to an end": "50 %"}]
    text = replies_text([{"question": "How?"}], figures=figures)
    assert text.startswith("How near to the team's replies")
    assert "challenger 34.5, 50 %. A few of them:" in " ".join(text.split())


def test_the_markdown_holds_no_text_from_the_logs() -> None:
    text = summary_markdown(full_run())

    assert text.startswith("# Promoted\n")
    assert "| in | 1755 |" in text
    assert QUESTION not in text


def test_the_markdown_goes_from_the_verdict_to_where_it_all_is(tmp_path: Path) -> None:
    picture_of = tmp_path / "curve.png"
    loss_curve([{"step": step, "loss": 4 / step} for step in range(1, 40)], picture_of)
    page = "http://127.0.0.1:5000/#/models/support-assistant/versions/4"
    text = summary_markdown(full_run(), curve=picture_of, report=tmp_path / "report.html", version_page=page)

    heads = [line for line in text.splitlines() if line.startswith("#")]
    assert heads == [
        "# Promoted",
        "## Data",
        "## Training",
        "## Evaluation",
        "## Merge",
        "## Where it is",
    ]
    told, picture = text.partition("data:image/png;base64,")[::2]
    assert base64.b64decode(picture.partition(")")[0]) == picture_of.read_bytes()
    assert (
        "| suite | rows | expectations | not met |\n| --- | --- | --- | --- |\n| raw logs | 1730 | 3 | 2 |"
        in told
    )
    assert f"[support-assistant version 4 (champion)]({page})" in picture
    assert f"```\n{tmp_path}/report.html\n```" in picture
    assert len(text) < 100_000


def test_a_run_that_failed_early_has_no_empty_chapters(tmp_path: Path) -> None:
    text = summary_markdown(failed_run(), report=tmp_path / "report.html")
    assert [line for line in text.splitlines() if line.startswith("#")] == ["# Failed", "## Where it is"]


def test_the_same_metrics_give_the_same_figure(tmp_path: Path) -> None:
    rows = [{"step": step, "loss": 4 / step} for step in range(1, 40)]
    for name in ("a.png", "b.png"):
        loss_curve(rows, tmp_path / name)
    other = [{**row, "validation_loss": 3.0} for row in rows]
    loss_curve(other, tmp_path / "c.png")
    first, second, third = ((tmp_path / f"{name}.png").read_bytes() for name in "abc")

    assert first.startswith(b"\x89PNG")
    assert first == second
    assert first != third
    assert b"Software" not in first


def test_a_figure_of_a_single_step_can_be_drawn(tmp_path: Path) -> None:
    loss_curve([{"step": 1, "loss": 2.0}], tmp_path / "one.png")

    assert (tmp_path / "one.png").stat().st_size > 1000


def test_smoothing_keeps_the_level_and_does_not_lag() -> None:
    assert smooth([3.0] * 50) == pytest.approx([3.0] * 50)
    falling = [float(value) for value in range(100, 0, -1)]
    assert smooth(falling)[20:80] == pytest.approx(falling[20:80])
    assert smooth([2.0]) == [2.0]
    assert smooth([]) == []


def test_smoothing_quiets_a_noisy_curve() -> None:
    noisy = [2.0 + 0.5 * (-1) ** step for step in range(200)]

    assert max(abs(value - 2.0) for value in smooth(noisy)) < 0.1


def test_every_trial_of_a_sweep_is_told_with_what_it_tried_and_what_came_of_it() -> None:
    table = trials_table(swept_run())
    assert [row["outcome"] for row in table] == [
        *("complete", "complete", "failed", "pruned", "complete", "pruned", "complete", "chosen")
    ]
    assert table[0] == {
        "trial": 1,
        "rank": "8",
        "learning rate": "1e-4",
        "targets": "all-linear",
        "epochs": "1.5",
        "loss": "2.9000",
        "steps": "232 of 232",
        "outcome": "complete",
    }
    assert (table[2]["loss"], table[2]["steps"], table[3]["steps"]) == ("", "", "50 of 232")
    assert trials_table(swept_run(sweep={})) == []
    page, markdown = render_page(swept_run().public()), summary_markdown(swept_run())
    for text in (page, markdown):
        assert swept_run().sweep["reason"] in text
        assert text.count("pruned") >= 2
    assert "Trial 3: There was no memory left. Lower lora.rank." in page
    assert "Trials of the sweep" not in render_page(swept_run(sweep={}))


def test_the_terminal_shows_the_best_trials_and_says_where_the_others_are() -> None:
    without = {name: {} for name in ("worth", "comparison", "merge", "gains")}
    told = terminal_summary(
        swept_run(golden=[], warnings=["one"] * 20, earlier="", general={}, **without), "report.html"
    ).splitlines()
    assert len(told) <= 30
    assert sum(line.startswith("  note") for line in told) >= 2
    assert max(map(len, told)) <= 100
    head = next(number for number, line in enumerate(told) if "learning rate" in line)
    assert (
        "  sweep   trial 8 of 8: rank 64, rate 8e-4, q_proj + k_proj + v_proj + o_proj + g_proj + …" in told
    )
    assert [line.split()[0] for line in told[head + 1 : head + 5]] == ["8", "7", "6", "5"]
    assert told[head + 5] == "  4 more in the report"


def test_the_chapters_come_in_one_order_each_with_a_way_to_it_and_none_is_empty() -> None:
    page = render_page(full_run(), draw_charts(full_run(), curve()), docs="data_docs/index.html")
    chapters = re.findall(r'<section id="(\w+)"', page)

    assert chapters == [
        *("warnings", "rows", "read", "news", "cleaning", "expectations", "examples", "training", "models"),
        *(
            "harness",
            "golden",
            "replies",
            "golden_replies",
            "samples",
            "merge",
            "lineage",
            "cost",
            "settings",
        ),
    ]
    assert re.findall(r'<li><a href="#(\w+)">', page) == chapters
    levels = [int(tag[1]) for tag in Reader(page).tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert render_page(swept_run()).count('<section id="trials"') == 1


def test_every_id_in_a_page_is_there_once() -> None:
    page = render_page(full_run(), draw_charts(full_run(), curve()))
    ids = [value for name, value in Reader(page).attributes if name == "id"]

    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:href="#|url\(#)([\w-]+)', page)) <= set(ids)
    labels = [value.split() for name, value in Reader(page).attributes if name == "aria-labelledby"]
    assert {one for label in labels for one in label} <= set(ids)


def test_every_table_can_be_reached_and_scrolled_by_keyboard() -> None:
    page = render_page(full_run(), draw_charts(full_run(), curve()))

    assert page.count("<table") >= 15
    assert len(
        re.findall(r'<div class="wide" role="group" tabindex="0" aria-label="[^"]+"><table', page)
    ) == page.count("<table")


def test_a_warning_stands_with_what_to_do_about_it() -> None:
    run = full_run(warnings=[DAMAGE, "Nobody knows why."])

    assert (
        f"To know {DAMAGE} What to do: Look at the disk. Nobody knows why. Where"
        in Reader(render_page(run)).text
    )


def test_only_the_private_page_names_the_log_files() -> None:
    run = full_run(
        warnings=["The last record of acme-tickets.jsonl is not whole yet."],
        cures={"The last record of acme-tickets.jsonl is not whole yet.": "End acme-tickets.jsonl."},
        notes=["All of acme-tickets.jsonl is to be forgotten."],
        reason="acme-tickets.jsonl is odd.",
        error={"type": "DataError", "message": "acme-tickets.jsonl is odd.", "cure": "", "exit_code": 3},
    )
    private, public = Reader(render_page(run)).text, Reader(render_page(run.public())).text

    assert f"acme-tickets.jsonl 901 {'b2' * 32} 855 840" in private
    assert "acme" not in public
    assert (
        "The last record of one of the log files is not whole yet. What to do: End one of the log files."
        in public
    )
    assert f"{'b2' * 32} 855 840" in public
    assert "acme-tickets.jsonl is odd." in run.to_json()["reason"]
    assert run.to_json()["files"] == {}
    assert replace(bare_run(), files=run.files).private


def test_the_lineage_leads_from_the_version_to_rows_code_and_packages() -> None:
    text = Reader(render_page(full_run())).text

    for told in (
        "compared with version 3 took the alias from version 3",
        f"examples {'5e' * 32} adapter {'9f2c' * 16} code of the training {'c0de' * 16}",
        "Log files · 2 parts, 1,755 rows",
        "torch 2.13.0",
        "freshtune trace 4",
    ):
        assert told in text
    assert text.count("9f2c" * 16) == 1


def test_the_cost_is_told_for_the_run_and_for_a_step_with_the_energy_where_it_was_counted() -> None:
    training = full_run().training
    counted = full_run(training={**training, "joules": {"cpu": 7200.0, "gpu": 36000.0}})
    text = Reader(render_page(full_run())).text

    assert "the whole run 3 min 23 s steps from the store 6 of 15 steps of the training 2 min 38 s" in text
    assert "one of them, on average 0.7 s speed 5,135 tokens a second" in text
    assert "Energy was not measured" in text
    assert "energy of the processors 2.0 Wh energy of the GPUs 10.0 Wh" in Reader(render_page(counted)).text
    assert "Energy was not measured" not in render_page(counted)
    stored = [{**one, "cached": True} for one in steps()]
    assert "The training came from the store" in render_page(full_run(steps=stored))
    assert "The training came from the store" not in render_page(full_run())


def test_examples_are_told_by_language() -> None:
    assert (
        "By language language rows share de 1,000 61.3 % en 600 36.8 % others 31 1.9 %"
        in Reader(render_page(full_run())).text
    )


def test_each_model_stands_with_the_gain_over_it() -> None:
    text = Reader(render_page(full_run())).text

    assert "base 3.4127 +1.4023 +1.318 to +1.489 30.4 35.2 % 191 7,412 champion 2.1275 +0.1171" in text
    assert "challenger 2.0104 7.5 57.1 % 191 7,412" in text


def test_differences_of_replies_are_marked_by_more_than_colour() -> None:
    page = render_page(full_run())

    assert '<p class="says">Bitte prüfen Sie die <ins>Sendung und melden Sie sich bei uns</ins>.</p>' in page
    assert '<p class="says">Bitte prüfen Sie die <del>Sendungsnummer</del>.</p>' in page
    assert '<p class="says">the the of</p>' in page
    assert "ins { text-decoration: underline 2px" in page
    assert "del { text-decoration: underline dotted 2px" in page


def test_what_is_served_beside_the_base_is_not_called_merged() -> None:
    proof = {"max_abs_diff": 0, "greedy_match": 1, "rows": 1, "beside": "quantized base"}

    assert "Served equals trained" in render_page(full_run(merge=proof))
    assert "Merged equals trained" not in render_page(full_run(merge=proof))
