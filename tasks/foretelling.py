"""Foretelling: what the receipt of a step that has not run will be like, as far as those before it need to know."""

import json
from collections.abc import Callable, Mapping, Sequence
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
    LogShard,
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
from tasks.core.store.making import Made
from tasks.core.store.run_files import RECEIPTS
from tasks.step_identity import identity

RUNS = 20  # that are asked what artifacts were like which are gone
DATA = RawLogs.__module__  # where the receipts are that count rows
PACKED = 4  # times as large is what a packed file holds
MESSAGE_BYTES, MESSAGES = 300, 4  # of a message of a log, and to a conversation, where nothing was read yet
ROW_BYTES = 700  # of a log, where nothing was read yet
ROW_TOKENS = 150  # of an example, where nothing was encoded yet
HELD_OUT = 0.1  # of the examples, likewise
FATES = ("kept", "quarantined", "filtered", "duplicates", "over_length")
Past = Callable[[Path, str], list[Made]]
Values = Mapping[str, Any]


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
    counts = _counts(step, workspace, values, past) if kind.__module__ == DATA else {}
    path = f"store/{step}/not-yet"
    facts = FACTS.get(kind, _none)(workspace, values, digest, past)
    return kind.model_construct(
        **{"path": path, "digest": digest, "counts": counts, "made_from": dict(inputs), **facts}
    )


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


def _rows_in(workspace: Path, values: Values, past: Past) -> int:
    """Foretell how many rows a step is given: by its receipts, else by the bytes of the logs."""
    given = [count for value in values.values() if (count := _rows(value)) is not None]
    if given:
        return max(given)
    size = sum(value.length for value in values.values() if isinstance(value, LogShard))
    return round(size / _row_bytes(workspace, past))


def _rows(value: Any) -> int | None:
    """Give the rows that came into the data chapter: what became of each is counted on from step to step."""
    if isinstance(value, tuple):
        counts = [count for one in value if (count := _rows(one)) is not None]
        return sum(counts) if counts else None
    return value.counts.get("in") if isinstance(value, Receipt) else None


def _row_bytes(workspace: Path, past: Past) -> float:
    known = [one for one in past(workspace, "collection") if one.effort and one.receipt["counts"].get("in")]
    rows = sum(one.receipt["counts"]["in"] for one in known)
    return sum(one.effort for one in known) / rows if rows else ROW_BYTES


def _counts(step: str, workspace: Path, values: Values, past: Past) -> dict[str, int]:
    """Foretell the counts of a receipt from those of the step's earlier ones: the same shares of the rows that go in."""
    going_in = _rows_in(workspace, values, past)
    if step in SUMS:
        return _summed(values[SUMS[step]])
    if step == "readmission":
        count = sum(1 for line in values["fixed"].path.read_bytes().splitlines() if line.strip())
        return {"in": 0, **dict.fromkeys(FATES, 0), "kept": count, "quarantined": -count}
    if step == "message_collection":
        size = sum(value.length for value in values.values() if isinstance(value, LogShard))
        return {"messages": round(size / _message_bytes(workspace, past)), "rejected": 0}
    earlier = [one.receipt.get("counts", {}) for one in past(workspace, step)]
    whole = sum(_all_of(one) for one in earlier)
    counts = {"in": going_in}
    for fate in FATES:
        share = sum(one.get(fate, 0) for one in earlier) / whole if whole else float(fate == "kept")
        counts[fate] = round(share * going_in)
    if step == "tokenization":
        counts |= _encoded(earlier, counts["kept"])
    return counts


def _all_of(counts: Mapping[str, int]) -> int:
    return sum(counts.get(fate, 0) for fate in FATES)


def _encoded(earlier: Sequence[Mapping[str, int]], kept: int) -> dict[str, int]:
    """Foretell how many tokens there are, and how many of the rows are held out."""
    known = sum(one.get("kept", 0) for one in earlier)
    if not known:
        held_out = round(HELD_OUT * kept)
        tokens = ROW_TOKENS * (kept - held_out)
        reply = tokens // 2
    else:
        held_out, tokens, reply = (
            round(kept * sum(one.get(name, 0) for one in earlier) / known)
            for name in ("held_out", "tokens", "reply_tokens")
        )
    train = kept - held_out
    return {"train": train, "held_out": held_out, "tokens": tokens, "reply_tokens": reply, "pieces": train}


def _summed(receipts: Sequence[Receipt]) -> dict[str, int]:
    total: dict[str, int] = {}
    for receipt in receipts:
        for name, count in receipt.counts.items():
            total[name] = total.get(name, 0) + count
    return total


def _message_bytes(workspace: Path, past: Past) -> float:
    known = [one for one in past(workspace, "message_collection") if one.effort]
    messages = sum(one.receipt["counts"].get("messages", 0) for one in known)
    return sum(one.effort for one in known) / messages if messages else MESSAGE_BYTES


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
    return {"parts": tuple(parts), "counts": _summed(parts)}


def _formation(workspace: Path, values: Values, digest: str, past: Past) -> dict[str, Any]:
    """Leave open what becomes of shards that were there before: it may stay as it was, by the same rules and the same code.

    `past` gives the formations of the same code. One new row can change what the others are told of: how often a reply is used.
    """
    known: dict[str, dict[str, Any]] = {}
    rules = identity(values["rules"])
    for one in reversed(past(workspace, "formation")):
        if one.receipt["made_from"].get("rules") != rules:
            continue
        for part in one.receipt["parts"]:
            known[_logs_of(part["made_from"])] = part
    parts = []
    for shard in values["shards"]:
        part = known.get(_logs_of({"logs": shard.in_key()}))
        if part is None:
            parts.append(Verdicts.model_construct(path="", digest=digest, counts=shard.counts))
        else:
            as_before = digest.replace(CHANGED, OPEN)
            parts.append(Verdicts.model_construct(path="", digest=as_before, counts=part["counts"]))
    return {"parts": tuple(parts), "counts": _summed(parts)}


def _logs_of(made_from: Mapping[str, Any]) -> str:
    return json.dumps(made_from.get("logs"), sort_keys=True)


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


SUMS = {
    "token_gathering": "shards",
    "assembly": "shards",
}  # steps whose counts are those of what they are given
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
