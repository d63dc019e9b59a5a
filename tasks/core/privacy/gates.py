"""Gates: one fast look at a text says which finders could find anything in it; most texts open none.

A gate is a necessary condition of its finder, written loosely for RE2, which looks for all gates of a set in one pass
and in linear time, whatever the text. RE2 knows only ASCII classes, so it is shown a text in which any other
character is `?`: each gate lets `?` through where its finder takes a letter of any script.
"""

import string
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

LINK = r"[\"'`*]{0,2}(?:[ \t]?[:=>]| ?->| - |[ \t]?[\"'`]|[ \t](?:lautet|is|was|ist|war|est|c'est|es|era)[ \t:]|[ \t][^\s]*[0-9])"
REFERENCES = (
    r"order|purchase|sales|inv\.|paket|p\?ckchen|\bpo|customer|invoice|ticket|case|ref|r\?f|booking|tracking|shipment|contra|rma|transaction|receipt|reserva"
    r"|r\?serva|incident|parcel|complaint|bestell|auftr|kunde|rechnung|vertrag|vorgang|konto|sendung|aktenzeichen|buchung|reklamation"
    r"|commande|factur|dossier|colis|pedido|client|env\?o|acc|member|policy|subscription|confirmation|kd|\bre|mitglied|schaden"
    r"|versicherung|fall|compte|cuenta|p\?liza|request|anfrage"
)
GATES = {
    "mail": r"[^\s]@[^\s]|%40",
    "mail spelled": r" @ |(?:at|\?t|arroba|arobase)[)\]}]|[(\[{ ](?:dot|punkt|punto)[)\]} ]| arobase ",
    "handle": r"(?:^|[^a-z0-9])@[a-z_?]",
    "link": r"://[^\s/?#<>\"'`]+@|(?:[?&#;]|%3f|%26)[\w.\[\]?-]+(?:=|%3d)",
    "password": rf"(?:pass(?:wor[dt]|wd|code|phrase|e)?|pwd?|kennwort|mdp|contrase[?n]a|clave){LINK}",
    "password farther": r"(?:passwor[dt]|passe|kennwort|contrase[?n]a) [^\n]*[0-9]",
    "pair": r"(?:zugangsdaten|logindaten|login data|credentials|identifiants|credenciales)[ :=]",
    "password after": r" (?:is|was|as|ist|war|als|est|es|como) (?:my|the|our|your|mein|das|unser|dein|mon|le|mi|la) "
    r"(?:(?:new|old|neues|altes|wifi|wlan) )?(?:mot de )?(?:pass|pw|kennwort|mdp|contrase)",
    "key": rf"(?:secret|token|key(?:_base)?|schl\?ssel|cl\?|clave|sess(?:ion)?[_-]?(?:id|key|token)?)(?: api| wifi| de la api)?{LINK}",
    "phrase": r"phrase[ \t]?[:=]",
    "header": r"authorization[\"']? ?[:=]|bearer [^\s]{6}|basic [a-z0-9+/]{8}|curl ",
    "block": r"-----BEGIN ",
    "ipv6": r"::|:(?:[0-9a-f]+:){6}",
    "vendor's key": r"[sp]k-[\w-]{16}|k_(?:live|test)_|whsec_|gh[pousr]_\w{20}|glpat-|xox[a-z]-|xapp-|a(?:ki|si|gp|id|ro)a[a-z0-9]{12}"
    r"|[0-9]:aa[\w-]{20}|ya29\.|gocspx-|sg\.[\w-]{16}|eyj[\w-]{8}",
    "long key": r"[a-z][0-9][a-z]|[0-9][a-z][0-9]",
    "three digits": r"[0-9][ ()./-]*[0-9][ ()./-]*[0-9]|[0-9][a-z0-9/_-]*[0-9][a-z0-9/_-]*[0-9]",
}
# Gates of what holds three digits. They stand apart since counted repeats beside other patterns make RE2's automaton
# grow, and since three of four texts have no three digits.
LATE_GATES = {
    "reference": rf"(?:{REFERENCES})[a-z?]*(?:[ ._:=#\[(\"'?-]+(?:numbers?|nummern?|num.ro|code|ref|reference|confirmation|ids?|nos?|nr|num|n\.?|is|ist"
    r"|lautet|est|es))*[ ._:=#\[(\"'?-]*[a-z0-9/_-]*[0-9][a-z0-9/_-]*[0-9][a-z0-9/_-]*[0-9]|aktenzeichen",
    "code": r"(?:c[o?]de|c[o?]digo|\b(?:pin|tan|puk|otp|cvv|cvc))[^0-9\n]*[0-9]",
    "iban": r"[a-z]{2}[0-9]{2}[ -]?[a-z0-9][a-z0-9 -]*[0-9][a-z0-9 -]*[0-9]",
    "phone": r"(?:\+ ?[1-9]|0[0-9]|\(0[1-9]|\([2-9])(?:[ ()./-]*[0-9]){5}"
    r"|[2-9][0-9][0-9][ .-][0-9][0-9][0-9][ .-]?[0-9][0-9][0-9][0-9]"
    r"|(?:phone|t[e?]l|mobil|cell|call|ring|dial|text|fax|whatsapp|sms|hotline|handy|ruf|r\?ckruf|erreichbar|durchwahl|portable|appelez"
    r"|m[o?]vil|ll[a?]mame|\b[mtf]:)[a-z?]*(?:[ :.=\"'>#-]+(?:number|nummer|no|nr|num|is|ist|est|es|lautet|at|on|under|unter|the|am|au|al|me"
    r"|us|mich|uns)?)*[(+]?[0-9](?:[ ()./-]*[0-9]){6}"
    r"|[0-9] (?:is|ist|est|es) (?:(?:my|mein|meine|the|die|das|mon|mi|el|le) )?"
    r"(?:phone|mobil|cell|landline|telephone|handy|telefon|rufnummer|portable|m[o?]vil)",
    "card": r"[0-9](?:[ -]*[0-9]){12}",
    "ipv4": r"[0-9]\.[0-9]+\.[0-9]+\.[0-9]",
}
NAMES, LATE_NAMES = tuple(GATES), tuple(LATE_GATES)
# The other half of the gate for long keys: in the set it would need a long counted repeat.
KEY_CHARACTERS = f"{string.ascii_letters}{string.digits}_+/=-"
RUNS = bytes(0x78 if chr(code) in KEY_CHARACTERS else 0x20 for code in range(256))
LONG_RUN = b"x" * 28
Matcher = Callable[[bytes], list[int] | None]


def open_gates(plain: str) -> list[str]:
    """Give the names of the gates that a text in its plain form opens."""
    shown = plain.encode("ascii", "replace")
    match, match_late = _matchers()
    opened = [NAMES[number] for number in match(shown) or ()]
    if "three digits" in opened:
        opened.remove("three digits")
        opened += [LATE_NAMES[number] for number in match_late(shown) or ()]
    if "long key" in opened and LONG_RUN not in shown.translate(RUNS):
        opened.remove("long key")
    return opened


def spans_of(gate: str, plain: str) -> Iterator[tuple[int, int]]:
    """Give the places that open a gate, from left to right."""
    for match in _pattern(gate).finditer(plain.encode("ascii", "replace")):
        yield match.span()


@cache
def _matchers() -> tuple[Matcher, Matcher]:
    return _compiled(GATES), _compiled(LATE_GATES)


def _compiled(gates: dict[str, str]) -> Matcher:
    import re2

    together = re2.Set.SearchSet(_options())
    for pattern in gates.values():
        together.Add(pattern.encode())
    together.Compile()
    match: Matcher = together.Match
    return match


@cache
def _pattern(gate: str) -> Any:
    import re2

    return re2.compile((GATES | LATE_GATES)[gate].encode(), _options())


def _options() -> Any:
    import re2

    options = re2.Options()
    options.case_sensitive = False
    options.encoding = re2.Options.Encoding.LATIN1
    options.max_mem = 32 << 20
    return options
