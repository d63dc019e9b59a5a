"""Passwords, codes and keys that a word introduces: `password: …`, `Passwort lautet …`, `Authorization: …`."""

import re
from base64 import b64decode
from binascii import Error
from collections.abc import Callable, Iterator, Sequence

from tasks.core.text.personal_data.known_keys import is_random
from tasks.core.text.personal_data.placeholders import Finding
from tasks.core.text.personal_data.view import View, line_before
from tasks.core.text.personal_data.words import NO_PASSWORDS

# Where a value that was tried begins and ends, and whether it is a secret.
Tried = tuple[int, int, bool]

LINK = (
    r"[\"'`*]{0,2}(?:[ \t]?(?P<colon>[:=]>?|>)|[ \t](?P<lautet>lautet)\b:?"
    r"|[ \t](?:is|was|ist|war|est|es|era)(?: now| jetzt)?(?P<colon_too>:?)(?=[ \t])|(?P<blank>(?=[ \t\"'`])))"
)
VALUE = r"[ \t]?(?:(?P<quote>[\"'`])(?P<quoted>[^\"'`\n]{1,80})(?P=quote)|(?P<bare>[^\s\"'`<>]{2,512}))"
PASSWORD = re.compile(
    rf"(?P<word>pass(?:wor[dt]|wd|code|phrase|e)?|pwd?|kennwort|mdp|contrase[ñn]a|clave){LINK}{VALUE}",
    re.IGNORECASE,
)
KEY = re.compile(
    rf"(?:secret|token|key|schlüssel|clé|clave)(?: api| wifi| de la api)?{LINK}{VALUE}", re.IGNORECASE
)
DIGITS = r"(?P<bare>[0-9]{3}[ -]?[0-9]{3}|(?:[A-Z]{1,3}-)?[0-9]{3,10}|(?=(?:[A-Z]*[0-9]){3})[A-Z0-9]{4,12})(?![\w%]|[.,/-][0-9])"
CODE = re.compile(
    rf"(?P<word>c[oó]de|c[oó]digo|pin|tan|puk|otp|cvv2?|cvc2?)(?P<of>[ -]?(?:pin|code|nummer|number|(?:de |d')"
    rf"(?:v[ée]rification|s[ée]curit[ée]|confirmation|acc[èe]s|verificaci[óo]n|seguridad|acceso|confirmaci[óo]n)))?{LINK}[ \t]?[\"'`]?{DIGITS}",
    re.IGNORECASE,
)
CODE_BEFORE = re.compile(
    r"(?:verification|security|confirmation|one[ -]?time|2fa|mfa|2-step|auth|authentication|access|login|sms|activation|recovery"
    r"|backup|unlock|bestätigungs|zugangs|sicherheits|freischalt|aktivierungs|einmal|verifizierungs|anmelde|tan|pin)[ _-]?$",
    re.IGNORECASE,
)
PHRASE = re.compile(
    r"phrase[ \t]?[:=][ \t]?(?P<bare>[a-z]{3,12}(?: [a-z]{3,12}){3,23})(?=\s*(?:[\n.,;]|$))", re.IGNORECASE
)
CUE = re.compile(
    r" (?:is|was|as|ist|war|als|est|es|como) (?:my|the|our|your|mein|das|unser|dein|mon|le|mi|la)(?: (?:new|old|neues|altes|wifi|wlan))? "
    r"(?:mot de )?$",
    re.IGNORECASE,
)
WORD_BEFORE = re.compile(r"(?P<quote>[\"'`]?)(?P<value>[^\s\"'`<>]{5,60})(?P=quote)$")
HEADER = re.compile(
    r"authorization[\"']? ?[:=] ?[\"']?(?:(?:basic|bearer|token|digest|apikey|key) )?(?P<bare>(?!(?:basic|bearer|token|digest|apikey|key)\b)[^\s\"',;<>]{6,4000})",
    re.IGNORECASE,
)
BEARER = re.compile(r"bearer (?P<bare>(?=[^\s]{0,60}[0-9])[\w.~+/=-]{16,4000})", re.IGNORECASE)
BASIC = re.compile(r"basic (?P<bare>[A-Za-z0-9+/]{8,400}={0,2})(?![\w-])", re.IGNORECASE)
CURL = re.compile(
    r"curl [^\n]{0,200}?(?:-u|--user)[ =][\"']?(?P<bare>[^\s\"':]{1,60}:[^\s\"']{1,200})", re.IGNORECASE
)
SENTENCE_WORDS = frozenset(
    [
        "the",
        "your",
        "you",
        "is",
        "are",
        "my",
        "not",
        "please",
        "enter",
        "required",
        "and",
        "for",
        "with",
        "der",
        "die",
        "das",
        "dein",
        "ihr",
        "und",
        "est",
        "votre",
    ]
)
PRODUCT_KEY = re.compile(r"[A-Z0-9]{4,6}(?:-[A-Z0-9]{4,6}){2,9}|[0-9]{6,40}")
PATH = re.compile(r"[\\/:+]|\.\w+\.")
ENDS = re.compile(r"[.,;:!?)\]}\"'`*]*(?:\s|$)")
VERSION = re.compile(r"v?[0-9]+(?:\.[0-9]+)+\w*|[0-9]+(?:st|nd|rd|th|x|[gmk]b|bit|min|days?)", re.IGNORECASE)
MIXED = re.compile(r"(?=.*[0-9]).*[^\W\d_]")
OTHER = re.compile(r"[*•●.xX_#-]+|https?:.*|[$%{(\[].*|[\w.+-]+@[\w-]+\.[\w.-]+", re.IGNORECASE)


def _try_password(text: str, place: int) -> Tried | None:
    match = PASSWORD.match(text, place)
    if match is None or (match["word"].lower() == "pass" and not match["colon"]):
        return None
    start, end = _value(match)
    value = text[start:end]
    told = match["colon"] or match["lautet"] or match["colon_too"] or text[place - 2 : place] == "--"
    if match["quoted"]:
        holds = match["blank"] is None or _is_mixed(value)
    elif told:
        holds = _is_mixed(value) or _is_odd(value) or ENDS.match(text, end) is not None
    else:
        holds = _is_odd(value) if match["blank"] is None else len(value) > 5 and _is_mixed(value)
    return start, end, holds and not _is_no_password(value)


def _try_before(text: str, place: int) -> Tried | None:
    cue = CUE.search(text, max(0, place - 40), place)
    if cue is None:
        return None
    start = max(0, cue.start() - 62)
    match = WORD_BEFORE.search(text[start : cue.start()])
    if match is None:
        return None
    holds = _is_mixed(match["value"]) and not _is_no_password(match["value"])
    return start + match.start("value"), start + match.end("value"), holds


def _try_key(text: str, place: int) -> Tried | None:
    match = KEY.match(text, place)
    if match is None:
        return None
    start, end = _value(match)
    value = text[start:end]
    is_random_key = len(value) > 15 and is_random(value, 16)
    if match["blank"] is None:
        plain = len(value) > 7 and _is_mixed(value) and PATH.search(value) is None
        holds = is_random_key or plain or PRODUCT_KEY.fullmatch(value) is not None
    else:
        holds = is_random_key
    return start, end, holds and not _is_no_password(value)


def _try_code(text: str, place: int) -> Tried | None:
    match = CODE.match(text, place)
    if match is None:
        return None
    word = match["word"].lower()
    if word in {"code", "código", "codigo"}:
        holds = match["of"] is not None or CODE_BEFORE.search(line_before(text, place, 20)) is not None
    else:
        holds = match["blank"] is None or match["word"].isupper() or word.startswith("cv")
    return *match.span("bare"), holds


def _try_phrase(text: str, place: int) -> Tried | None:
    match = PHRASE.match(text, place)
    if match is None:
        return None
    return *match.span("bare"), not SENTENCE_WORDS.intersection(match["bare"].lower().split())


def _try_header(text: str, place: int) -> Tried | None:
    match = HEADER.match(text, place) or BEARER.match(text, place) or CURL.match(text, place)
    if match:
        return *match.span("bare"), True
    match = BASIC.match(text, place)
    return (*match.span("bare"), b":" in _decoded(match["bare"])) if match else None


def _at_each(
    stems: Sequence[str], try_at: Callable[[str, int], Tried | None]
) -> Callable[[View], Iterator[Finding]]:
    """Make a finder that tries where one of the stems stands, and goes on behind the value that it tried there."""

    def find(view: View) -> Iterator[Finding]:
        for stem in stems:
            place = view.lowered.find(stem)
            while place >= 0:
                begins = stem not in WHOLE_WORDS or not view.lowered[place - 1 : place].isalpha()
                start, end, holds = (try_at(view.text, place) if begins else None) or (0, 0, False)
                if holds:
                    yield Finding(start, end, "SECRET", view.text[start:end])
                place = view.lowered.find(stem, max(place + len(stem), end))

    return find


WHOLE_WORDS = frozenset(
    ("pw", "mdp", "clave", "clé", "pin", "tan", "puk", "otp", "cvv", "cvc", "basic ", "bearer ", "curl ")
)
find_passwords = _at_each(("pass", "pw", "kennwort", "mdp", "contrase", "clave"), _try_password)
find_passwords_before = _at_each(("pass", "pw", "kennwort", "mdp", "contrase"), _try_before)
find_introduced_keys = _at_each(("secret", "token", "key", "schlüssel", "clé", "clave"), _try_key)
find_codes = _at_each(("code", "código", "codigo", "pin", "tan", "puk", "otp", "cvv", "cvc"), _try_code)
find_phrases = _at_each(("phrase",), _try_phrase)
find_headers = _at_each(("authorization", "bearer ", "basic ", "curl "), _try_header)


def _value(match: re.Match[str]) -> tuple[int, int]:
    """Give the span of the value, without what ends its sentence or begins the next parameter."""
    if match["quoted"]:
        return match.span("quoted")
    value = match["bare"]
    if match["colon"] == "=":
        value = re.split("[&;]", value, maxsplit=1)[0]
    return match.start("bare"), match.start("bare") + len(value.rstrip(".,;:?)]}"))


def _is_mixed(value: str) -> bool:
    return MIXED.match(value) is not None and VERSION.fullmatch(value) is None


def _is_odd(value: str) -> bool:
    """Say whether a value holds what words do not: digits, signs, or a capital within."""
    return (
        re.search(r"[0-9]{4}|[0-9]\D|\D[0-9]|[!$%&*#@^~+=?_|\\]\w|\w[$%&*#@^~+=_|\\]|[a-z][A-Z]", value)
        is not None
    )


def _is_no_password(value: str) -> bool:
    lowered = value.lower().strip(".,;:!?")
    return (
        len(value) < 3
        or lowered in NO_PASSWORDS
        or OTHER.fullmatch(value) is not None
        or VERSION.fullmatch(value) is not None
    )


def _decoded(value: str) -> bytes:
    try:
        decoded = b64decode(value, validate=True)
    except Error:
        return b""
    return decoded if decoded.isascii() else b""
