"""E-mail addresses, also spelled out or encoded, and handles such as `@somebody`."""

import re
from collections.abc import Iterator

from tasks.core.privacy.placeholders import Finding
from tasks.core.privacy.view import View, line_before
from tasks.core.privacy.words import CODE, ENDINGS, FILES, PROVIDERS, SPELLED_ENDINGS

AT = re.compile(r"@|%40")
AT_SPELLED = re.compile(
    r"[ (\[{](?:(?<= )@ |(?<![ ])(?:at|ät|arroba|arobase)[)\]}] ?|(?P<bare>(?<= )(?:at|ät|arroba|arobase) ))",
    re.IGNORECASE,
)
DOT = r"(?:\.| ?[(\[{](?:dot|punkt|punto|point|\.)[)\]}] ?| (?:dot|punkt|punto|point) )"
ENDING = r"(?P<ending>xn--[a-z0-9-]{2,40}|[^\W\d_]{2,24})"
DOMAIN = re.compile(rf"(?:[\w-]{{1,63}}{DOT}){{1,8}}{ENDING}", re.IGNORECASE)
SPELLED_DOT = re.compile(r"[(\[{ ](?:dot|punkt|punto|point)[)\]} ]", re.IGNORECASE)
# `at this point` is no address: beside a bare `at` the French word does not count.
DOT_BESIDE_AT = re.compile(r"[(\[{ ](?:dot|punkt|punto)[)\]} ]", re.IGNORECASE)
# Read backwards from the at sign; 64 is the longest that RFC 5321 allows.
LOCAL = re.compile(r"[\w.+%'!#$~^-]{1,64}")
QUOTED_LOCAL = re.compile(r'"[^"\n]{1,62}"')
HANDLE = re.compile(
    r"@(?<![^\s(\[{\"',;:/¡¿*_~|-]@)[^\W\d]\w{1,40}(?:[.-]\w{1,40}){0,4}(?:@(?:[\w-]{1,63}\.){1,4}[a-z]{2,24})?"
)
IN_LINK = re.compile(r"://\S*$")


def find_emails(view: View) -> Iterator[Finding]:
    """Find addresses from their at sign, so that the time stays linear in the text."""
    return _addresses(view.text, AT)


def find_spelled_emails(view: View) -> Iterator[Finding]:
    """Find addresses whose at sign is a word or stands between blanks."""
    return _addresses(view.text, AT_SPELLED)


def _addresses(text: str, signs: re.Pattern[str]) -> Iterator[Finding]:
    for sign in signs.finditer(text):
        domain = DOMAIN.match(text, sign.end())
        # the blank before a sign in brackets is no part of the address' first half
        end_of_local = sign.start() - (sign[0][0] in "([{" and text[sign.start() - 1 : sign.start()] == " ")
        start = _local_start(text, end_of_local) if domain else None
        if domain is not None and start is not None and _is_address(text, sign, domain, start):
            yield _finding(text, start, end_of_local, domain)


def _finding(text: str, start: int, end_of_local: int, domain: re.Match[str]) -> Finding:
    """Make the finding, with the angle brackets around the address if there are both."""
    end = domain.end()
    value = SPELLED_DOT.sub(".", f"{text[start:end_of_local]}@{domain[0]}").replace(" ", "").casefold()
    if text[start - 1 : start] == "<" and text[end : end + 1] == ">":
        start, end = start - 1, end + 1
    return Finding(start, end, "EMAIL", value)


def _local_start(text: str, end: int) -> int | None:
    """Find where the part before the at sign begins; None when there is none, or when it is a handle's."""
    backwards = text[max(0, end - 64) : end][::-1]
    local = QUOTED_LOCAL.match(backwards) or LOCAL.match(backwards)
    if local is None:
        return None
    start = end - len(local[0][::-1].lstrip(".'%-!#$~^+"))
    return start if start < end and text[start - 1 : start] != "@" else None


def _is_address(text: str, sign: re.Match[str], domain: re.Match[str], start: int) -> bool:
    """Say whether it is an address, and no sentence, name of a file, remote of git, or user of a link."""
    ending = domain["ending"].lower()
    if sign.re is AT_SPELLED and sign["bare"]:
        dot = SPELLED_DOT if sign["bare"].lower().startswith("arob") else DOT_BESIDE_AT
        return ending in SPELLED_ENDINGS and dot.search(domain[0]) is not None
    is_remote = text[start : sign.start()] == "git" and text[domain.end() : domain.end() + 1] in {":", "/"}
    is_user = sign[0] == "@" and text[max(0, start - 3) : start] == "://"
    return ending not in FILES and not is_remote and not is_user


def find_handles(view: View) -> Iterator[Finding]:
    """Find `@somebody`, but no decorators, tags of documentation, rules of style sheets, or packages."""
    for match in HANDLE.finditer(view.text):
        is_code = view.text[match.end() : match.end() + 1] in {"/", "("} or _is_no_handle(
            match[0][1:].lower()
        )
        if not is_code and not IN_LINK.search(line_before(view.text, match.start(), 200)):
            yield Finding(*match.span(), "HANDLE", match[0][1:].casefold())


def _is_no_handle(word: str) -> bool:
    """Say whether a word is one of code, or the domain of an address whose other half somebody cut off."""
    return word in CODE or word in PROVIDERS or ("@" not in word and word.rpartition(".")[2] in ENDINGS)
