"""Golden cases: a file is sound or refused with the place, assertions hold what they say, and critical ones decide."""

import time
from pathlib import Path

import pytest

from tasks.core.errors import SettingsError
from tasks.core.judging.gate_rules import decide
from tasks.core.judging.generation import Reply
from tasks.core.judging.golden_cases import (
    CaseResult,
    failures,
    golden_figures,
    judge_cases,
    matches,
    read_results,
    write_results,
)
from tasks.core.judging.golden_rules import golden_objections
from tasks.core.judging.statistics import Gain, sign_test
from tasks.core.model.loading import load_tokenizer
from tasks.core.receipts import GoldenCase, GoldenCases
from tasks.core.tokens.asking import prompt_ids
from tasks.core.tokens.masking import encode_conversation
from tasks.core.tokens.prompts import template_source, with_template
from tasks.golden_reading import read_golden

SOUND = """
# what customers ask most
- id: refund-window
  question: "How long do I have to return an item?"
  must: ["30 days"]
  must_not: ["I don't know"]
  must_match: ['\\b30\\b']
  critical: true
- {id: hello, question: Hello there, must_match: ["[a-z]"]}
"""


def read(tmp_path: Path, text: str) -> GoldenCases:
    path = tmp_path / "golden.yaml"
    path.write_text(text, encoding="utf-8")
    return read_golden(str(path))


def test_a_sound_file_is_read_whole(tmp_path: Path) -> None:
    first, second = read(tmp_path, SOUND).cases
    assert first == GoldenCase(
        id="refund-window",
        question="How long do I have to return an item?",
        must=("30 days",),
        must_not=("I don't know",),
        must_match=(r"\b30\b",),
        critical=True,
    )
    assert (second.id, second.critical, second.must) == ("hello", False, ())
    assert read_golden("") == GoldenCases()


def test_the_example_of_the_documents_is_sound(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "judging.md").read_text(encoding="utf-8")
    (case,) = read(
        tmp_path, page.split("## Golden cases", 1)[1].split("```yaml\n", 1)[1].split("```", 1)[0]
    ).cases
    assert failures(case, "You have 30 days.") == {}


ASKED = "question: How long, must: [thirty]"
MISTAKES = [
    ("", "must be a list of 1 to 1,000 cases"),
    ("[]", "must be a list of 1 to 1,000 cases"),
    ("cases: []", "must be a list of 1 to 1,000 cases"),
    ("- 7", "case 1 must have the fields id, question"),
    (f"- {{id: a, {ASKED}, mus: [b]}}", "case 1 (a): unknown field 'mus'; did you mean must?"),
    (f"- {{id: a, {ASKED}, colour: b}}", "case 1 (a): unknown field 'colour'; known: id, question"),
    (f"- {{{ASKED}}}", "case 1: id must be a name"),
    (f"- {{id: 7, {ASKED}}}", "case 1: id must be a name"),
    (f"- {{id: How long, {ASKED}}}", "case 1: id must be a name"),
    ("- {id: a, must: [b]}", "case 1 (a): question must be a text of 1 to 8,000 characters."),
    ("- {id: a, question: ' ', must: [b]}", "case 1 (a): question must be"),
    (f"- {{id: a, question: {'x' * 8001}, must: [b]}}", "case 1 (a): question must be"),
    ("- {id: a, question: q}", "case 1 (a): give at least one of must, must_not, must_match"),
    (
        "- {id: a, question: q, must: []}",
        "case 1 (a): must must be a list of texts, of one at least, such as",
    ),
    ("- {id: a, question: q, must_not: b}", "case 1 (a): must_not must be a list of texts"),
    ("- {id: a, question: q, must: [30]}", "case 1 (a): must must be a list of texts"),
    ("- {id: a, question: q, must: [' ']}", "case 1 (a): must must be a list of texts"),
    ('- {id: a, question: q, must: ["\\ud800"]}', "case 1 (a): must must be a list of texts"),
    ("- {id: a, question: q, must_match: ['(']}", "must_match 1 is no regular expression of RE2"),
    ("- {id: a, question: q, must_match: ['a', 'a(?=b)']}", "must_match 2 is no regular expression of RE2"),
    ("- {id: a, question: q, must_match: ['.*']}", "must_match 1 is found in an empty reply"),
    (
        "- {id: a, question: q, must: [Thirty Days], must_not: [thirty]}",
        "case 1 (a): must 1 holds what must_not 1 refuses",
    ),
    (f"- {{id: a, {ASKED}, critical: 'yes'}}", "case 1 (a): critical must be true or false."),
    (f"- {{id: a, {ASKED}}}\n- {{id: a, {ASKED}}}", "case 2 (a): case 1 has the same id"),
    ("- {id: a, id: b}", "line 1: cannot be read: the key 'id' twice"),
    ("- &x [a]\n- *x", "line 2: cannot be read: an alias (*)"),
    ("- !!python/name:os.system", "cannot be read"),
    ("- {", "cannot be read"),
]


@pytest.mark.parametrize(("text", "sentence"), MISTAKES)
def test_a_mistake_is_told_with_its_place_and_cure(text: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        read(tmp_path, text)
    assert sentence in refused.value.message
    assert refused.value.message.startswith(str(tmp_path / "golden.yaml"))
    assert "evaluation.golden" in refused.value.cure
    assert refused.value.exit_code == 2


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        read(tmp_path, "- {id: a, question: q}\n- {id: b, question: q, must: []}")
    assert len(refused.value.message.splitlines()) == 2


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is not a file"):
        read_golden(str(tmp_path / "none.yaml"))


ASSERTIONS = [
    ({"must": ("30 days",)}, "Within 30\nDAYS of delivery.", []),
    ({"must": ("30 days", "refund")}, "Within 30 days.", ["must 2"]),
    ({"must": ("Straße",)}, "in der STRASSE", []),
    ({"must_not": ("I don't know", "never")}, "Sorry, I don’t know.", ["must_not 1"]),
    ({"must_not": ("sorry",)}, "Gladly.", []),
    ({"must_match": (r"\b30\b",)}, "In 300 days.", ["must_match 1"]),
    ({"must_match": (r"\b30\b", "(?i)DAYS")}, "In 30 days.", []),
    ({"must_match": ("DAYS",)}, "In 30 days.", ["must_match 1"]),
    (
        {"must": ("x",), "must_not": ("y",), "must_match": ("z",)},
        "y",
        ["must 1", "must_not 1", "must_match 1"],
    ),
    ({"must": ("a",)}, "", ["must 1"]),
    ({"must_not": ("a",)}, "", []),
]


@pytest.mark.parametrize(("asserted", "reply", "failed"), ASSERTIONS)
def test_assertions_hold_what_they_say(
    asserted: dict[str, tuple[str, ...]], reply: str, failed: list[str]
) -> None:
    case = GoldenCase.model_validate({"id": "a", "question": "q", **asserted})
    assert list(failures(case, reply)) == failed


def test_no_expression_takes_long() -> None:
    began = time.perf_counter()
    assert not matches("^(a+)+$", "a" * 50_000 + "!")
    assert not matches("(x+x+)+y", "x" * 50_000)
    assert time.perf_counter() - began < 2


def result(name: str, *, passed: bool, critical: bool = False) -> CaseResult:
    return CaseResult(name, critical, "q", "r", stopped=True, failed={} if passed else {"must 1": "a"})


def results(passes: str, critical: str = "") -> list[CaseResult]:
    """Give a result for each letter: a `+` passes."""
    return [
        result(f"c{at}", passed=one == "+", critical=f"{at}" in critical) for at, one in enumerate(passes)
    ]


def test_results_are_counted_and_survive_writing(tmp_path: Path) -> None:
    cases = (
        GoldenCase(id="a", question="q", must=("yes",)),
        GoldenCase(id="b", question="q", must=("no",), critical=True),
    )
    found = judge_cases(cases, [Reply("Yes.", stopped=True), Reply("Yes, yes", stopped=False)])
    assert [(one.id, one.passed, one.critical, one.stopped) for one in found] == [
        ("a", True, False, True),
        ("b", False, True, False),
    ]
    assert found[1].failed == {"must 1": "no"}
    assert golden_figures(found) == {"golden_passed": 1, "golden_cases": 2}
    assert golden_figures([]) == {}
    write_results(tmp_path / "g", found)
    assert read_results(tmp_path / "g") == found


GOOD = Gain(0.5, 0.4, 0.6, 90, 30)
STANDINGS = [
    ("no cases", "", "", "", 0.5, ""),
    ("all pass", "++", "++", "01", 1.0, ""),
    ("a critical one fails", "+-", "", "1", 0.0, "critical golden cases: c1"),
    ("a critical one fails for the champion too", "+-", "+-", "1", 0.0, "critical golden cases: c1"),
    ("others are only shown", "---", "+++", "", 0.0, ""),
    ("just enough", "+-", "", "", 0.5, ""),
    ("too few", "+--", "", "", 0.5, "passes 1 of 3 golden cases, which is below gate.min_golden (0.5)"),
    ("fewer, within noise", "+" * 5 + "-" * 5, "+" * 10, "", 0.1, ""),  # p = 0.0625
    (
        "fewer, beyond noise",
        "+" * 4 + "-" * 6,
        "+" * 10,
        "",
        0.1,
        "c4, c5, c6, c7, c8 and 1 more (p = 0.031)",
    ),
    ("fewer, but shown only", "+" * 4 + "-" * 6, "+" * 10, "", 0.0, ""),
    ("more than the champion", "+" * 10, "+" * 4 + "-" * 6, "", 0.1, ""),
]


@pytest.mark.parametrize(
    ("challenger", "champion", "critical", "least", "reason"),
    [one[1:] for one in STANDINGS],
    ids=[one[0] for one in STANDINGS],
)
def test_the_gate_hears_of_golden_cases(
    challenger: str, champion: str, critical: str, least: float, reason: str
) -> None:
    found = golden_objections(results(challenger, critical), results(champion, critical), least, 0.95)
    verdict = decide({"base": GOOD}, 0.0, "auto", objections=found)
    assert verdict.outcome == ("keep" if reason else "promote")
    assert reason in verdict.reason
    assert verdict.reason.endswith(".")


def test_shares_at_their_very_limit_suffice() -> None:
    for passed in range(1, 101):
        assert golden_objections(results("+" * passed + "-" * (100 - passed)), [], passed / 100, 0.95) == []


def test_every_objection_is_told() -> None:
    found = golden_objections(results("-" * 7, "0"), results("+" * 7), 0.5, 0.95)
    reason = decide({"base": GOOD}, 0.0, "ask", objections=found).reason
    assert reason.count("; ") == 2
    assert "critical golden cases: c0;" in reason


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (1, 0), (3, 3), (5, 0), (0, 6), (14, 5), (200, 150)])
def test_the_sign_test_is_scipys(wins: int, losses: int) -> None:
    from scipy.stats import binomtest

    expected = binomtest(wins, wins + losses).pvalue if wins + losses else 1.0
    assert sign_test(wins, losses) == pytest.approx(expected)


def test_what_cases_say_counts_and_neither_their_place_nor_a_comment(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    first, moved = read(tmp_path, SOUND), read(tmp_path / "other", SOUND.replace("# what", "# all that"))
    assert first.in_key() == moved.in_key()
    for old, new in (("30 days", "14 days"), ("how long", "How long"), ("true", "false"), ("hello", "hi")):
        changed = SOUND.replace(old, new)
        assert (read(tmp_path, changed).in_key() != first.in_key()) == (changed != SOUND)
    assert "30 days" not in str(first.in_key())


def test_a_question_is_asked_as_it_is_trained(tiny_base: Path) -> None:
    for template in ("instruction", "plain"):
        tokenizer = load_tokenizer(tiny_base)
        with_template(tokenizer, template_source(template, tokenizer))  # type: ignore[arg-type]
        (trained,) = encode_conversation(tokenizer, [], "How do I reset it?", "Open the menu.", 200, "drop")  # type: ignore[misc]
        assert (
            prompt_ids(tokenizer, "<p>How do I&nbsp;  reset it?</p>") == trained.ids[: trained.prompt_length]
        )


def test_a_question_of_which_nothing_is_left_is_refused(tiny_base: Path) -> None:
    tokenizer = load_tokenizer(tiny_base)
    with_template(tokenizer, template_source("instruction", tokenizer))
    with pytest.raises(ValueError, match="is empty"):
        prompt_ids(tokenizer, "<br>")
