"""The parts of the page that say where all came from: the version's facts, its digests, the log files, the settings."""

from collections.abc import Mapping
from typing import Any

from tasks.core.report.summary import RunSummary
from tasks.core.report.wording import spoken, value_of

CODE = (
    "adapter_digest",
    "base_identity",
    "mlflow_run_id",
)  # of the model's facts, what people compare letter by letter
NAMES = {"mlflow_run_id": "run in MLflow"}


def origin(summary: RunSummary) -> list[tuple[str, str, bool]]:
    """Word the version's facts and what it stands beside; the last of each says whether it is a digest or an id."""
    digests = summary.lineage.get("digests", {})
    told = [
        (NAMES.get(name, spoken(name)), value_of(value), name in CODE)
        for name, value in summary.model.items()
        if name != "adapter_digest" or "adapter" not in digests
    ]
    lineage = summary.lineage
    told += [("compared with", f"version {lineage['beside']}", False)] if "beside" in lineage else []
    told += (
        [("took the alias from", f"version {lineage['replaced']}", False)] if "replaced" in lineage else []
    )
    return told


def digests(summary: RunSummary) -> list[tuple[str, str]]:
    """Give what the run made and used, with the digest of each; the code of the training last."""
    lineage = summary.lineage
    found = list(lineage.get("digests", {}).items())
    return (
        [*found, ("code of the training", lineage["code"])]
        if "adapter" in lineage.get("digests", {})
        else found
    )


def shards(summary: RunSummary) -> list[dict[str, Any]]:
    """Give the pieces of the log files with their rows, and with their files' names where these may be told."""
    return [
        {
            **one,
            "file": summary.files.get(one["digest"], {}).get("name", ""),
            "line": summary.files.get(one["digest"], {}).get("line"),
        }
        for one in summary.lineage.get("shards", ())
    ]


def sections(summary: RunSummary) -> list[tuple[str, list[tuple[str, Any]]]]:
    """Give the settings as `section.field` and value, the way `--set` takes them."""
    found = []
    loose = [(name, value) for name, value in summary.settings.items() if not isinstance(value, dict)]
    for name, section in summary.settings.items():
        if isinstance(section, dict):
            found.append((name, _flat(section)))
    return [*([("general", loose)] if loose else []), *found]


def _flat(section: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    fields: list[tuple[str, Any]] = []
    for name, value in section.items():
        inner = isinstance(value, dict) and value
        fields += _flat(value, f"{prefix}{name}.") if inner else [(f"{prefix}{name}", value)]
    return fields
