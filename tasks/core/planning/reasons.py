"""Reasons: why a step would run: what of its inputs, settings, code or libraries is not as it was the last time."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tasks.core.report.wording import spoken, value_of
from tasks.core.store.making import Made

Kind = Literal["new", "input", "setting", "code", "version", "artifact"]
SHOWN = 3  # changes that one sentence names
ONE_OF = ("LogShard", "LogFile")
OURS = ("tasks.core.", "tasks.", "expectations.")


@dataclass(frozen=True)
class Reason:
    """Why a step runs: the kind of what changed, the words, and the names of all the settings that changed."""

    kind: Kind
    words: str
    settings: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Change:
    """One thing that is not as it was; `name` is a setting's."""

    kind: Kind
    words: str
    name: str = ""


def reason_of(
    inputs: Mapping[str, Any],
    code: str,
    libraries: Mapping[str, str],
    earlier: Iterable[Made],
    modules: Callable[[str], Mapping[str, str] | None],
) -> Reason:
    """Say why there is no artifact of a step for these inputs, by the earlier one that is most like it.

    `modules` gives the digests of the modules that a digest of code is of, or None where nobody remembers.
    """
    found = [(one, _changes(one.receipt.get("made_from", {}), inputs)) for one in earlier]
    if not found:
        return Reason("new", "it has not run in this workspace")
    nearest, changes = min(found, key=lambda one: (_weight(one[1]), one[0].code != code))
    if nearest.code != code and nearest.code:
        changes.append(Change("code", _code_words(modules(nearest.code), modules(code))))
    changes += [
        Change("version", f"{name} {nearest.libraries[name]} → {version}")
        for name, version in libraries.items()
        if nearest.libraries.get(name, version) != version
    ]
    if not changes:  # those of earlier releases do not say by which code and libraries they were made
        return Reason("code", "its code or a library was changed")
    kinds: tuple[Kind, ...] = ("new", "input", "setting", "code", "version")
    kind = next(kind for kind in kinds if any(one.kind == kind for one in changes))
    words = list(dict.fromkeys(one.words for one in changes))
    more = f" and {len(words) - SHOWN} more" if len(words) > SHOWN else ""
    return Reason(kind, "; ".join(words[:SHOWN]) + more, frozenset(one.name for one in changes if one.name))


def _weight(changes: Iterable[Change]) -> tuple[int, int]:
    """Rank what changed: with the fewest changes of inputs, and then of settings, an artifact is the nearest."""
    kinds = [one.kind for one in changes]
    return sum(kind != "setting" for kind in kinds), len(kinds)


def _changes(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[Change]:
    """Compare the inputs of two artifacts, name by name."""
    found: list[Change] = []
    for name in dict.fromkeys([*now, *then]):
        found += _of(name, then.get(name), now.get(name))
    return found


def _of(name: str, then: Any, now: Any) -> list[Change]:
    if then == now:
        return []
    if isinstance(now, Mapping) and isinstance(then, Mapping) and not _is_bound(now):
        changes: list[Change] = []
        for part in dict.fromkeys([*now, *then]):
            changes += _of(f"{name}.{part}", then.get(part), now.get(part))
        return changes
    if name == "tombstones":  # whose rows are in few shards: the others stay as they are
        return [Change("setting", "somebody is to be forgotten")]
    if _is_bound(now):
        return [_bound(name, then, now)]
    if isinstance(now, list) and any(_is_bound(one) for one in now):
        return [Change("input", f"other {_named(name)}")]
    return [Change("setting", f"{name} {value_of(then)} → {value_of(now)}", name)]


def _is_bound(value: Any) -> bool:
    """Say whether a value stands for content: a receipt or a record of ours, named by its class."""
    return isinstance(value, Mapping) and any(name[:1].isupper() for name in value)


def _named(name: str) -> str:
    """Name an input as people speak."""
    return "rows of the logs" if name == "doors" else spoken(name)


def _bound(name: str, then: Any, now: Mapping[str, Any]) -> Change:
    if any(kind in now for kind in ONE_OF):
        return Change("new", "its rows are new")
    if "SuiteText" in now:
        return Change("setting", f"the suite {spoken(str(now['SuiteText']))} was changed")
    if then is None:
        return Change("input", f"{_named(name)} came beside")
    return Change("input", f"other {_named(name)}")


def _code_words(then: Mapping[str, str] | None, now: Mapping[str, str] | None) -> str:
    """Name the modules that changed."""
    if then is None or now is None:
        return "its code was changed"
    names = [name for name in dict.fromkeys([*now, *then]) if then.get(name) != now.get(name)]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"code: {', '.join(map(_short, names[:SHOWN]))}{more}"


def _short(module: str) -> str:
    prefix = next((one for one in OURS if module.startswith(one)), "")
    return module.removeprefix(prefix)
