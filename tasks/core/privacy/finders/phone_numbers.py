"""Phone numbers: international, the national forms of Germany, the USA, Britain and France, and any that a word announces."""

import re
from collections.abc import Iterator

from tasks.core.privacy.placeholders import Finding
from tasks.core.privacy.view import View, line_before

# Runs of what numbers are written with; a pattern that begins with a class of characters is searched fast.
RUN = re.compile(r"[+(0-9][( 0-9]{0,2}(?:[ ()./+-]{0,3}[0-9]){6,}+")
BEGIN = r"(?<![0-9][.,:/-])(?<![0-9A-Za-z][/-])"
END = r"(?![0-9A-Za-z])(?![.,:/-][0-9])"
INTERNATIONAL = r"(?:\(?\+ ?|00)[1-9](?:[ ()./-]{0,3}[0-9]){6,14}"
NATIONAL = (
    r"(?:\(0[1-9][0-9]{0,4}\) ?|0[1-9][0-9]{0,4}(?: ?[/-] ?|[ .]))[0-9](?:[ /.-]?[0-9]){4,9}|0[1-9](?:[ .-]?[0-9]{2}){4}"
    # German and British mobiles are known without any separator
    r"|0(?:1[5-7][0-9]{8,9}|7[0-9]{9})"
)
AMERICAN = r"(?:1[ .-]?)?(?:\([2-9][0-9]{2}\)[ -]?|[2-9][0-9]{2}[ .-])[0-9]{3}[ .-]?[0-9]{4}"
NUMBER = re.compile(
    rf"(?<![\w+])(?:(?:{INTERNATIONAL}){END}|{BEGIN}(?:(?:{NATIONAL}){END}|(?:{AMERICAN}){END}))"
)
ANY = re.compile(rf"[(+]?[0-9](?:[ ()/.-]{{0,3}}[0-9]){{6,14}}{END}")
PHONE_WORDS = (
    "phone", "tel", "tél", "mobil", "cell", "call", "ring", "dial", "text", "fax", "whatsapp", "sms", "hotline", "handy", "ruf", "erreichbar",
    "durchwahl", "portable", "appelez", "móvil", "movil", "ll", "m:", "t:", "f:",
)  # fmt: skip
ANNOUNCED = re.compile(
    r"(?:\b(?:phone|telephone|tel|mobile|cell(?:phone)?|call|ring|dial|text|fax|whatsapp|sms|hotline|telefon|handy|mobil|rufnummer"
    r"|r[uü]ckruf|anruf|erreichbar|durchwahl|t[ée]l|t[ée]l[ée]phone|portable|appelez|tel[ée]fono|m[óo]vil|ll[áa]mame)\b"
    r"|(?<!\S)(?-i:[MTF])(?=:))(?:[ :.=\"'>#-]|\b(?:number|nummer|no|nr|num|is|ist|est|es|lautet|at|on|under|unter|the|am|au|al|me|us"
    r"|mich|uns)\b){1,8}$",
    re.IGNORECASE,
)
EXPLAINED = re.compile(
    r" (?:is|ist|est|es) (?:(?:my|mein|meine|the|die|das|mon|mi|el|le) )?"
    r"(?:phone|mobile|cell|landline|telephone|handy|mobil|telefon|rufnummer|portable|m[óo]vil)",
    re.IGNORECASE,
)
DATE = re.compile(
    r"(?<![0-9])(?:\(?[0-9]{1,2}\)?[ ./-]{1,2}[0-9]{1,2}[ ./-]{1,2}(?:19|20)[0-9]{2}|(?:19|20)[0-9]{2}[ ./-][01]?[0-9][ ./-][0-3]?[0-9])(?![0-9])"
)
OTHER_NUMBER = re.compile(
    r"\b(?:serial|s/n|serien|isbn|issn|ean|model|modell|part|art|artikel|article|version|versi[oó]n|map|room|raum|build|key|scale"
    r"|kernel|port|page|seite|error|fehler|code|product|produkt|session)[\w.-]{0,10}(?: (?:no|nr|number))?[\s.:#]{0,3}$",
    re.IGNORECASE,
)
GROUP_BEFORE = re.compile("[0-9]{4} $")
GROUPS = re.compile(r"[0-9]+")


def find_phones(view: View) -> Iterator[Finding]:
    """Find numbers in one of the forms, but no dates, sizes, or numbers that a word says to be something else."""
    for run in RUN.finditer(view.text):
        if sum(map(str.isdigit, DATE.sub("", run[0]))) > 6:
            yield from _phones_in(view.text, *run.span())


def _phones_in(text: str, start: int, end: int) -> Iterator[Finding]:
    before = line_before(text, start, 40)
    found = _forms_in(text, start, end)
    if found and not OTHER_NUMBER.search(before):
        for match in found:
            yield _finding(match.start(), match[0])
        return
    said = ANY.match(text, start)
    if said and not DATE.search(said[0]) and (_is_announced(before) or EXPLAINED.match(text, said.end())):
        yield _finding(start, said[0])


def _forms_in(text: str, start: int, end: int) -> list[re.Match[str]]:
    """Find numbers in one of the forms; not in the middle of groups of four digits, as in an account number."""
    found: list[re.Match[str]] = []
    for match in NUMBER.finditer(text, start, end + 2):
        follows = found and found[-1].end() == match.start() - 1
        in_groups = not follows and GROUP_BEFORE.search(text, max(0, match.start() - 5), match.start())
        if not in_groups and _is_phone(match[0]):
            found.append(match)
    return found


def _is_announced(before: str) -> bool:
    lowered = before.lower()
    return any(map(lowered.__contains__, PHONE_WORDS)) and ANNOUNCED.search(before) is not None


def _finding(start: int, number: str) -> Finding:
    digits = re.sub(r"^00", "+", number.replace("(0)", "").strip())
    return Finding(start, start + len(number), "PHONE", re.sub("[^0-9+]", "", digits))


def _is_phone(number: str) -> bool:
    """Check what the forms cannot say: how many digits there are, and how they are grouped."""
    groups = GROUPS.findall(number)
    digits = sum(map(len, groups))
    if DATE.search(number):
        return False
    if "+" in number:
        return digits >= (7 if len(groups) > 1 else 9)
    if number.startswith("00"):
        return digits >= (11 if len(groups) > 1 else 12)
    if all(len(group) == 2 for group in groups):
        return digits == 10
    round_numbers = len(groups) == 3 and all(group.endswith("0") for group in groups)
    return 7 <= digits <= 13 and not round_numbers
