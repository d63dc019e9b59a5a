"""IP addresses, and what links give away: credentials before the host, and the values of secret parameters.

Of a link only these are replaced. Its other parameters stay (`?product=mail&version=128` is what support is about), and
a value without a secret name goes when it is as long and as mixed as a key.
"""

import re
from collections.abc import Iterator
from ipaddress import AddressValueError, IPv6Address

from tasks.core.privacy.finders.known_keys import is_random
from tasks.core.privacy.gates import spans_of
from tasks.core.privacy.placeholders import Finding
from tasks.core.privacy.view import View, line_before
from tasks.core.privacy.words import VERSIONED

IPV4 = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?!\.?\w|[+~]|-[0-9]{1,6}(?![.0-9]))")
# What stands before an address is looked at after it is found: a pattern that begins with digits is searched fast.
INSIDE = re.compile(r"(?:[\w.]|[A-Za-z][-_])$")
# Loopback, this host, masks and public resolvers: they lead to nobody.
NOBODY = ("127.", "0.", "255.")
RESOLVERS = frozenset(("8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "9.9.9.9"))
WORD_BEFORE = re.compile(r"([^\W\d_]+|§)[\s:.#=]{0,3}$")
UPGRADE_BEFORE = re.compile(
    r"up(?:grade|date)d?(?: (?:from|to|von|auf))?(?: [0-9.]{5,15} (?:to|auf))? $", re.IGNORECASE
)
ADDRESS_BEFORE = re.compile(
    r"(?:\bip\b|addres|adres|server|host|gateway|dns|ping|\bfrom|\bvon|[@/\\\[(])[^.]{0,20}$", re.IGNORECASE
)
HEX_BEFORE = re.compile("[0-9A-Fa-f]{0,4}$")
COLONS = re.compile(":[0-9A-Fa-f]{0,4}:")
IPV6 = re.compile(
    r"(?<![\w:.])(?:[0-9a-f]{0,4}:){2,7}(?:(?:[0-9]{1,3}\.){3}[0-9]{1,3}|[0-9a-f]{1,4})?(?![\w:])",
    re.IGNORECASE,
)
USER_INFO = re.compile(r"://(?P<user>[^\s/?#<>\"'`]{1,300})@(?=[\w\[])")
NO_ONE = frozenset(("git", "anonymous", "hg", "nobody", "svn"))
LINK_SIGNS = re.compile("[?&#;%]|://")
PARAMETER = re.compile(
    r"(?:[?&#]|;(?=jsession)|%3f|%26)(?P<name>[\w.\[\]-]{1,60})(?:=|%3d)(?P<value>(?:(?!%26)[^\s&#;?<>\"'`])+)",
    re.IGNORECASE,
)
SECRET_NAME = re.compile(
    r"(?:[\w.-]*[._-])?(?:(?:access|auth|api|id|refresh|reset|client|session|csrf|xsrf|security|login|user|app)[._-]?)?"
    r"(?:token|secret|passw(?:or[dt])?|passphrase|passwd|pwd|kennwort|contrase(?:ñ|n|%c3%b1)a|mdp|api[._-]?key|apikey|jwt|signature"
    r"|credentials?|accesskeyid|(?:access|private|auth|secret|shared)[._-]?key)",
    re.IGNORECASE,
)
DOUBTFUL_NAME = re.compile(
    r"(?:auth|authkey|sig|session|jsessionid|phpsessid|sid|otp|pin|code|key|hash|ticket)", re.IGNORECASE
)
NO_SECRET = frozenset(("", "0", "1", "true", "false", "none", "null", "no", "yes"))


def find_ipv4(view: View) -> Iterator[Finding]:
    """Find addresses of four parts, but no versions, numbers of sections, or addresses that lead to nobody."""
    for match in IPV4.finditer(view.text):
        parts = [int(part) for part in match[0].split(".")]
        value = ".".join(map(str, parts))
        before = line_before(view.text, match.start(), 40)
        if (
            max(parts) < 256
            and not INSIDE.search(before)
            and not _leads_to_nobody(value)
            and not _is_version(parts, before)
        ):
            yield Finding(*match.span(), "IP", value)


def _is_version(parts: list[int], before: str) -> bool:
    """Say whether four parts are rather a version: by the word before, or all small where no address is spoken of."""
    if parts[0] < 10 and max(parts) < 25 and not ADDRESS_BEFORE.search(before):
        return True
    word = WORD_BEFORE.search(before)
    return word is not None and (word[1].lower() in VERSIONED or UPGRADE_BEFORE.search(before) is not None)


def _leads_to_nobody(address: str) -> bool:
    return address.startswith(NOBODY) or address in RESOLVERS


def find_ipv6(view: View) -> Iterator[Finding]:
    """Find addresses that the standard library can read, but no code such as `dead::beef`."""
    end = 0
    for colons in COLONS.finditer(view.text):
        if colons.start() < end:
            continue
        head = HEX_BEFORE.search(view.text[max(0, colons.start() - 5) : colons.start()])
        match = IPV6.match(view.text, colons.start() - len(head[0] if head else ""))
        if match and _is_ipv6(match[0]):
            end = match.end()
            yield Finding(*match.span(), "IP", str(IPv6Address(match[0])))


def _is_ipv6(value: str) -> bool:
    head = value.split(":", maxsplit=1)[0]
    if not re.search("[0-9]", value) or not (len(head) > 2 or value.lower().startswith(("::ffff:", "64:"))):
        return False
    try:
        IPv6Address(value)
    except AddressValueError:
        return False
    return True


def find_link_secrets(view: View) -> Iterator[Finding]:
    """Find user and password in links, and values of parameters that are secret by name or by look."""
    for start, end in spans_of("link", view.text):
        for sign in LINK_SIGNS.finditer(view.text, start, end):
            user = USER_INFO.match(view.text, sign.start())
            if user and user["user"].lower() not in NO_ONE and user["user"][0] not in "[{$*":
                yield Finding(*user.span("user"), "URL", user["user"])
            parameter = PARAMETER.match(view.text, sign.start())
            if parameter:
                yield from _secret_value(parameter)


def _secret_value(parameter: re.Match[str]) -> Iterator[Finding]:
    value = parameter["value"].rstrip(".,;:!?)]}")
    if _is_secret(parameter["name"], value):
        yield Finding(parameter.start("value"), parameter.start("value") + len(value), "URL", value)


def _is_secret(name: str, value: str) -> bool:
    if value.lower() in NO_SECRET:
        return False
    if SECRET_NAME.fullmatch(name):
        return True
    if DOUBTFUL_NAME.fullmatch(name):
        return is_random(value, 16) or (name.lower() in {"otp", "pin"} and value.isdigit())
    return re.search("%2[0-9C]", value, re.IGNORECASE) is None and is_random(value, 22)
