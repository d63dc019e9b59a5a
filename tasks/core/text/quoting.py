"""Quoted mail: the history that mail programs put above or below a message is cut, and the message stays.

Careful by intent, since posts talk about mail too: `>` alone proves nothing, and a forwarded message is often what the
question is about. It takes a line that says who wrote, with quoted lines after it or with a time; a delimiter that mail
programs write; or their block of headers with the time of sending. A text is never cut to nothing.
"""

import re

# On Mon, 1 Jan 2024 at 10:00, somebody wrote: · Am 1. Januar schrieb jemand: · Le … a écrit : · Jemand schrieb am 1.2.2024:
WROTE = re.compile(
    r"\b(?:wrote|writes|schrieb|geschrieben|a écrit|escribió|escreveu|ha scritto|scrisse|schreef)\b[^\n]{0,120}:$"
)
VERBS = ("wrote", "writes", "schrieb", "écrit", "escribi", "escreveu", "scritto", "scrisse", "schreef")
OPENING = re.compile(r"(?:On|Am|Le|El|Em|Il|Op|Den)\b")
SENT_THEN = re.compile(r"\d{1,2}[:.h]\d{2}|@|<EMAIL_\d")
OWN_WORDS = re.compile(r"\b(?:I|we|ich|wir|je|j|nous|yo|io|ho|ik|wij|eu)\b")
LONGEST_LINE = 300
ORIGINAL = (
    r"original (?:message|appointment)|ursprüngliche (?:nachricht|mail)|message d'origine|message original|"
    r"mensaje original|messaggio originale|oorspronkelijk bericht|mensagem original"
)
DELIMITER = re.compile(rf"^[-_]{{2,}} ?(?:{ORIGINAL}) ?[-_]{{2,}}$", re.IGNORECASE | re.MULTILINE)
SUBJECTS = ("Subject", "Betreff", "Objet", "Asunto", "Oggetto", "Onderwerp", "Assunto")
HEADERS = re.compile(
    r"^\*?(?:From|Von|De|Da|Van) ?:[^\n]{1,200}\n{1,2}"
    r"\*?(?:Sent|Gesendet|Envoyé|Enviado(?: el)?|Enviada(?: em)?|Inviato|Verzonden) ?:[^\n]{1,100}\n{1,2}"
    rf"(?:\*?(?:To|An|À|Para|A|Aan|Cc|CC|Kopie) ?:[^\n]{{0,500}}\n{{1,2}}){{0,3}}\*?(?:{'|'.join(SUBJECTS)}) ?:",
    re.MULTILINE,
)
RULE = re.compile(r"(?:^|\n)[-_]{5,}$")


def cut_quoted_mail(text: str) -> str:
    """Cut quoted history, when what remains is still a message; inline answers between quotes are left alone."""
    left = text
    start = _history(text)
    if start is not None:
        left = RULE.sub("", text[:start].rstrip())
    if (":\n" in left or left.endswith(":")) and any(verb in left for verb in VERBS):
        left = _without_attributed(left)
    return left.strip() or text


def _history(text: str) -> int | None:
    """Find where a delimiter or a block of headers begins what was sent before."""
    found = DELIMITER.search(text) if "--" in text or "__" in text else None
    if found is None and text.count(":") > 3 and any(subject in text for subject in SUBJECTS):
        found = HEADERS.search(text)
    return found.start() if found else None


def _without_attributed(text: str) -> str:
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if len(line) > LONGEST_LINE or line[-1:] != ":" or not WROTE.search(line):
            continue
        first = _first_line(lines, number)
        end = _end_of_quote(lines, number + 1)
        if end > number + 1:
            if any(after[:1] == ">" for after in lines[end:]):
                return text
            return "\n".join([*lines[:first], "", *lines[end:]])
        attribution = " ".join(lines[first : number + 1])
        if OPENING.match(attribution) and SENT_THEN.search(attribution) and not OWN_WORDS.search(attribution):
            return "\n".join(lines[:first])
    return text


def _first_line(lines: list[str], number: int) -> int:
    """Give the line that an attribution begins in; mail programs wrap it."""
    wrapped = number > 0 and not OPENING.match(lines[number]) and len(lines[number - 1]) <= LONGEST_LINE
    return number - 1 if wrapped and OPENING.match(lines[number - 1]) else number


def _end_of_quote(lines: list[str], number: int) -> int:
    """Give the line after the quoted ones that begin at `number`, perhaps after an empty line; `number` if none do."""
    end = number
    while end < len(lines) and (lines[end][:1] == ">" or not lines[end]):
        end += 1
    return end if any(lines[number:end]) else number
