"""E-mail addresses, also spelled out or encoded, and handles such as `@somebody`."""

import re
from collections.abc import Iterator

from tasks.core.text.personal_data.placeholders import Finding
from tasks.core.text.personal_data.view import View

AT = re.compile(r"@|%40")
AT_SPELLED = re.compile(
    r"[ (\[{](?:(?<= )@ |(?<![ ])(?:at|ät|arroba|arobase)[)\]}] ?|(?P<bare>(?<= )(?:at|ät|arroba|arobase) ))",
    re.IGNORECASE,
)
DOT = r"(?:\.| ?[(\[{](?:dot|punkt|punto|point|\.)[)\]}] ?| (?:dot|punkt|punto|point) )"
ENDING = r"(?P<ending>xn--[a-z0-9-]{2,40}|[^\W\d_]{2,24})"
DOMAIN = re.compile(rf"(?:[\w-]{{1,63}}{DOT}){{1,8}}{ENDING}", re.IGNORECASE)
SPELLED_DOT = re.compile(r"[(\[{ ](?:dot|punkt|punto|point)[)\]} ]", re.IGNORECASE)
BARE_DOT = re.compile(r"[(\[{ ](?:dot|punkt|punto)[)\]} ]", re.IGNORECASE)
# Read backwards from the at sign; 64 is the longest that RFC 5321 allows.
LOCAL = re.compile(r"[\w.+%'!#$~^-]{1,64}")
QUOTED_LOCAL = re.compile(r'"[^"\n]{1,62}"')
# What looks like an ending but ends the name of a file, as in `icon@2x.png`.
FILES = frozenset(
    [
        "bmp",
        "css",
        "csv",
        "dll",
        "exe",
        "gif",
        "htm",
        "html",
        "ico",
        "jpeg",
        "jpg",
        "js",
        "json",
        "pdf",
        "php",
        "png",
        "svg",
        "tar",
        "tif",
        "tiff",
        "ttf",
        "txt",
        "webp",
        "xml",
    ]
)
BARE_ENDINGS = frozenset(
    [
        "at",
        "biz",
        "ch",
        "co",
        "com",
        "de",
        "edu",
        "es",
        "eu",
        "example",
        "fr",
        "gov",
        "info",
        "io",
        "it",
        "net",
        "nl",
        "org",
        "uk",
    ]
)
ENDINGS = BARE_ENDINGS | frozenset(
    [
        "au",
        "be",
        "br",
        "ca",
        "cz",
        "dk",
        "fi",
        "gr",
        "hu",
        "ie",
        "il",
        "in",
        "jp",
        "local",
        "lu",
        "mx",
        "name",
        "nz",
        "pl",
        "pt",
        "ro",
        "ru",
        "se",
        "si",
        "sk",
        "tv",
        "ua",
        "us",
        "za",
    ]
)
PROVIDERS = frozenset(
    [
        "aol",
        "gmail",
        "gmx",
        "googlemail",
        "hotmail",
        "icloud",
        "live",
        "mail",
        "msn",
        "outlook",
        "proton",
        "protonmail",
        "web",
        "yahoo",
    ]
)
HANDLE = re.compile(
    r"@(?<![^\s(\[{\"',;:/¡¿*_~|-]@)[^\W\d][\w]{1,40}(?:[.-]\w{1,40}){0,4}(?:@(?:[\w-]{1,63}\.){1,4}[a-z]{2,24})?"
)
ADDRESS_BEFORE = re.compile(r"\S*://\S*$")
# Words after an at sign in code and style sheets; any other is taken for a person.
CODE = frozenset(
    [
        "abstractmethod",
        "angular",
        "author",
        "autowired",
        "before",
        "after",
        "charset",
        "classmethod",
        "component",
        "container",
        "dataclass",
        "deprecated",
        "entity",
        "extends",
        "fixture",
        "font-face",
        "get",
        "import",
        "inject",
        "keyframes",
        "layer",
        "link",
        "media",
        "namespace",
        "nullable",
        "override",
        "page",
        "param",
        "patch",
        "pytest",
        "post",
        "private",
        "property",
        "protected",
        "public",
        "return",
        "returns",
        "see",
        "since",
        "staticmethod",
        "supports",
        "suppresswarnings",
        "tailwind",
        "template",
        "test",
        "throws",
        "todo",
        "type",
        "typedef",
        "use",
        "version",
    ]
)


def find_emails(view: View) -> Iterator[Finding]:
    """Find addresses from their at sign, so that the time stays linear in the text."""
    return _addresses(view.text, AT)


def find_spelled_emails(view: View) -> Iterator[Finding]:
    """Find addresses whose at sign is a word or stands between blanks."""
    return _addresses(view.text, AT_SPELLED)


def _addresses(text: str, signs: re.Pattern[str]) -> Iterator[Finding]:
    for sign in signs.finditer(text):
        found = _address(text, sign)
        if found:
            yield found


def _address(text: str, sign: re.Match[str]) -> Finding | None:
    domain = DOMAIN.match(text, sign.end())
    before = sign.start() - (sign[0][0] in "([{" and text[sign.start() - 1 : sign.start()] == " ")
    start = _local_start(text, before) if domain else None
    if domain is None or start is None or not _is_address(text, sign, domain, start):
        return None
    end = domain.end()
    value = SPELLED_DOT.sub(".", f"{text[start:before]}@{domain[0]}").replace(" ", "").casefold()
    if text[start - 1 : start] == "<" and text[end : end + 1] == ">":
        start, end = start - 1, end + 1
    return Finding(start, end, "EMAIL", value)


def _local_start(text: str, end: int) -> int | None:
    """Find where the part before the at sign begins; None when there is none, or when it is a handle's."""
    backwards = text[max(0, end - 64) : end][::-1]
    local = QUOTED_LOCAL.match(backwards) or LOCAL.match(backwards)
    if local is None:
        return None
    start = end - local.end()
    start += len(local[0]) - len(local[0][::-1].lstrip(".'%-!#$~^+"))
    return start if start < end and text[start - 1 : start] != "@" else None


def _is_address(text: str, sign: re.Match[str], domain: re.Match[str], start: int) -> bool:
    ending = domain["ending"].lower()
    if sign.re is AT_SPELLED and sign["bare"]:
        is_spelled = sign["bare"].lower().startswith("arob") or BARE_DOT.search(domain[0]) is not None
        return is_spelled and ending in BARE_ENDINGS and SPELLED_DOT.search(domain[0]) is not None
    is_git = text[start : sign.start()] == "git" and text[domain.end() : domain.end() + 1] in {":", "/"}
    in_link = sign[0] == "@" and text[max(0, start - 3) : start] == "://"
    return ending not in FILES and not is_git and not in_link


def find_handles(view: View) -> Iterator[Finding]:
    """Find `@somebody`, but no decorators, tags of documentation, rules of style sheets, or packages."""
    for match in HANDLE.finditer(view.text):
        after = view.text[match.end() : match.end() + 1]
        line = view.text.rfind("\n", 0, match.start()) + 1
        before = view.text[max(line, match.start() - 200) : match.start()]
        if after in {"/", "("} or _is_no_handle(match[0][1:].lower()) or ADDRESS_BEFORE.search(before):
            continue
        yield Finding(*match.span(), "HANDLE", match[0][1:].casefold())


def _is_no_handle(word: str) -> bool:
    """Say whether a word is one of code, or the domain of an address whose other half somebody cut off."""
    return word in CODE or word in PROVIDERS or ("@" not in word and word.rpartition(".")[2] in ENDINGS)
