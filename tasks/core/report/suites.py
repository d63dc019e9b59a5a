"""Suites: what the expectations said at all doors of a suite, taken together."""

from collections.abc import Iterable, Mapping
from typing import Any

from tasks.core.report.wording import spoken


def gather_suites(doors: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Gather the doors of each suite: its spoken `name`, `doors`, `rows`, and `checks`, each as often failed as in all of them."""
    found: dict[str, dict[str, Any]] = {}
    for door in doors:
        suite = found.setdefault(
            door["suite"], {"name": spoken(door["suite"]), "doors": [], "rows": 0, "checks": {}}
        )
        suite["doors"].append(door)
        suite["rows"] += door["rows"]
        for check in door["checks"]:
            key = (check["expectation"], check["column"])
            line = suite["checks"].setdefault(key, {**check, "failed": 0, "passed": True})
            line["failed"] += check["failed"]
            line["passed"] = line["passed"] and check["passed"]
    return [{**suite, "checks": list(suite["checks"].values())} for suite in found.values()]
