"""Greetings: a salutation at the beginning and a parting at the end of a reply are cut, for those who want bare answers."""

import re

NAME = r"(?:<[A-Z]+_\d+>|@?[A-ZÀ-Þ][\w'.-]{0,30}|there|all|everyone|everybody|team|folks|zusammen|alle|à tous|a todos|tutti|allemaal|iedereen)"
SALUTATION = re.compile(
    r"(?i:hi|hello|hey|dear|greetings|good (?:morning|afternoon|evening|day)|hallo|moin|servus|liebe[rs]?|sehr geehrte[rs]?|"
    r"guten (?:tag|morgen|abend)|grüß (?:gott|dich)|bonjour|bonsoir|salut|chère?s?|hola|buen[oa]s (?:d[ií]as|tardes|noches)|estimad[oa]s?|"
    r"ciao|buongiorno|buonasera|salve|gentile|beste|geachte|goede(?:morgen|middag|avond|n ?dag))"
    rf"(?: (?:(?:or|and|und|et|y|e|en) )?{NAME}){{0,4}} ?(?:[,!]+|(?=\n)|[.:](?=\n))\s*"
)
PARTING = re.compile(
    r"(?:(?:with |mit |met )?(?:(?:kind|best|warm|many|kindest|warmest|freundlichen?|besten?|lieben?|herzlichen?|vielen?|schönen?|vriendelijke) )?"
    r"(?:regards|wishes|grü(?:ß|ss)en?|gru(?:ß|ss)|groet(?:en|jes)?)|best|cheers|sincerely|yours (?:sincerely|truly|faithfully)|"
    r"thanks|thank you|many thanks|thanks (?:again|in advance|a lot|so much)|danke|vielen dank|mfg|lg|vg|mvg|"
    r"(?:bien )?cordialement|cdlt|bien à vous|merci(?: d'avance)?|(?:un |cordiales )?saludos?(?: cordiales)?|atentamente|gracias|"
    r"(?:cordiali |distinti |tanti )?saluti|grazie(?: mille)?|bedankt)",
    re.IGNORECASE,
)
SIGNED = re.compile(rf"[ ,.!:)-]*(?:{NAME}[ ,.!]*){{0,4}}")
MOST_LINES = 4  # of a parting: the words, a name, a place of work
LONGEST_LINE = 50


def cut_greetings(text: str) -> str:
    """Cut a salutation and a parting, when what remains is still an answer."""
    found = SALUTATION.match(text)
    left = text[found.end() :] if found else text
    left = _without_parting(left.strip())
    return left or text


def _without_parting(text: str) -> str:
    lines = text.split("\n")
    for number in range(len(lines) - 1, max(0, len(lines) - 1 - MOST_LINES), -1):
        if len(lines[number]) > LONGEST_LINE:
            return text
        words = PARTING.match(lines[number])
        if words and SIGNED.fullmatch(lines[number], words.end()):
            return "\n".join(lines[:number]).rstrip()
        if not SIGNED.fullmatch(lines[number]):
            return text
    return text
