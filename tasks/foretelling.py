"""Foretelling: what the receipt of a step that has not run will be like, as far as those before it need to know."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tasks.core.receipts import (
    CHANGED,
    OPEN,
    Adapter,
    BaseModel,
    BaseSource,
    ChosenRows,
    Decision,
    EarlierRows,
    Evaluation,
    Formation,
    LogFile,
    MergedModel,
    MessageRows,
    Parent,
    Promotion,
    RawLogs,
    Receipt,
    RegisteredModel,
    Rival,
    Threads,
    UnpackedLogs,
    UnpackedPart,
    ValidExamples,
    Verdicts,
    Worth,
)
from tasks.core.store.run_files import RECEIPTS
from tasks.foretold_counts import Past, Values, foretold_counts, summed

RUNS = 20  # that are asked what artifacts were like which are gone
DATA = RawLogs.__module__  # where the receipts are that count rows
PACKED = 4  # times as large is what a packed file holds
MESSAGES = 4  # to a conversation, where nothing was read yet


def foretell(
    kind: type[Receipt],
    step: str,
    digest: str,
    workspace: Path,
    values: Values,
    inputs: Mapping[str, Any],
    past: Past,
) -> Receipt:
    """Give a receipt like the one that a step will give; its counts are those that its like had, row for row."""
    counts = foretold_counts(step, workspace, values, past) if is_data(kind) else {}
    facts = FACTS.get(kind, _none)(workspace, values, digest, past)
    return kind.model_construct(
        **{"path": nowhere(step), "digest": digest, "counts": counts, "made_from": dict(inputs), **facts}
    )


def nowhere(step: str) -> str:
    """Give the path of an artifact that is not there to be read."""
    return f"store/{step}/not-yet"


def is_data(receipt: Receipt | type[Receipt]) -> bool:
    """Say whether a receipt, or its class, is one of the data chapter, which count rows."""
    return receipt.__module__ == DATA


def told_receipts(workspace: Path) -> dict[str, dict[str, Any]]:
    """Give, by their paths, the receipts that the last runs told, also of artifacts that are gone: a step gives the same again."""
    found: dict[str, dict[str, Any]] = {}
    for folder in sorted((workspace / "runs").glob("*"))[-RUNS:]:
        try:
            told = json.loads((folder / RECEIPTS).read_bytes())
        except (OSError, ValueError):  # it was killed
            continue
        for receipt in told:
            found[receipt["path"]] = {name: value for name, value in receipt.items() if name != "kind"}
    return found


def _none(_workspace: Path, _values: Values, _digest: str, _past: Past) -> dict[str, Any]:
    return {}


def _unpacked(_workspace: Path, values: Values, digest: str, _past: Past) -> dict[str, Any]:
    """Foretell one part, about as large as all that the file holds."""
    file: LogFile = values["file"]
    place = Path(file.location)
    size = (place.stat().st_size if place.is_file() else 0) * (PACKED if file.compression else 1)
    part = UnpackedPart(name="not-yet", kind="lines", first_line=1, length=max(size, 1), digest=digest)
    return {"parts": (part,), "held_back": 0}


def _threads(workspace: Path, values: Values, digest: str, past: Past) -> dict[str, Any]:
    messages: tuple[MessageRows, ...] = values["messages"]
    threads = sum(one.receipt["counts"].get("in", 0) for one in past(workspace, "conversation_threading"))
    read = sum(one.receipt["counts"].get("messages", 0) for one in past(workspace, "message_collection"))
    each = threads / read if threads and read else 1 / MESSAGES
    counts = [round(each * one.counts.get("messages", 0)) for one in messages]
    parts = [
        RawLogs.model_construct(path="", digest=digest, counts={"in": count, "kept": count})
        for count in counts
    ]
    return {"parts": tuple(parts), "counts": summed(parts)}


def _formation(workspace: Path, values: Values, digest: str, past: Past) -> dict[str, Any]:
    """Leave open what becomes of shards that were there before: it may stay as it was.

    One new row can change what the others are told of: how often a reply is used.
    """
    formed = (part for one in past(workspace, "formation") for part in one.receipt["parts"])
    known = {part["made_from"]["logs"]["ValidCleanLogs"]: part["counts"] for part in formed}
    parts = []
    for shard in values["shards"]:
        mark = digest.replace(CHANGED, OPEN) if shard.digest in known else digest
        counts = known.get(shard.digest, shard.counts)
        parts.append(Verdicts.model_construct(path="", digest=mark, counts=counts))
    return {"parts": tuple(parts), "counts": summed(parts)}


def _examples(_workspace: Path, values: Values, _digest: str, _past: Past) -> dict[str, Any]:
    return {"shards": values["shards"]}


def _worth(_workspace: Path, _values: Values, _digest: str, _past: Past) -> dict[str, Any]:
    return {"train": True, "reason": "whether it is worth a training is weighed once the data is ready"}


def _base(_workspace: Path, values: Values, _digest: str, _past: Past) -> dict[str, Any]:
    """Let a base lie where it comes from, as long as it is not in the store."""
    source = values.get("source")
    if isinstance(source, BaseSource):
        place = {"path": str(source.folder.absolute())} if source.folder else {}
        return {"identity": source.identity, **place}
    base: BaseModel = values["base"]  # quantized it is the same base, and known by the same digest
    return {"identity": base.identity, "path": base.path, "digest": base.digest}


def _chosen(_workspace: Path, values: Values, _digest: str, _past: Past) -> dict[str, Any]:
    """Foretell which rows a training goes on with: those that its parent has not learned, and of the others a share."""
    parent: Parent = values["parent"]
    known = int(parent.adapter.training.get("rows", 0)) if parent.adapter else 0
    train = values["rows"].counts.get("train", 0)
    new = max(train - known, 0)
    replayed = min(round(new * values["replay"] / max(1 - values["replay"], 0.01)), train - new)
    counts = {"train": new + replayed, "new": new, "replayed": replayed, "left_out": train - new - replayed}
    return {"version": parent.version, "reason": "", "unfit": "", "counts": counts}


def _adapter(_workspace: Path, values: Values, digest: str, _past: Past) -> dict[str, Any]:
    """Foretell the adapter: a champion's is known before it is fetched."""
    rival = values.get("rival")
    if isinstance(rival, Rival):
        return {
            "digest": rival.adapter_digest,
            "adapter_digest": rival.adapter_digest,
            "base_digest": rival.base_digest,
            "training": {},
        }
    return {"adapter_digest": digest, "base_digest": values["base"].digest, "training": {}}


def _evaluation(_workspace: Path, values: Values, _digest: str, _past: Past) -> dict[str, Any]:
    return {"who": values["who"], "metrics": {}}


def _earlier(_workspace: Path, values: Values, _digest: str, _past: Past) -> dict[str, Any]:
    return {"counts": {"rows": values["most"], "requesters": 0, "forgotten": 0}}


def _merged(_workspace: Path, _values: Values, _digest: str, _past: Past) -> dict[str, Any]:
    return {"proof": {}}


def _decision(_workspace: Path, _values: Values, _digest: str, _past: Past) -> dict[str, Any]:
    return {
        "outcome": "keep",
        "reason": "",
        "gains": {},
        "slices": [],
        "general": {},
        "earlier": "",
        "rival": 0,
    }


def _registered(_workspace: Path, values: Values, _digest: str, _past: Past) -> dict[str, Any]:
    return {"name": values["registry"].name, "version": 0, "run_id": "", "content_key": ""}


def _promotion(_workspace: Path, _values: Values, _digest: str, _past: Past) -> dict[str, Any]:
    return {"moved": False, "waits": False, "version": 0, "replaced": 0, "reason": ""}


FACTS: dict[type[Receipt], Callable[[Path, Values, str, Past], dict[str, Any]]] = {
    UnpackedLogs: _unpacked,
    Threads: _threads,
    Formation: _formation,
    ValidExamples: _examples,
    Worth: _worth,
    BaseModel: _base,
    ChosenRows: _chosen,
    Adapter: _adapter,
    Evaluation: _evaluation,
    EarlierRows: _earlier,
    MergedModel: _merged,
    Decision: _decision,
    RegisteredModel: _registered,
    Promotion: _promotion,
}
