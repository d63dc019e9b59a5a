"""Prompt styles: labels such as `Human:` or `### Response:` are taken off, so that the template's is the only style.

A text that holds both sides of a conversation is no turn. Where it only repeats the other side of its own row, that is
cut; any other is left as it is and reported by `has_mixed_styles`: text from a log never becomes a turn of its own.
"""

import re
from typing import Literal, NamedTuple

Role = Literal["user", "assistant"]


class Label(NamedTuple):
    """Where a label lies, whose it is, and its style; both sides of one style make a conversation."""

    start: int
    end: int
    role: Role
    style: str


# Groups: whose label it is, and the style; `User:` belongs to `Assistant:`, `Q:` to `A:`.
NAMES = (
    r"(?P<user0>human|user)|(?P<assistant0>assistant|ai|bot|chatbot|gpt)|(?P<user1>instructions?|input)|(?P<assistant1>response|output)"
    r"|(?P<user2>question|query|(?-i:Q))|(?P<assistant2>answer|(?-i:A))|(?P<user3>prompt)|(?P<assistant3>completion)"
)
NAMED = re.compile(rf"[#*_]{{0,6}} ?(?:{NAMES})[*_]{{0,2}} ?:[*_]{{0,2}}\s*", re.IGNORECASE)
LONGEST_NAME = 24
LONGEST_END = 40
LONGEST_COMPARED = 100_000
TOKEN_STYLES = ("8", "9")
TOKEN = re.compile(
    r"[<\[](?:(?<=\[) ?(?:(?P<user8>INST\])|(?P<assistant8>/INST\]))|(?<=<) ?"
    r"(?:(?P<user_begun8>s> ?\[ ?INST\])|(?P<user9>(?:\|im_start\|> ?user|\|start_header_id\|> ?user<\|end_header_id\|>|\|user\|>|start_of_turn> ?user))"
    r"|(?P<assistant9>(?:\|im_start\|> ?assistant|\|start_header_id\|> ?assistant<\|end_header_id\|>|\|assistant\|>|start_of_turn> ?model))))\s*"
)
END = re.compile(
    r"\s*(?:\[ ?/INST\]|< ?(?:/s|\|(?:im_end|eot_id|end|end_of_text|endoftext)\||end_of_turn)>)$"
)


def unify_prompt_styles(question: str, reply: str) -> tuple[str, str]:
    """Take labels off the beginning of a question and its reply, and off either what repeats the other."""
    question, reply = without_label(question, "user"), without_label(reply, "assistant")
    return _own_side(question, "user", reply), _own_side(reply, "assistant", question)


def without_label(text: str, role: Role) -> str:
    """Take the labels of `role` off the beginning of a text; a text that is nothing else stays."""
    start, end, style = 0, len(text), ""
    while label := _label_at(text, start, role):
        start, style = label.end, label.style
    while style in TOKEN_STYLES and (last := END.search(text, max(start, end - LONGEST_END), end)):
        end = last.start()
    return text[start:end].strip() or text if start else text


def has_mixed_styles(text: str) -> bool:
    """Say whether a text holds labels of both sides of a conversation."""
    labels = _labels(text)
    return len({label.role for label in labels}) == 2 and _pair(labels) is not None


def _label_at(text: str, start: int, role: Role) -> Label | None:
    found = TOKEN.match(text, start) if text[start : start + 1] in "<[" else None
    if not found and text.find(":", start, start + LONGEST_NAME) >= 0:
        found = NAMED.match(text, start)
    if found and (label := _as_label(found)).role == role:
        return label
    return None


def _labels(text: str) -> list[Label]:
    """Give the names at the beginning of lines, and the tokens anywhere, in order."""
    labels = []
    colon = text.find(":")
    while colon >= 0:
        start = text.rfind("\n", 0, colon) + 1
        if colon - start < LONGEST_NAME and (found := NAMED.match(text, start)):
            labels.append(_as_label(found))
        line_end = text.find("\n", colon)
        colon = text.find(":", line_end) if line_end >= 0 else -1
    if "INST]" in text or "|>" in text or "_turn>" in text:
        labels += [_as_label(found) for found in TOKEN.finditer(text)]
    return sorted(labels)


def _as_label(found: re.Match[str]) -> Label:
    name = found.lastgroup or ""
    return Label(found.start(), found.end(), "user" if name.startswith("user") else "assistant", name[-1])


def _pair(labels: list[Label]) -> tuple[Label, Label] | None:
    """Give the first labels of both sides in one style, who asks first."""
    for style in sorted({label.style for label in labels}):
        sides = {label.role: label for label in reversed(labels) if label.style == style}
        if len(sides) == 2:
            return sides["user"], sides["assistant"]
    return None


def _own_side(text: str, role: Role, other: str) -> str:
    labels = _labels(text) if len(text) <= LONGEST_COMPARED else []
    if role == "user" and labels and labels[-1].role == "assistant" and not text[labels[-1].end :].strip():
        return text[: labels[-1].start].strip() or text  # the place where the reply was to be written
    answers = [label for label in labels if label.role == "assistant"]
    if not answers:
        return text
    asked = without_label(text[: answers[0].start].strip(), "user")
    answered = without_label(text[answers[0].start :].strip(), "assistant")
    if role == "user":
        return asked if asked and _same(answered, other) else text
    return answered if answered and _same(asked, other) else text


def _same(one: str, other: str) -> bool:
    return one.casefold().split() == other.casefold().split()
