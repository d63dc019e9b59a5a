"""Detection: which columns are there, which well-known one fits a part, and what to say when none or several do."""

import re
import shlex
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.core.intake.times import parse_time
from tasks.core.intake.well_known import Tiers

LOOKED_AT = 1000  # records, of those given, whose values decide
SHOWN = 20  # names in a message
SCALAR = frozenset(("text", "number"))
TEXT = frozenset(("text",))
ALL_KINDS = frozenset(("text", "number", "flag", "list", "object"))
Record = Mapping[str, Any]


class Unclear(Exception):  # noqa: N818 - a verdict on one reading
    """Say why a reading fails.

    A plausible one fails only because it could be had in two ways; a telling one came so far that it was meant.
    """

    def __init__(self, message: str, *, cure: str, plausible: bool = False, telling: bool = False) -> None:
        super().__init__(message)
        self.message, self.cure, self.plausible, self.telling = message, cure, plausible, telling


@dataclass(frozen=True)
class Look:
    """What is known of the records before any is read: their columns, and the kinds of values in them."""

    records: Sequence[Record]
    kinds: Mapping[str, Counter[str]]

    def fits(self, column: str, kinds: Collection[str]) -> bool:
        """Say whether most values of a column are of the kinds; a few bad rows hide no column."""
        found = self.kinds.get(column, Counter())
        return 2 * sum(found[kind] for kind in kinds) > found.total()

    def known(self, names: Iterable[str], kinds: Collection[str], taken: Collection[str] = ()) -> list[str]:
        """Give the columns of well-known names, in the order of the names; case and separators do not matter."""
        by_name: dict[str, list[str]] = {}
        for column in self.kinds:
            by_name.setdefault(normal_name(column), []).append(column)
        found = [column for name in names for column in by_name.get(name, ())]
        return [column for column in found if column not in taken and self.fits(column, kinds)]

    def best(self, tiers: Tiers, kinds: Collection[str], taken: Collection[str] = ()) -> list[str]:
        """Give the columns of the first tier that has any; more than one is a tie."""
        return next(filter(None, (self.known(tier, kinds, taken) for tier in tiers)), [])


def look_at(records: Sequence[Record]) -> Look:
    """Look at the first records."""
    kinds: dict[str, Counter[str]] = {}
    for record in records[:LOOKED_AT]:
        for column, value in record.items():
            kinds.setdefault(column, Counter()).update(_kind(value))
    for record in records[LOOKED_AT:]:
        for column in record:
            kinds.setdefault(column, Counter())
    return Look(records[:LOOKED_AT], kinds)


def normal_name(name: str) -> str:
    """Write a name as most logs would: customerMessage, Customer Message and customer-message are one."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name[:60])
    return re.sub(r"[\s.\-_]+", "_", parted.strip()).lower()


def show(names: Iterable[str], joined: str = ", ") -> str:
    """Show at most 20 names of at most 40 printable characters."""
    ordered = list(names)
    shown = ["".join(c if c.isprintable() else "?" for c in name[:40]) for name in ordered[:SHOWN]]
    return joined.join(shown) + (" …" if len(ordered) > len(shown) else "")


def set_to(setting: str, value: str = "COLUMN") -> str:
    """Write the option that sets a value, quoted for a shell where it must be."""
    return f"--set {shlex.quote(f'logs.{setting}={value}')}"


def missing(columns: Sequence[str], look: Look, cure: str) -> Unclear:
    """Say that columns named in the settings are not there."""
    return Unclear(f"has no column {show(columns)}; its columns are {show(sorted(look.kinds))}.", cure=cure)


def unknown(part: str, look: Look, cure: str, *, telling: bool = False) -> Unclear:
    """Say that no column is known to be the part."""
    columns = show(sorted(look.kinds))
    return Unclear(
        f"has no column known to hold {part}; its columns are {columns}.", cure=cure, telling=telling
    )


def tied(part: str, columns: Sequence[str], setting: str, form: str = "{}") -> Unclear:
    """Say that several columns could be the part; `form` is how the setting writes one."""
    return Unclear(
        f"could hold {part} in {show(columns, ' or ')}.",
        cure=f"Say which it is, for example with {set_to(setting, form.format(show(columns[:1])))}.",
        plausible=True,
    )


def are_times(values: Iterable[Any]) -> bool:
    """Say whether there are values and nine in ten of them are times."""
    verdicts = [
        isinstance(value, (str, int, float)) and not isinstance(value, bool) and parse_time(value) is not None
        for value in values
        if value not in (None, "")
    ]
    return bool(verdicts) and sum(verdicts) >= 0.9 * len(verdicts)


def _kind(value: Any) -> tuple[str, ...]:
    if value is None or value == "" or value != value:  # noqa: PLR0124 - NaN is how a table says nothing
        return ()
    if isinstance(value, bool):
        return ("flag",)
    if isinstance(value, (int, float)):
        return ("number",)
    return ("text",) if isinstance(value, str) else ("list",) if isinstance(value, list) else ("object",)
