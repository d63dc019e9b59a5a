"""Numbers of orders, customers, invoices, tickets and accounts, by the word that introduces them; the word stays."""

import re
from collections.abc import Iterator

from tasks.core.privacy.gates import spans_of
from tasks.core.privacy.placeholders import Finding
from tasks.core.privacy.view import View, line_before

# A word here introduces a number by itself; those of NEEDS_NUMBER only with `number`, `no.`, `id` or `#`.
INTRODUCES = (
    r"(?:purchase |sales )?orders?(?: confirmation)?|po|customers?|invoices?|inv(?=[.#:])|pakets?|päckchens?|tickets?|cases?|ref(?:erences?)?|réf(?:érences?)?|bookings?|tracking"
    r"|shipment|contract|rma|transaction|receipt|reservation|réservation|incident|parcel|complaint"
    r"|bestell(?:ung(?:en)?)?|auftrags?|aufträge|kunden?|rechnung(?:s|en)?|vertrags?(?:konto)?|vorgangs?|konto|sendung(?:s|en)?"
    r"|aktenzeichen|referenz|buchungs?|reklamations?|commandes?|factures?|dossiers?|contrats?|colis"
    r"|pedidos?|facturas?|clientes?|referencia|contratos?|reservas?|envío"
)
NEEDS_NUMBER = (
    r"acc(?:oun)?ts?|clients?|member(?:ship)?|policy|subscription|confirmation|kd|re|mitglieds?|schadens?|versicherungs?"
    r"|fall|compte|cuenta|póliza|requests?|anfragen?"
)
# Each word above begins with one of these, which are looked for before the pattern is tried: in lower case.
STEMS = re.compile(
    r"order|purchase|sales|inv|paket|päckchen|po\b|customer|invoice|ticket|case|r[eé]f|booking|tracking|shipment|contra|rma|transaction|receipt|r[eé]serva"
    r"|incident|parcel|complaint|bestell|auftr|kunde|rechnung|vertrag|vorgang|konto|sendung|aktenzeichen|buchung|reklamation"
    r"|commande|factur|dossier|colis|pedido|client|envío|acc|member|policy|subscription|confirmation|kd|re[.-]|mitglied|schaden"
    r"|versicherung|fall|compte|cuenta|póliza|request|anfrage"
)
NUMBER = r"(?:[ ._-]{0,2}(?:(?:numbers?|nummern?|num[ée]ro|code|ref(?:erence)?|ids?)(?![0-9a-z])|(?:nos?|nr|num|n\.?°|n\.?º|№|#)(?![a-z]))\.?)"
LINK = r"[\"']?(?: ?[:=])? ?(?:(?:is|ist|lautet|est|es)\b:? ?)?[\[(\"'# ]{0,3}"
VALUE = r"(?P<value>[0-9]{1,4} [A-Z]{1,4} [0-9]{1,6}/[0-9]{2}(?![0-9])|[A-Z0-9]++(?:[-/_][A-Z0-9]++)*+)"
INTRODUCED = re.compile(
    rf"(?!client[_-]?id[=\"'])(?:(?P<alone>{INTRODUCES})|{NEEDS_NUMBER})\.?(?P<number>{NUMBER}{{0,3}})(?![^\W\d_]){LINK}{VALUE}",
    re.IGNORECASE,
)
LONGEST_STEM = 12
NEXT = re.compile(rf"(?:, ?| and | und | et | y | or | oder | & )(?:# ?)?{VALUE}", re.IGNORECASE)
NUMBER_BEFORE = re.compile(
    r"(?:\bnum[ée]ro|\bnúmero|n\.?°|n\.?º|\bnumber)(?: of| de| d')? ?(?:the |my |your |la |mi |ma |mon |su )?$",
    re.IGNORECASE,
)
# `in order 1, 2, 3`, `in case 10 files …`; and what belongs to a repository, not to a customer.
IDIOM_BEFORE = re.compile(r"\b(?:in|en|just in|sort|in any|in that|in this) $", re.IGNORECASE)
NO_WORD_BEFORE = re.compile(r"\b(?:pull|merge|test|use) $", re.IGNORECASE)
# A number written in groups, as `0012 8812`.
GROUPS = re.compile(r"(?: [0-9]{2,4}){1,4}(?![\w.,:/-])")
DATE = re.compile(
    r"[0-9]{1,2}[/-][0-9]{1,2}(?:[/-](?:[0-9]{2}){1,2})?|(?:19|20)[0-9]{2}(?:[/-][0-9]{1,2}){0,2}"
)
OTHER = re.compile(r"(?:KB|CVE|RFC|ISO|UTF|SHA|DIN|EN|HTTP|WIN|IMAP|POP|TLS)-?[0-9].*")
AMOUNT_AFTER = re.compile(
    r"[.,:][0-9]|[%°]| ?(?:€|\$|£|eur\b|usd|gbp|chf|euros?|dollars?|units?\b|pieces?\b|pcs|items?\b|stück|messages?|mails?|emails?"
    r"|nachrichten|times\b|mal\b|days?\b|tage?\b|files?\b|users?\b|[gmk]b\b|x\b|of\b|von\b)",
    re.IGNORECASE,
)


def find_references(view: View) -> Iterator[Finding]:
    """Find the numbers that follow such a word, and those that follow them in a list."""
    for start, end in spans_of("reference", view.text):
        for stem in STEMS.finditer(view.lowered, start, end + LONGEST_STEM):
            if not view.lowered[stem.start() - 1 : stem.start()].isalpha():
                yield from _find_at(view.text, stem.start())


def _find_at(text: str, place: int) -> Iterator[Finding]:
    match = INTRODUCED.match(text, place)
    if match is None:
        return
    before = line_before(text, place, 30)
    has_sign = "#" in text[place : match.start("value")]
    told = bool(match["number"]) or has_sign or NUMBER_BEFORE.search(before) is not None
    if NO_WORD_BEFORE.search(before) or (not told and IDIOM_BEFORE.search(before)):
        return
    least = 4 if match["alone"] else 6
    while match and _is_reference(
        match["value"], text[match.end() : match.end() + 14], told=told, least=least
    ):
        end = _end_of_groups(text, match.end()) if told and match["value"].isdigit() else match.end()
        value = text[match.start("value") : end]
        yield Finding(match.start("value"), end, "ORDER", re.sub("[ /_-]", "", value).casefold())
        match = NEXT.match(text, end)


def _end_of_groups(text: str, end: int) -> int:
    """Give where a number written in groups of digits ends."""
    groups = GROUPS.match(text, end)
    return groups.end() if groups and not AMOUNT_AFTER.match(text, groups.end()) else end


def _is_reference(value: str, after: str, *, told: bool, least: int) -> bool:
    """Say whether a value is a reference: after a mere word it must not be lower case, short, or the number of something."""
    digits = sum(map(str.isdigit, value)) if value.strip("0-") else 0
    if DATE.fullmatch(value) and not (told and value.isdigit()):
        return False
    if told:
        return digits > 2 and re.match("[.,][0-9]", after) is None
    if AMOUNT_AFTER.match(after):
        return False
    if value.isdigit():
        return digits >= least
    return digits >= least - 1 and value == value.upper() and OTHER.fullmatch(value) is None
