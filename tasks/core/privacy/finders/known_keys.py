"""Keys that say by their looks what they are: of known vendors, armoured blocks, and long random strings."""

import re
from collections.abc import Iterator

from tasks.core.privacy.gates import LONG_RUN, RUNS, spans_of
from tasks.core.privacy.placeholders import Finding
from tasks.core.privacy.view import View, line_before

BLOCK = re.compile(r"-----BEGIN (?P<name>[A-Z0-9 ]{1,40})-----")
LINES = re.compile(r"(?:\s*+[A-Za-z0-9+/=]{16,}+)*+")
VENDORS = re.compile(
    r"(?<![A-Za-z0-9])(?:[sp]k-[\w-]{16,}|[spr]k_(?:live|test)_\w{10,}|whsec_\w{16,}|gh[pousr]_[A-Za-z0-9]{20,}"
    r"|github_pat_\w{22,}|glpat-[\w-]{16,}|xox[abeoprs]-[\w-]{10,}|xapp-[\w-]{10,}|A(?:KI|SI|GP|ID|RO)A[A-Z0-9]{12,}"
    r"|AIza[\w-]{30,}|ya29\.[\w-]{20,}|GOCSPX-[\w-]{20,}|SG\.[\w-]{16,}\.[\w-]{16,}|npm_\w{30,}|hf_\w{30,}|pypi-[\w-]{30,}"
    r"|shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}|dop_v1_[0-9a-f]{40,}|AGE-SECRET-KEY-1[A-Z0-9]{50,}|[0-9]{8,10}:AA[\w-]{30,}"
    r"|key-[0-9a-f]{32}|(?:AC|SK)[0-9a-f]{32})|(?<![\w-])eyJ[\w-]{8,}\.[\w-]{4,}(?:\.[\w-]*)?"
)
# What may stand before the piece that opens the gate.
LONGEST_PREFIX = 10
DIGIT = re.compile("[0-9]")
CHANGES = re.compile("[0-9](?=[A-Za-z])|[a-z](?=[A-Z0-9])|[A-Z](?=[a-z0-9])")
HEX = re.compile(r"[0-9a-f]{32,}|[0-9A-F]{32,}")
PIECES = re.compile(r"[A-Za-z0-9+/][A-Za-z0-9_+/-]{27,}+={0,2}")
PIECES_OF_LINK = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+-]{27,}+={0,2}")
LINK_BEFORE = re.compile(r"://\S*$")
MIXED = re.compile("[A-Za-z][0-9][A-Za-z]|[0-9][A-Za-z][0-9]")
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
# A hash names a version of something, not a secret.
HASH_BEFORE = re.compile(
    r"(?:\b(?:commit|revert|revision|rev|sha-?[0-9]{0,3}|md5|blake2b?|checksum|pr[uü]fsumme|hash|digest|fingerprint|etag|changeset"
    r"|fixed in|merged?|cherry-pick|index|blob|tree|object|build ?id|base64,)\W{0,4}(?:is\W|ist\W|of\W)?\W{0,2})$",
    re.IGNORECASE,
)
FILE_AFTER = re.compile(r"\.[a-z0-9]{2,5}\b|[ ]{1,2}\*?[\w./-]{1,80}\.[a-z0-9]{1,5}\b", re.IGNORECASE)


def find_blocks(view: View) -> Iterator[Finding]:
    """Find armoured blocks of keys and certificates, also cut off; a public one names its owner, so it goes too."""
    end = 0
    for head in BLOCK.finditer(view.text):
        if head.start() < end:
            continue
        foot = f"-----END {head['name']}-----"
        end = view.text.find(foot, head.end()) + len(foot)
        if end < head.end():
            end = LINES.match(view.text, head.end()).end()  # type: ignore[union-attr] # it matches nothing, too
        yield Finding(head.start(), end, "SECRET", "".join(view.text[head.start() : end].split()))


def find_vendor_keys(view: View) -> Iterator[Finding]:
    """Find the keys that known vendors give, by their first letters."""
    place = 0
    for start, end in spans_of("vendor's key", view.text):
        place = max(place, start - LONGEST_PREFIX)
        while place < end:
            match = VENDORS.match(view.text, place)
            if match and DIGIT.search(match[0]):
                yield Finding(*match.span(), "SECRET", match[0])
            place = match.end() if match else place + 1


def find_long_keys(view: View) -> Iterator[Finding]:
    """Find long random strings among the runs of key characters; in a link, each part of its path is one by itself."""
    runs = view.text.encode("ascii", "replace").translate(RUNS)
    end = 0
    while (start := runs.find(LONG_RUN, end)) >= 0:
        end = runs.find(b" ", start)
        end = len(view.text) if end < 0 else end
        if DIGIT.search(view.text, start, end):
            is_path = (
                view.text[start] == "/"
                or "/" in view.text[max(0, start - 2) : start]
                or LINK_BEFORE.search(view.text, max(0, start - 300), start)
            )
            for match in (PIECES_OF_LINK if is_path else PIECES).finditer(view.text, start, end):
                if view.text[match.end() : match.end() + 1] != "@" and _is_key(view.text, match):
                    yield Finding(*match.span(), "SECRET", match[0])


def _is_key(text: str, match: re.Match[str]) -> bool:
    """Say whether a string is long and random, and neither a hash of something nor the name of a file."""
    value = match[0].rstrip("=")
    if UUID.search(value) or not MIXED.search(value) or not (_is_hex(value) or is_random(value, 28)):
        return False
    before = line_before(text, match.start(), 40)
    return not HASH_BEFORE.search(before) and not FILE_AFTER.match(text, match.end())


def _is_hex(value: str) -> bool:
    return HEX.fullmatch(value) is not None and len(set(value)) > 6 and not value.isdigit()


def is_random(value: str, shortest: int) -> bool:
    """Say whether a value looks drawn by a machine: long, of many characters, and changing class as no word does."""
    if len(value) < shortest or not DIGIT.search(value):
        return False
    plain = re.sub(r"[=.%+/_-]", "", value[:400])
    wanted = 0.25 if plain.islower() or plain.isupper() else 0.4
    return (
        plain.isalnum() and len(set(plain)) > 7 and len(CHANGES.findall(plain)) >= wanted * (len(plain) - 1)
    )
