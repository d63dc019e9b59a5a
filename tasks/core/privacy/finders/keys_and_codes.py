"""Keys, codes and credentials that a word introduces: `api key: …`, `PIN lautet …`, `Authorization: …`."""

import re
from base64 import b64decode
from binascii import Error

from tasks.core.privacy.finders.introductions import LINK, VALUE, Tried, at_each, is_mixed, value_span
from tasks.core.privacy.finders.known_keys import is_random
from tasks.core.privacy.view import line_before
from tasks.core.privacy.words import NO_PASSWORDS

KEY = re.compile(
    r"(?:secret|token|key(?:_base)?|schlüssel|clé|clave|sess(?:ion)?[_-]?(?:id|key|token)?)(?: api| wifi| de la api)?"
    rf"{LINK}{VALUE}",
    re.IGNORECASE,
)
PRODUCT_KEY = re.compile(r"[A-Z0-9]{4,6}(?:-[A-Z0-9]{4,6}){2,9}|[0-9]{6,40}")
# Paths, names of preferences, shortcuts.
NO_KEY = re.compile(r"[\\/:+]|\.\w+\.")
DIGITS = (
    r"(?P<bare>[0-9]{3}[ -]?[0-9]{3}|(?:[A-Z]{1,3}-)?[0-9]{3,10}|(?=(?:[A-Z-]*[0-9]){3})[A-Z0-9]{2,12}(?:-[A-Z0-9]{2,6}){0,5})"
    r"(?![\w%]|[.,/-][0-9])"
)
PURPOSE = r"(?:de |d')(?:v[ée]rification|s[ée]curit[ée]|confirmation|acc[èe]s|verificaci[óo]n|seguridad|acceso|confirmaci[óo]n)"
CODE = re.compile(
    rf"(?P<word>c[oó]de|c[oó]digo|pin|tan|puk|otp|cvv2?|cvc2?)(?P<of>[ -]?(?:pin|code|nummer|number|{PURPOSE}))?"
    rf"{LINK}[ \t]?[\"'`]?{DIGITS}",
    re.IGNORECASE,
)
CODE_BEFORE = re.compile(
    r"(?:verification|security|confirmation|one[ -]?time|2fa|mfa|2-step|auth|authentication|access|login|sms|activation|recovery"
    r"|backup|unlock|bestätigungs|zugangs|sicherheits|freischalt|aktivierungs|einmal|verifizierungs|anmelde|tan|pin)[ _-]?$",
    re.IGNORECASE,
)
CODE_OF_SOMEBODY = re.compile(r"\b(?:my|your|mein|dein|ihr|mon|votre|mi|su|tu) $", re.IGNORECASE)
SCHEMES = r"(?:basic|bearer|token|digest|apikey|key)"
HEADER = re.compile(
    rf"authorization[\"']? ?[:=] ?[\"']?(?:{SCHEMES} )?(?P<bare>(?!{SCHEMES}\b)[^\s\"',;<>]{{6,4000}})",
    re.IGNORECASE,
)
BEARER = re.compile(r"bearer (?P<bare>(?=[^\s]{0,60}[0-9])[\w.~+/=-]{16,4000})", re.IGNORECASE)
BASIC = re.compile(r"basic (?P<bare>[A-Za-z0-9+/]{8,400}={0,2})(?![\w-])", re.IGNORECASE)
CURL = re.compile(
    r"curl [^\n]{0,200}?(?:-u|--user)[ =][\"']?(?P<bare>[^\s\"':]{1,60}:[^\s\"']{1,200})", re.IGNORECASE
)


def _try_key(text: str, place: int) -> Tried | None:
    match = KEY.match(text, place)
    if match is None:
        return None
    start, end = value_span(match)
    value = text[start:end]
    holds = len(value) > 15 and is_random(value, 16)
    if match["blank"] is None and match[0][:4].lower() != "sess":
        plain = len(value) > 7 and is_mixed(value) and NO_KEY.search(value) is None
        holds = holds or plain or PRODUCT_KEY.fullmatch(value) is not None
    return start, end, holds and value.lower() not in NO_PASSWORDS


def _try_code(text: str, place: int) -> Tried | None:
    match = CODE.match(text, place)
    if match is None:
        return None
    word = match["word"].lower()
    if word in {"code", "código", "codigo"}:
        holds = match["of"] is not None or _is_secret_code(match, line_before(text, place, 20))
    else:
        holds = match["blank"] is None or match["word"].isupper() or word.startswith("cv")
    return *match.span("bare"), holds


def _is_secret_code(match: re.Match[str], before: str) -> bool:
    """Say whether a code is one that proves who somebody is: postal codes, error codes and sources are not."""
    is_told = match["blank"] is None and len(match["bare"]) > 3
    return CODE_BEFORE.search(before) is not None or (is_told and CODE_OF_SOMEBODY.search(before) is not None)


def _try_header(text: str, place: int) -> Tried | None:
    match = HEADER.match(text, place) or BEARER.match(text, place) or CURL.match(text, place)
    if match:
        return *match.span("bare"), True
    match = BASIC.match(text, place)
    return (*match.span("bare"), b":" in _decoded(match["bare"])) if match else None


def _decoded(value: str) -> bytes:
    try:
        decoded = b64decode(value, validate=True)
    except Error:
        return b""
    return decoded if decoded.isascii() else b""


find_introduced_keys = at_each(("secret", "token", "key", "schlüssel", "sess"), ("clé", "clave"), _try_key)
find_codes = at_each(("code", "código", "codigo"), ("pin", "tan", "puk", "otp", "cvv", "cvc"), _try_code)
find_headers = at_each(("authorization",), ("basic ", "bearer ", "curl "), _try_header)
