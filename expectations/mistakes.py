"""Mistakes in suites: what may stand in one, and a sentence with the cure for whatever else does."""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from expectations.vocabulary import BOUNDS, COLUMNS, PARAMETERS, SEVERITIES, TYPES, Form

DOCUMENT = ("suite", "purpose", "expectations")
FIELDS = ("rule", "expect", "column", "with", "severity", "enforce_if", "why")
NEEDED = ("rule", "expect", "severity", "why")
LEAST_WHY = 20  # characters; a shorter one gives no reason
HUGE = 1e15  # beyond it, numbers are no counts
MOST_RULE = 60  # characters; it heads columns and names rows' fates


def find_mistakes(name: str, document: Any, where: str) -> list[str]:
    """Give one sentence for every mistake in a suite, each with file, entry and cure; none is a sound suite."""
    if not isinstance(document, Mapping):
        return [f"{where}: a suite has the fields suite, purpose and expectations."]
    return [f"{where}: {sentence}" for sentence in _of_document(name, document)]


def _of_document(name: str, document: Mapping[str, Any]) -> Iterator[str]:
    for field in _others(document, DOCUMENT):
        yield f"unknown field {_named(field, DOCUMENT)}."
    if document.get("suite") != name:
        yield f"the field suite says {_shown(document.get('suite'))}; in this file it must say {name}."
    if not isinstance(document.get("purpose"), str):
        yield "the field purpose is missing; say in a sentence what the suite is for."
    entries = document.get("expectations")
    if not isinstance(entries, list) or not entries:
        yield "the field expectations must be a list of at least one; a suite of none would pass everything."
        return
    seen: dict[str, int] = {}
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, Mapping):
            yield f"expectation {number} must have the fields {', '.join(NEEDED)}."
            continue
        rule = entry.get("rule")
        title = f"expectation {number}" + (f" ({rule[:MOST_RULE]})" if isinstance(rule, str) else "")
        yield from (f"{title}: {sentence}" for sentence in _of_entry(name, entry))
        if str(rule) in seen:
            yield f"{title}: expectation {seen[str(rule)]} has the same rule; give each its own."
        seen.setdefault(str(rule), number)


def _of_entry(name: str, entry: Mapping[str, Any]) -> Iterator[str]:
    for field in _others(entry, FIELDS):
        yield f"unknown field {_named(field, FIELDS)}."
    missing = [field for field in NEEDED if not isinstance(entry.get(field), str) or not entry[field].strip()]
    if missing:
        yield f"{', '.join(missing)} must be given, as text."
        return
    if len(entry["why"]) <= LEAST_WHY:
        yield f"why must give the reason, in more than {LEAST_WHY} characters."
    if len(entry["rule"]) > MOST_RULE or not entry["rule"].isprintable():
        yield f"rule must be a short phrase, of at most {MOST_RULE} characters."
    if entry["severity"] not in SEVERITIES:
        yield f"unknown severity {_named(entry['severity'], SEVERITIES)}."
    form = TYPES.get(entry["expect"])
    if form is None:
        yield f"unknown expectation {_named(entry['expect'], TYPES)}."
        return
    if entry["severity"] == "warning" and not form.by_row:
        yield f"{entry['expect']} looks at the whole table and names no row to quarantine; make it critical or info."
    yield from _of_column(name, entry, form)
    yield from _of_limits(name, entry, form)
    yield from _of_switch(name, entry)


def _of_column(name: str, entry: Mapping[str, Any], form: Form) -> Iterator[str]:
    columns, column = COLUMNS[name], _column(entry)
    if not form.column:
        if column is not None:
            yield f"{entry['expect']} takes no column."
    elif column is None:
        yield f"column must be given; known: {_listed(columns)}."
    elif column not in columns:
        yield f"unknown column {_named(column, columns)}."
    elif columns[column] not in form.kinds:
        yield f"{entry['expect']} does not fit {column}, which is a {columns[column]}."


def _of_limits(name: str, entry: Mapping[str, Any], form: Form) -> Iterator[str]:
    limits = entry.get("with", {})
    if not isinstance(limits, Mapping):
        yield f"with must be a mapping of {', '.join(form.limits) or 'nothing'}."
        return
    for limit in _others(limits, form.limits):
        yield f"{entry['expect']} takes no {_named(limit, form.limits)}."
    if "value_set" in form.limits and "value_set" not in limits:
        yield "with must give the value_set."
    if "min_value" in form.limits and not limits.keys() & {"min_value", "max_value"}:
        yield "with must give min_value or max_value."
    kind = COLUMNS[name].get(_column(entry) or "", "number")
    for limit in (one for one in form.limits if one in limits):
        yield from _of_limit(name, limit, limits[limit], kind)
    bounds: list[Any] = [limits.get(one) for one in ("min_value", "max_value")]
    if all(_is("number", one) for one in bounds) and bounds[0] > bounds[1]:
        yield f"min_value {bounds[0]} is above max_value {bounds[1]}."


def _of_limit(name: str, limit: str, value: Any, kind: str) -> Iterator[str]:
    if limit == "value_set":
        if not isinstance(value, list) or not value or not all(_is(kind, one) for one in value):
            yield f"value_set must be a list of values that are each a {kind}."
    elif limit.startswith("strict_"):
        if not isinstance(value, bool):
            yield f"{limit} must be true or false."
    elif isinstance(value, str) and value.startswith("$"):
        known = [one for one, sort in PARAMETERS.get(name, {}).items() if sort is not bool]
        if limit not in BOUNDS or value[1:] not in known:
            yield f"{limit} asks for {value}, but this suite knows {_listed(known)}."
    elif not _is("number", value):
        yield f"{limit} must be a number."
    elif limit == "mostly" and not 0 <= value <= 1:
        yield "mostly is a share from 0 to 1."


def _of_switch(name: str, entry: Mapping[str, Any]) -> Iterator[str]:
    switch = entry.get("enforce_if")
    known = [f"${one}" for one, sort in PARAMETERS.get(name, {}).items() if sort is bool]
    if switch is not None and switch not in known:
        yield f"enforce_if names {_shown(switch)}, but this suite knows {_listed(known)}."


def _others(given: Mapping[str, Any], known: Iterable[str]) -> list[str]:
    return sorted(given.keys() - set(known), key=str)


def _column(entry: Mapping[str, Any]) -> str | None:
    column = entry.get("column")
    return None if column is None else str(column)


def _is(kind: str, value: Any) -> bool:
    if kind == "flag":
        return isinstance(value, bool)
    if kind == "number":
        return isinstance(value, int | float) and not isinstance(value, bool) and -HUGE < value < HUGE
    return isinstance(value, str)


def _named(value: Any, known: Iterable[str]) -> str:
    """Show what was written beside what is nearest to it, or beside all that could be."""
    names = list(known)
    near = get_close_matches(str(value), names, 1)
    return (
        f"{_shown(value)}; did you mean {near[0]}?" if near else f"{_shown(value)}; known: {_listed(names)}"
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def _shown(value: Any) -> str:
    return f"'{str(value)[:60]}'"
