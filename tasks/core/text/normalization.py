"""Normalization: markup becomes text, encodings are mended, invisible characters go.

The result is stable: normalizing it again changes nothing.
"""

import re
import unicodedata
from collections.abc import Iterator
from html import unescape
from typing import Any

BLOCKS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "br",
        "dd",
        "div",
        "dl",
        "dt",
        "figure",
        "footer",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "li",
        "main",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "table",
        "td",
        "th",
        "tr",
        "ul",
    ]
)
DROPPED = frozenset(["script", "style", "template", "head", "title", "noscript", "svg"])
KNOWN = (
    BLOCKS
    | DROPPED
    | frozenset(
        [
            "a",
            "abbr",
            "b",
            "big",
            "center",
            "cite",
            "code",
            "del",
            "em",
            "font",
            "html",
            "body",
            "i",
            "img",
            "input",
            "ins",
            "kbd",
            "label",
            "mark",
            "q",
            "s",
            "samp",
            "small",
            "span",
            "strike",
            "strong",
            "sub",
            "sup",
            "tbody",
            "thead",
            "tt",
            "u",
            "var",
            "video",
            "audio",
            "source",
            "iframe",
            "form",
            "button",
            "select",
            "option",
        ]
    )
)
# A tag of HTML, not `<foo@bar.com>`, `<your name>` or `<s>`-like control tokens, which parsers would eat as tags.
TAG = re.compile(
    rf"</?(?:{'|'.join(sorted(KNOWN - {'s'}, key=len, reverse=True))})(?:\s[^<>]*)?/?>|<!--|<!doctype",
    re.IGNORECASE,
)
LOOSE = re.compile(
    rf"<(?!/?(?:{'|'.join(sorted(KNOWN - {'s'}, key=len, reverse=True))})(?:[\s/>])|!--|!doctype)",
    re.IGNORECASE,
)
HAS_BLOCK = re.compile(r"<(?:p|br|div|li|tr|blockquote|pre|h[1-6])\b", re.IGNORECASE)
ENTITY = re.compile(r"&(?:#\d{1,7}|#x[0-9a-f]{1,6}|[a-z][a-z0-9]{1,31});", re.IGNORECASE)
INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0e\ufeff\ufff9-\ufffb"
    "\ue000-\uf8ff\U000e0000-\U000e007f\U000f0000-\U000ffffd\U00100000-\U0010fffd]"
)
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
MOJIBAKE = re.compile(
    "[ÂÃâÅÐ][\u0080-\u00bf\u2013-\u203a\u20ac\u2122\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc]"
)
LINE_BREAKS = re.compile(r"\r\n?|[\u2028\u2029\u0085\x0b\x0c]")
BLANKS = re.compile(r"[^\S\n]+")
LAYERS = 8
MARKERS = (
    (re.compile(r"<(?=/?(?:s|pad|unk|bos|eos|mask|start_of_turn|end_of_turn)>)", re.IGNORECASE), "< "),
    (re.compile(r"<(?=\|)|(?<=<)\|"), "< "),
    (re.compile(r"\[(?=/?(?:INST|SYS)\])", re.IGNORECASE), "[ "),
    (re.compile(r"<(?=</?SYS>>)", re.IGNORECASE), "< "),
    (
        re.compile(
            r"^(\s*)#+(?=\s*(?:Instruction|Response|Input|System|User|Assistant)\s*:)",
            re.IGNORECASE | re.MULTILINE,
        ),
        r"\1",
    ),
)


def normalize_text(text: str) -> str:
    """Turn a log's text into plain, composed Unicode with single blanks and at most one empty line in a row.

    Markup that was escaped inside markup is unwrapped too, layer by layer: one pass would leave its tags as text.
    """
    text = _plain(text, keep_lines=not HAS_BLOCK.search(text))
    for _ in range(LAYERS):
        again = _plain(text, keep_lines=True)
        if again == text:
            break
        text = again
    return text


def neutralize_markers(text: str) -> str:
    """Break up strings that a prompt or a tokenizer would read as structure, so that no turn comes from a log."""
    for pattern, replacement in MARKERS:
        text = pattern.sub(replacement, text)
    return text


def has_marker(text: str) -> bool:
    """Say whether a text still holds a string that `neutralize_markers` would break up."""
    return neutralize_markers(text) != text


def has_markup(text: str) -> bool:
    """Say whether a text still holds an HTML tag."""
    return TAG.search(text) is not None


def has_hidden(text: str) -> bool:
    """Say whether a text still holds control or invisible characters."""
    return CONTROL.search(text) is not None or INVISIBLE.search(text) is not None


def _plain(text: str, *, keep_lines: bool) -> str:
    text = _mend(LINE_BREAKS.sub("\n", text))
    if TAG.search(text):
        text = _text_of(text, keep_lines=keep_lines)
    elif ENTITY.search(text):
        text = unescape(text)
    text = unicodedata.normalize("NFC", LINE_BREAKS.sub("\n", text))
    text = INVISIBLE.sub("", CONTROL.sub("", text)).encode("utf-8", "ignore").decode("utf-8")
    lines = [BLANKS.sub(" ", line).strip() for line in text.split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _mend(text: str) -> str:
    """Repair text decoded with the wrong encoding; gated, since ftfy looks at every character."""
    if not MOJIBAKE.search(text):
        return text
    from ftfy import fix_encoding

    return str(fix_encoding(text))


def _text_of(markup: str, *, keep_lines: bool) -> str:
    """Give the text of markup, block elements as lines; `<` that opens no known tag stays text.

    In markup with blocks a line break is white space, as in a browser; elsewhere it is what the writer meant.
    """
    from selectolax.lexbor import LexborHTMLParser

    root = LexborHTMLParser(LOOSE.sub("&lt;", markup)).body
    return "".join(_pieces(root, keep_lines)) if root else ""


def _pieces(node: Any, keep_lines: bool) -> Iterator[str]:
    for child in node.iter(include_text=True):
        tag = child.tag
        if tag == "-text":
            text = child.text_content or ""
            yield text if keep_lines or node.tag == "pre" else text.replace("\n", " ")
        elif tag == "br":
            yield "\n"
        elif tag not in DROPPED and tag != "-comment":
            block = "\n" if tag in BLOCKS else ""
            yield block
            yield from _pieces(child, keep_lines)
            yield block
