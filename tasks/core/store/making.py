"""Making: how an artifact came to be, beside what it is: in which time, by which code, libraries and machine.

None of it is in a cache key or a receipt. A plan foretells by it how long a step takes, and says what has changed.
"""

import json
import os
import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from tasks.core.store.locks import exclusive
from tasks.core.store.syncing import write_whole

CODE = "code"  # folder of the workspace: by digest, which module had which digest
LEAST = 0.001  # seconds of a making that is over sooner: none would say that nothing is known
GPUS = Path("/proc/driver/nvidia/gpus")
CPU = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Making:
    """What a step is made with: the digest of its code, library versions, and how much there is to do.

    `effort` is in units of the step's own, such as rows or bytes; 0 says nothing.
    """

    code: str = ""
    libraries: Mapping[str, str] = field(default_factory=dict)
    effort: float = 0.0


@dataclass(frozen=True)
class Made:
    """An artifact of the past, as its manifest tells of it; `seconds` are those of its making, 0 where nothing is known.

    `resumed` says that an earlier start had done a part, so that the seconds are not all.
    """

    key: str
    receipt: Mapping[str, Any]
    size: int
    code: str = ""
    libraries: Mapping[str, str] = field(default_factory=dict)
    effort: float = 0.0
    seconds: float = 0.0
    machine: str = ""
    resumed: bool = False


def told(making: Making, seconds: float, *, resumed: bool) -> dict[str, Any]:
    """Give what a manifest says of a making that took so long on this machine."""
    taken = max(round(seconds, 3), LEAST)
    return {**asdict(making), "seconds": taken, "machine": machine(), "resumed": resumed}


def past(workspace: Path, step: str) -> Iterator[Made]:
    """Give the artifacts of a step that are in the store, the newest first; one whose manifest is unreadable is none."""
    folder = workspace / "store" / step
    places = [one / "manifest.json" for one in folder.iterdir()] if folder.is_dir() else []
    dated = [(one.stat().st_mtime, one) for one in places if one.is_file()]
    for _, place in sorted(dated, reverse=True):
        try:
            manifest = json.loads(place.read_bytes())
            size = sum(file["size"] for file in manifest["files"].values())
            yield Made(manifest["key"], manifest["receipt"], size, **manifest.get("made", {}))
        except (ValueError, KeyError, TypeError, AttributeError):
            continue


def keep_code(workspace: Path, digest: str, modules: Mapping[str, str]) -> None:
    """Remember which modules a digest of code is of, once."""
    place = workspace / CODE / f"{digest[:32]}.json"
    if place.exists():
        return
    with exclusive(workspace / "locks" / "code.lock"):
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_whole(place, json.dumps(dict(modules), indent=0, sort_keys=True))


def known_code(workspace: Path, digest: str) -> dict[str, str] | None:
    """Give the digests of the modules that a digest of code is of; None where nobody remembers."""
    try:
        told = json.loads((workspace / CODE / f"{digest[:32]}.json").read_bytes())
    except (OSError, ValueError):
        return None
    return told if isinstance(told, dict) else None


@cache
def machine() -> str:
    """Name this kind of machine: rates of one say little of another."""
    text = CPU.read_text(errors="replace") if CPU.is_file() else ""
    models = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return ", ".join([models[0] if models else platform.processor(), f"{cores} cores", *_gpus()])


def _gpus() -> Iterator[str]:
    for place in sorted(GPUS.glob("*/information")):
        lines = place.read_text(errors="replace").splitlines()
        yield from (line.partition(":")[2].strip() for line in lines if line.startswith("Model"))
