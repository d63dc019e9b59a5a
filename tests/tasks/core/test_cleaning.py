"""Cleaning a conversation: every craft does its own work, leaves alone what only looks like it, and is stable."""

import gc
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tasks.core.normalizing import encodings, markup
from tasks.core.normalizing.normalization import (
    has_hidden,
    has_marker,
    has_markup,
    neutralize_markers,
    normalize,
    normalize_text,
)
from tasks.core.settings import CleaningSettings, Outcome
from tasks.core.text.conversation_cleaning import EVERY_OUTCOME, Cleaned, clean_conversations
from tasks.core.text.filtering import is_acknowledgement, is_blob, is_counter_question, is_only_personal_data
from tasks.core.text.greetings import cut_greetings
from tasks.core.text.prompt_styles import has_mixed_styles, unify_prompt_styles
from tasks.core.text.quoting import cut_quoted_mail
from tasks.core.text.signatures import cut_signature

LOGS = Path(__file__).parents[2] / "data" / "support_logs"
QUESTION = "How do I turn the lamp on?"
REPLY = "Press the round button for two seconds."
ROW: dict[str, Any] = {
    "row_id": "1",
    "line": 1,
    "conversation": "c",
    "created": "",
    "language": "en",
    "product": "",
    "requester": "",
    "agent": "",
    "question": QUESTION,
    "reply": REPLY,
    "history": [],
    "solved": None,
    "votes": None,
    "csat": None,
    "reopened": None,
}


def clean_conversation(
    row: dict[str, Any], rules: CleaningSettings, outcome: Outcome = EVERY_OUTCOME
) -> Cleaned:
    (cleaned,) = clean_conversations([row], rules, outcome)
    return cleaned


EVERYTHING = CleaningSettings(greetings=True, drop_counter_questions=True)

HTML = {
    "<ul><li> one </li><li>two</li></ul><p>end</p>": "- one\n- two\n\nend",
    "<p>Do:</p><ol><li><p>a</p></li><li>b<ul><li>c</li></ul></li><li>d</li></ol>": "Do:\n1. a\n2. b\n- c\n3. d",
    '<p>See <a href="https://x.example/a" rel="nofollow">the page</a>.</p>': "See the page (https://x.example/a).",
    '<p><a href="https://x.example/a">https://x.example/a</a></p>': "https://x.example/a",
    '<p><a href="http://www.x.example/">x.example</a></p>': "x.example",
    '<p><a href="https://x.example/long/way">https://x.example/lo…</a></p>': "https://x.example/long/way",
    '<a href="#top">up</a> <a href="mailto:a@b.example">write</a>': "up write",
    "Subject\n\n<p>first\nline</p>": "Subject\n\nfirst line",
    "<pre>\nif a:\n  b</pre>": "if a:\nb",
    "<p>I <s>do</s> did</p>": "I do did",
    "<b>a</b> <!-- hidden <p> --> b <!-- open": "a b open",
    "<b>a</b><script>x<b>y</script>c <script> d": "ac d",
    "<p>a<p>b": "a\n\nb",
    '<div style="x">a</div><blockquote type="cite">b<br>c</blockquote>': "a\n\n> b\n> c",
    "<p><strong>bold text</strong>Help</p>": "Help",
    "write <foo@bar.example> or <your name>, 1 < 2": "write <foo@bar.example> or <your name>, 1 < 2",
    "?a=1&copy=2&amp;b &notit; &copy;": "?a=1&copy=2&b &notit; ©",
    "&amp;amp;amp;lt;b&amp;amp;amp;gt;x": "x",
}


@pytest.mark.parametrize(("dirty", "clean"), HTML.items())
def test_markup_becomes_readable_text(dirty: str, clean: str) -> None:
    assert normalize_text(dirty) == clean


TAGS = [
    "<p>",
    "</p>",
    "<br>",
    "<b>",
    "</b>",
    "<ul>",
    "</ul>",
    "<ol>",
    "</ol>",
    "<li>",
    "</li>",
    "<pre>",
    "</pre>",
]
MORE_TAGS = [
    "<div>",
    "</div>",
    "<td>",
    "</td>",
    "<table>",
    "<!--",
    "-->",
    "<script>",
    "</script>",
    "<s>",
    "</a>",
]
LINKS = [
    '<a href="http://x.example">',
    "<blockquote type=cite>",
    "</blockquote>",
    '<div title="a>b">',
    "<h1>",
    "</h1>",
]
HTML_TEXT = st.lists(
    st.sampled_from([*TAGS, *TAGS, *MORE_TAGS, *LINKS, "a", "b c", " ", "\n", "&lt;", "<"])
).map("".join)


@given(HTML_TEXT)
def test_reading_in_one_pass_and_as_a_tree_give_the_same(text: str) -> None:
    quickly = normalize_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(markup, "_read_tags", lambda *_: False)
        patch.setattr(markup, "SIMPLE", markup.re.compile(r"(?!)"))
        assert normalize_text(text) == quickly


LIGHT = {
    "see [the page](https://x.example/a_(b)) now": "see the page (https://x.example/a_(b)) now",
    "![a lamp](https://x.example/a.png) here": "a lamp here",
    "[](https://x.example)": "https://x.example",
    "[b]now[/b] and [url=https://x.example]there[/url][img]https://x.example/a.png[/img]": "now and there (https://x.example)",
    "[quote=Eva]so?[/quote]yes": "so?\nyes",
    "'''now''' and '''bold text''' '''later'''": "now and later",
    "a[i] = b[i](x) and arr[/b] if [[ -f x ]]; then x = ''": "a[i] = b[i](x) and arr[/b] if [[ -f x ]]; then x = ''",
    "*** x *** **1@y **2@y ```code``` # heading": "*** x *** **1@y **2@y ```code``` # heading",
}


@pytest.mark.parametrize(("dirty", "clean"), LIGHT.items())
def test_light_markup_goes_and_what_only_looks_like_it_stays(dirty: str, clean: str) -> None:
    assert normalize_text(dirty) == clean


UNICODE = {
    "a\u2028b\u2029c\x0bd\re": "a\nb\nc\nd\ne",
    "pass\u200bword \ufeff\u202eabc\x1b[0m \ue000\U000f0000\ufdd0": "password abc[0m",
    "lone \ud800surrogate": "lone surrogate",
    "می\u200cخواهم 👨\u200d👩": "می\u200cخواهم 👨\u200d👩",
    "a\u200cb": "ab",
    "e\u200b\u0301": "é",
    "schÃ¶n â€“ cafÃ©": "schön – café",
    "GrÃ¼Ã\x9fe\nSão Tomé": "Grüße\nSão Tomé",
    "\xa0a\u3000 b\u2003c\t": "a b c",
}


@pytest.mark.parametrize(("dirty", "clean"), UNICODE.items())
def test_characters_are_composed_mended_or_dropped(dirty: str, clean: str) -> None:
    assert normalize_text(dirty) == clean
    assert not has_hidden(clean)


def test_floods_of_marks_are_capped() -> None:
    assert normalize_text("e" + "\u0301" * 100_000) == "é" + "\u0301" * (encodings.MARKS - 1)


def test_the_bytes_asked_first_miss_no_hidden_character() -> None:
    every = [chr(code) for code in range(0x80, 0x110000) if encodings.INVISIBLE.match(chr(code))]
    every += [chr(code) for code in [*range(0x80, 0xA0), 0x2028, 0x2029, 0x200C, 0x200D, 0xD800, 0xDFFF]]
    missed = [c for c in every if not encodings.BYTES_OF_HIDDEN.search(c.encode("utf-8", "surrogatepass"))]
    assert missed == []


MARKERS = [
    *("<s>", "</s>", "<pad>", "<unk>", "<bos>", "<eos>", "<mask>", "<start_of_turn>user", "<end_of_turn>"),
    *(
        "<|im_start|>system",
        "<|eot_id|>",
        "<|endoftext|>",
        "<|turn>",
        "<turn|>",
        "<｜User｜>",
        "<｜end▁of▁sentence｜>",
    ),
    *("[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "[TOOL_CALLS]", "<tool_call>", "</think>", "<EOS_TOKEN>"),
    *(
        ">>QUESTION<<",
        "### Instruction:",
        "### Response:",
        "## input :",
        "<extra_id_0>",
        "<fim_prefix>",
    ),
]


@pytest.mark.parametrize("marker", MARKERS)
def test_markers_are_broken_wherever_they_stand(marker: str) -> None:
    hidden = marker[0] + "\u200b" + marker[1:-1] + "\u2060" + marker[-1]
    for text in (marker, f"before {marker} after", f"a\n{marker}\nb", f"see {hidden}", f"x{marker}{marker}y"):
        broken = neutralize_markers(normalize_text(text))
        assert marker not in broken
        assert not has_marker(broken)
        assert has_marker(normalize_text(text))


@pytest.mark.parametrize(
    "text",
    ["<EMAIL_1>", "<your name>", "usage: x [args] <file>", "C# output: 3", "# Questions", "a < b | c > d"],
)
def test_what_is_no_marker_stays(text: str) -> None:
    assert neutralize_markers(text) == text


HISTORIES = [
    "On Mon, 1 Jan 2024 at 10:00, Bob <b@x.example> wrote:\n> Hi\n>\n> there",
    "On Mon, 1 Jan 2024 at 10:00 AM, Bob Miller\n<b@x.example> wrote:\n\n> Hi",
    "On Mon, 1 Jan 2024 at 10:00 AM, Bob <b@x.example> wrote:\nHi\nHow are you?",
    "Am 01.01.2024 um 10:00 schrieb Eva:\n> Hallo",
    "Eva schrieb am 1.2.2024:\n> Hallo",
    "Le lun. 1 janv. 2024 à 10:00, Eva a écrit :\n> Bonjour",
    "El lun, 1 ene 2024 a las 10:00, Eva (<e@x.example>) escribió:\n> Hola",
    "Il giorno lun 1 gen 2024 alle ore 10:00 Eva ha scritto:\n> Ciao",
    "Op ma 1 jan. 2024 om 10:00 schreef Eva:\n> Hoi",
    "-----Original Message-----\nFrom: Bob\nHi",
    "----- Ursprüngliche Nachricht -----\nHallo",
    "________________________________\nVon: Bob <b@x.example>\nGesendet: Montag, 1. Januar 2024 10:00\nAn: Eva\nBetreff: AW: x\n\nHallo",
    "From: Bob\nSent: Monday 10:00\nTo: Eva\nCc: Ida\nSubject: Re: x\n\nHi",
    "*De :* Bob\n*Envoyé :* lundi 10:00\n*À :* Eva\n*Objet :* x\n\nBonjour",
]


@pytest.mark.parametrize("history", HISTORIES)
def test_quoted_mail_is_cut(history: str) -> None:
    assert cut_quoted_mail(f"It works.\n\n{history}") == "It works."
    assert cut_quoted_mail(history) == history, "nothing would be left"


@pytest.mark.parametrize(
    "post",
    [
        "> You said so\n\nYes, and it is true.",
        "As I wrote:\nit fails",
        "On 1 May at 10:00 I wrote:\na list",
        "Header of the mail:\nFrom: Bob\nDate: Monday\nTo: Eva\nSubject: x\nWhy is it spam?",
        "---------- Forwarded message ---------\nFrom: Bob\nSubject: x\nIs this real?",
        "I reply above the original message, but it shows below.",
        "On Monday, Bob wrote:\n> one?\nyes\n> two?\nno",
    ],
)
def test_posts_about_mail_stay(post: str) -> None:
    assert cut_quoted_mail(post) == post


SIGNATURES = [
    *(
        "-- \nBob\nACME Ltd",
        "--",
        "Sent from my iPhone",
        "Von meinem iPhone gesendet",
        "Get Outlook for Android",
    ),
    *(
        "Gesendet mit der WEB.DE Mail App",
        "Envoyé de mon iPhone",
        "Enviado desde mi móvil",
        "Inviato da iPhone",
    ),
    *(
        "Verstuurd vanaf mijn iPad",
        "Sent from Mail for Windows 10",
        "--\nBob\n\nSent from Yahoo Mail on Android",
    ),
]


@pytest.mark.parametrize("signature", SIGNATURES)
def test_signatures_are_cut(signature: str) -> None:
    text = normalize_text(f"It works.\n\n{signature}")
    assert cut_signature(text) == "It works."
    assert cut_signature(signature), "a text is never cut to nothing"


@pytest.mark.parametrize(
    "text",
    [
        "Good evening\n--\n" + "a line of the same text\n" * 12 + "end",
        "Mails\nsent from android are missing, why?",
        "x\nVon meinem Konto wird nichts gesendet",
        "Sent from my iPhone\nit arrives twice.",
    ],
)
def test_what_is_no_signature_stays(text: str) -> None:
    assert cut_signature(text) == text


GREETINGS = {
    "Hi Bob,\n\nclick here.\n\nBest regards,\nEva Meier\nSupport Team": "click here.",
    "Sehr geehrte Frau Müller,\nbitte klicken.\n\nMit freundlichen Grüßen": "bitte klicken.",
    "Hello <NAME_1>, click here.\nCheers,\n<NAME_2>": "click here.",
    "Bonjour,\nfaites ceci.\nCordialement,\nEva": "faites ceci.",
    "Hi there is a way to do it, click.": "Hi there is a way to do it, click.",
    "Hello World is a program.\nRun it.": "Hello World is a program.\nRun it.",
    "Thanks!": "Thanks!",
}


@pytest.mark.parametrize(("reply", "bare"), GREETINGS.items())
def test_greetings_are_cut_when_asked(reply: str, bare: str) -> None:
    assert cut_greetings(reply) == bare
    assert clean_conversation({**ROW, "reply": reply}, CleaningSettings()).row["reply"] == reply


@pytest.mark.parametrize(
    ("question", "reply"),
    [
        ("Human: how?", "Assistant: so."),
        ("**User:** how?", "AI: so."),
        ("### Instruction:\nhow?\n\n### Response:", "### Response:\nso."),
        ("### Instruction:\nhow?\n\n### Response:\nso.", "so."),
        ("how?", "Q: how?\nA: so."),
        ("Question: Human: how?", "A: Assistant: so."),
        ("<|im_start|>user\nhow?<|im_end|>", "<|im_start|>assistant\nso.<|im_end|>"),
        ("<s>[INST] how? [/INST]", "so."),
    ],
)
def test_prompt_styles_are_unified(question: str, reply: str) -> None:
    assert unify_prompt_styles(question, reply) == ("how?", "so.")


def test_a_text_with_both_sides_is_reported_and_makes_no_turn() -> None:
    forged = "Human: how?\n\nAssistant: so.\n\nHuman: and then?"
    row = clean_conversation({**ROW, "question": forged}, CleaningSettings()).row
    assert has_mixed_styles(forged)
    assert has_mixed_styles(row["question"])
    assert row["history"] == []
    for text in ("User: admin\nPort: 25", "Question: how?", "Q: one\nQ: two", QUESTION, "what is [INST]?"):
        assert not has_mixed_styles(text)


def test_replies_that_only_thank_are_known() -> None:
    for reply in (
        "Thanks!",
        "ok",
        "Great, it works now. Thank you very much!",
        "Vielen Dank, hat funktioniert.",
        "Merci beaucoup",
    ):
        assert is_acknowledgement(reply), reply
    for reply in ("Thanks, restart the lamp.", "It works with firmware 3.", REPLY, "", "<NAME_1>"):
        assert not is_acknowledgement(reply), reply


def test_replies_that_only_ask_back_are_known() -> None:
    assert is_counter_question("Thanks. Which version is it? Is the lamp new?")
    assert not is_counter_question("Press the button. Does it work?")


def test_blobs_and_bare_placeholders_are_known() -> None:
    assert is_blob("see: " + "QUJDRGE4" * 40)
    assert is_blob("\n".join(["QUJDRGE4" * 9] * 5))
    assert not is_blob("https://x.example/" + "a-long-way-of-words/" * 15)
    assert not is_blob("漢字" * 200)
    assert is_only_personal_data("<EMAIL_1>, <PHONE_1>!")
    assert not is_only_personal_data("call <PHONE_1>")


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"question": "Hm?"}, "short_question"),
        ({"reply": "ok"}, "short_reply"),
        ({"language": "de"}, "language"),
        ({"reply": "Thank you very much for your help!"}, "acknowledgement"),
        ({"reply": "Which version of it do you have?"}, "counter_question"),
        ({"reply": "QUJDRGE4" * 40}, "blob"),
        ({"question": "write to mira.sand@example.org"}, None),
        ({"question": "mira.sand@example.org"}, "only_personal_data"),
        ({"solved": False}, "unsolved"),
        ({"solved": None}, "unsolved"),
        ({"votes": 1.0}, "few_votes"),
        ({"csat": 2.0}, "low_csat"),
        ({"reopened": True}, "reopened"),
        ({}, None),
    ],
)
def test_rows_that_cannot_teach_name_their_rule(change: dict[str, Any], rule: str | None) -> None:
    rules = CleaningSettings(languages=("en",), drop_counter_questions=True)
    outcome = Outcome(only_solved=True, min_votes=2, min_csat=3, drop_reopened=True)
    assert clean_conversation({**ROW, "solved": True, **change}, rules, outcome).rule == rule
    if not change.keys() - {"solved", "votes", "csat", "reopened"}:
        assert clean_conversation({**ROW, **change}, rules).rule is None


def test_every_craft_counts_the_rows_that_it_changed() -> None:
    dirty = {
        **ROW,
        "question": "Human: <p>GrÃ¼Ã\x9fe &amp; e\u0301 \u200b [b]x[/b]</p><p>How?</p><p>On Monday, Bob wrote:<br>&gt; a</p>",
        "reply": "Hi Bob,\nwrite <s> to mira.sand@example.org or mira.sand@example.org\n-- \nEva",
        "history": [
            {"role": "user", "text": "<p> </p>"},
            {"role": "assistant", "text": "Assistant: <b>yes</b>"},
        ],
    }
    cleaned = clean_conversation(dirty, EVERYTHING)
    assert cleaned.row["question"] == "Grüße & é x\n\nHow?"
    assert cleaned.row["reply"] == "write < s> to <EMAIL_1> or <EMAIL_1>"
    assert cleaned.row["history"] == [{"role": "assistant", "text": "yes"}]
    crafts = "html entities markup mojibake invisible unicode whitespace quoted_mail signature greeting prompt_style marker"
    assert cleaned.changes == {**dict.fromkeys(crafts.split(), 1), "EMAIL": 2}
    assert cleaned.row.keys() == {*ROW, "language_source"}
    assert cleaned.looked_through


def test_crafts_can_be_left_out() -> None:
    off = CleaningSettings(quoted_mail=False, signatures=False, prompt_styles=False, redact=False)
    text = "Human: write to mira.sand@example.org\n--\nEva"
    cleaned = clean_conversation({**ROW, "question": text}, off)
    assert (cleaned.row["question"], cleaned.changes) == (text, {})
    assert not cleaned.looked_through


def _sample_rows() -> list[dict[str, Any]]:
    rows = []
    for path in sorted(LOGS.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").split("\n"):
            try:
                log = json.loads(line)
                question = f"{log['subject']}\n\n{log['body']}"
                rows.append(
                    {**ROW, "question": question, "reply": log["reply"] or "", "requester": log["requester"]}
                )
            except (ValueError, TypeError, KeyError):
                continue  # planted lines that cannot be rows
    return rows


def test_cleaning_the_sample_logs_again_changes_nothing() -> None:
    rows = _sample_rows()
    assert len(rows) > 1400
    for row in rows:
        once = clean_conversation(row, EVERYTHING)
        again = clean_conversation(once.row, EVERYTHING)
        assert (again.row, again.changes, again.rule) == (once.row, {}, once.rule)


PARTS = [
    *TAGS, *MORE_TAGS, *LINKS, *MARKERS, *HISTORIES, *SIGNATURES, *LIGHT, *UNICODE, *GREETINGS,
    *("&amp;", "lt;", "#60;", "Human:", "\nAssistant:", "Q:", "\nA:", "'", "'''", "[b]", "[/b]", "](http://q.example)"),
    *("\n", "\n\n", "  ", "\t", "\x00", "\x85", "\u200d", "\u0301", "\ud800", "Ã", "\u037e", "a", "Bob", "b@x.example"),
]  # fmt: skip
DIRTY = st.lists(st.one_of(st.sampled_from(PARTS), st.text(max_size=6)), max_size=12).map("".join)
ANYTHING = st.one_of(DIRTY, st.text(st.characters(exclude_categories=()), max_size=80))


@settings(max_examples=150, deadline=None)
@given(ANYTHING, ANYTHING, st.lists(ANYTHING, max_size=2))
def test_cleaning_any_text_ends_and_is_stable(question: str, reply: str, earlier: list[str]) -> None:
    history = [{"role": "user", "text": text} for text in earlier]
    once = clean_conversation({**ROW, "question": question, "reply": reply, "history": history}, EVERYTHING)
    again = clean_conversation(once.row, EVERYTHING)
    assert (again.row, again.changes, again.rule) == (once.row, {}, once.rule)
    for text in (once.row["question"], once.row["reply"], *(turn["text"] for turn in once.row["history"])):
        assert not any(left(text) for left in (has_markup, has_marker, has_hidden))
        text.encode()


@settings(max_examples=200, deadline=None)
@example("Ã\x1b§ is read anew once the control between is gone è)")
@given(ANYTHING)
def test_normalizing_any_text_is_stable(text: str) -> None:
    once, _ = normalize(text)
    assert normalize(once) == (once, set())


@pytest.mark.parametrize(
    "text",
    [
        "<" * 100_000,
        "<div>" * 40_000,
        "<b><p>" * 30_000,
        "<!--" * 50_000,
        "&" + "amp;" * 50_000,
        "e" + "\u0301\u0327" * 100_000,
        "\n" * 100_000,
        "> quoted\n" * 20_000,
        "On Mon, 1 Jan 2024 at 10:00, Bob wrote:\n> x\n" * 4_000,
        "--\n" * 60_000,
        "Human:" * 30_000,
        "[INST]" * 30_000,
        "[b]" * 60_000 + "[/b]",
        "Ã\x83\x83" * 3_300,
        "[a](" * 50_000,
        "# " * 100_000,
    ],
    ids=lambda text: repr(text[:8]),
)
def test_hostile_text_is_cleaned_within_a_second(text: str) -> None:
    gc.disable()  # what other tests have left is not looked through at this one's cost, nor do their threads count
    try:
        began = time.thread_time()
        cleaned = clean_conversation({**ROW, "question": text}, CleaningSettings(redact=False))
        taken = time.thread_time() - began
    finally:
        gc.enable()
    assert taken < 1
    assert not any(left(cleaned.row["question"]) for left in (has_markup, has_marker, has_hidden))
