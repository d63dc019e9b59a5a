"""The data's parts of the page: where rows went, what is new, what cleaning changed, lengths, expectations."""

from collections.abc import Callable, Mapping
from typing import Any

from tasks.core.report.suites import gather_suites
from tasks.core.report.summary import RunSummary
from tasks.core.report.tables import rows_table
from tasks.core.report.wording import BREACHES, BREACHES_STOP, SEVERITIES, craft_of, kind_of, percent, spoken

NUMBER: Callable[[Any], str] = "{:,}".format
MARKS = {"critical": "fail", "warning": "warn", "info": "note"}


def shares(summary: RunSummary) -> list[dict[str, Any]]:
    """Give the parts of all rows, each with what the ledger says of it; the counts add up to the rows that came in."""
    if not summary.rows:
        return []
    total = max(summary.rows.get("in", 0), 1)
    return [
        {
            "name": part["rows"],
            "kind": part["rows"].replace(" ", "_"),
            "count": part["count"],
            "share": part["count"] / total,
            "reasons": _reasons(summary.reasons, part["rows"]),
        }
        for part in rows_table(summary)[1:]
        if part["count"]
    ]


def other_reasons(summary: RunSummary) -> list[tuple[str, int]]:
    """Give the reasons that name no fate."""
    starts = tuple(f"{line['rows']}: " for line in rows_table(summary))
    return [(key, count) for key, count in summary.reasons.items() if not key.startswith(starts)]


def changes(summary: RunSummary) -> list[tuple[str, int]]:
    """Give the rows that each craft of the cleaning changed, most first."""
    found = [(craft_of(name), count) for name, count in summary.changes.items() if not name.isupper()]
    return sorted(found, key=lambda one: (-one[1], one[0]))


def personal_data(summary: RunSummary) -> list[dict[str, Any]]:
    """Give the personal data that was replaced, by kind, beside how well that kind is found on labelled rows."""
    found = {name: count for name, count in summary.changes.items() if name.isupper()}
    return [
        {"kind": kind_of(name), "count": count, **_measured(name, summary.redaction)}
        for name, count in sorted(found.items(), key=lambda one: (-one[1], one[0]))
    ]


def lengths(summary: RunSummary) -> dict[str, Any]:
    """Give the histogram of lengths as bars; those beyond the longest that is allowed say so, and are left out when empty."""
    told = summary.lengths
    bins = list(told.get("bins", ()))
    while bins and not bins[-1]["rows"] and bins[-1]["above"] >= told["max_length"]:
        bins.pop()
    most = max((one["rows"] for one in bins), default=0)
    if not most:
        return {}
    return {
        **told,
        "mean": told["tokens"] / told["rows"],
        "bars": [
            {
                "name": f"{one['above'] + 1:,} to {one['upto']:,}"
                if one["upto"]
                else f"over {one['above']:,}",
                "upto": f"{one['upto']:,}" if one["upto"] else "more",
                "rows": one["rows"],
                "height": 100 * one["rows"] / most,
                "over": one["above"] >= told["max_length"],
            }
            for one in bins
        ],
    }


def spread(summary: RunSummary) -> list[dict[str, Any]]:
    """Give the examples by value of each trait, with the share of them that each value has."""
    return [
        {
            "trait": spoken(trait),
            "values": [(value, count, count / (sum(found.values()) or 1)) for value, count in found.items()],
        }
        for trait, found in summary.spread.items()
    ]


def news(worth: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Word what is new since the champion, as far as that is known; a drift says when it may be chance."""
    names = {
        "training_rows": "training rows today",
        "new": "new since the champion",
        "gone": "of the champion's, gone",
        "came": "rows that came since",
        "repeats": "of those, repeats",
    }
    counts = [(name, NUMBER(worth[key])) for key, name in names.items() if key in worth]
    drift = [
        (f"drift of {trait}", f"{one['bits']:.3f} bits (p = {one['p_value']:.2g})")
        for trait, one in worth.get("drift", {}).items()
    ]
    return [*counts, *drift]


def suites(summary: RunSummary) -> list[dict[str, Any]]:
    """Gather the doors of each suite; what fails is marked by its severity, and the gravest comes first."""
    return [_marked(suite) for suite in gather_suites(summary.quality)]


def severities(summary: RunSummary) -> str:
    """Say what a breach does, by severity."""
    stops = summary.settings.get("quality", {}).get("on_failure") == "stop"
    breaches = BREACHES_STOP if stops else BREACHES
    return " · ".join(f"{severity} {breaches[severity]}" for severity in SEVERITIES)


def _reasons(reasons: Mapping[str, int], fate: str) -> list[tuple[str, int]]:
    """Give the rules under a fate, most rows first; a single one that only repeats its fate is left out."""
    start = f"{fate}: "
    found = [(key.removeprefix(start), count) for key, count in reasons.items() if key.startswith(start)]
    if len(found) == 1 and found[0][0].rstrip("s") == fate.rstrip("s"):
        return []
    return sorted(found, key=lambda one: (-one[1], one[0]))


def _measured(kind: str, scores: Mapping[str, Any]) -> dict[str, str]:
    """Give how well a kind is found: written plainly, and `disguised` on purpose."""
    plainly, disguised = scores.get("main", {}).get(kind, {}), scores.get("obfuscated", {}).get(kind, {})
    return {
        "recall": _share(plainly, "recall"),
        "precision": _share(plainly, "precision"),
        "disguised": _share(disguised, "recall"),
        "labelled": f"{plainly.get('labelled', 0):,}",
    }


def _share(score: Mapping[str, Any], name: str) -> str:
    known = score.get("labelled") and score.get(name) is not None
    return percent(score[name]) if known else "–"


def _marked(suite: dict[str, Any]) -> dict[str, Any]:
    checks = sorted(suite["checks"], key=_gravity)
    broken = [check for check in checks if not check["passed"]]
    marked = [{**check, "mark": "pass" if check["passed"] else _mark(check)} for check in checks]
    worst = _mark(broken[0]) if broken else "pass"
    return {**suite, "checks": marked, "broken": len(broken), "mark": worst}


def _gravity(check: Mapping[str, Any]) -> tuple[bool, int]:
    known = check["severity"] in SEVERITIES
    return check["passed"], SEVERITIES.index(check["severity"]) if known else len(SEVERITIES)


def _mark(check: Mapping[str, Any]) -> str:
    return MARKS.get(check["severity"], "note")
