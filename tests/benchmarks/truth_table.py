"""The truth table, whole: every kind of change, foreseen by a plan and by an exact one, beside the run that follows.

    python tests/benchmarks/truth_table.py [WORDS …]

Of every setting that shapes a run one is changed, every step's artifact is deleted and damaged, its code and its libraries are
taken for others, and the logs are renamed, edited, divided, packed and added to. Each row starts from the settings of the first run.
With words, only the rows whose names hold one of them are gone through, and nothing is kept.
"""

import gzip
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
TARGET = ROOT / "tests" / "benchmarks" / f"truth-table-{time.strftime('%Y-%m-%d')}.json"
SETTINGS: dict[str, Any] = {
    "logs.fields": {"product": "category"},
    "logs.outcome": {"solved": "solved", "solved_weight": 2.0},
    "logs.max_unpacked_mib": 100,
    "quality.on_failure": "stop",
    "quality.max_quarantined": 0.25,
    "quality.min_examples": 90,
    "cleaning.quoted_mail": False,
    "cleaning.signatures": False,
    "cleaning.greetings": True,
    "cleaning.prompt_styles": False,
    "cleaning.redact": False,
    "cleaning.known_names": False,
    "cleaning.detect_language": False,
    "cleaning.languages": ["en", "de"],
    "cleaning.min_question_chars": 12,
    "cleaning.min_reply_chars": 60,
    "cleaning.drop_acknowledgements": False,
    "cleaning.drop_counter_questions": True,
    "cleaning.duplicates": "exact",
    "cleaning.near_threshold": 0.9,
    "format.template": "chat",
    "format.split": "conversation",
    "format.held_out": 0.2,
    "format.salt": "another",
    "format.max_per_requester": 3,
    "tokens.max_length": 380,
    "tokens.over_length": "keep_reply",
    "model.quantization": "none",
    "model.double_quant": False,
    "model.dtype": "bfloat16",
    "model.attention": "eager",
    "lora.method": "rslora",
    "lora.rank": 4,
    "lora.alpha": 8,
    "lora.dropout": 0.1,
    "lora.targets": ["attention"],
    "lora.virtual_tokens": 8,
    "training.start": "champion",
    "training.replay": 0.5,
    "training.epochs": 2.0,
    "training.max_steps": 7,
    "training.learning_rate": 0.003,
    "training.schedule": "linear",
    "training.warmup": 0.1,
    "training.weight_decay": 0.1,
    "training.clip": 0.5,
    "training.batch_tokens": 2048,
    "training.batch_rows": 4,
    "training.accumulation": 2,
    "training.micro_tokens": 1024,
    "training.seed": 1,
    "training.validation": 0.1,
    "training.validation_steps": 4,
    "training.patience": 2,
    "training.checkpoint_steps": 4,
    "training.checkpoint_minutes": 5.0,
    "training.gradient_checkpointing": True,
    "training.timeout_minutes": 100,
    "sweep.trials": 3,
    "worth.min_new_rows": 1,
    "worth.min_new_share": 0.01,
    "worth.max_days": 1,
    "worth.min_drift": 0.01,
    "worth.max_trainings": 1000,
    "evaluation.batch_tokens": 4096,
    "evaluation.generated": 3,
    "evaluation.replies": 1,
    "evaluation.max_new_tokens": 10,
    "evaluation.golden": "GOLDEN",
    "evaluation.earlier_rows": 100,
    "evaluation.merge_rows": 3,
    "evaluation.max_merge_difference": 0.04,
    "evaluation.min_merge_match": 0.9,
    "gate.mode": "never",
    "gate.min_gain": 0.02,
    "gate.confidence": 0.9,
    "gate.max_slice_loss": 0.2,
    "gate.max_general_loss": 0.5,
    "gate.min_golden": 0.1,
    "registry.name": "another-assistant",
    "registry.experiment": "another",
    "registry.licence": "apache-2.0",
    "retention.keep_runs": 5,
}
BESIDE: dict[str, tuple[str, Any]] = {
    "training.validation_steps": ("training.validation", 0.1),
    "training.patience": ("training.validation", 0.1),
    "training.replay": ("training.start", "champion"),
    "gate.min_golden": ("evaluation.golden", "GOLDEN"),
}  # what a setting means nothing without
GOLDEN = "- {id: speaks, question: My notes do not sync., must_match: [.]}\n"


@dataclass(frozen=True)
class Change:
    """One row of the table: the settings that it asks for, and what is done before and undone after."""

    name: str
    settings: Any
    around: Callable[[], Any]


@contextmanager
def nothing() -> Iterator[None]:
    """Change nothing but the settings."""
    yield


def changes_of_settings(plain: Any, place: Path) -> Iterator[Change]:
    """Change one setting at a time."""
    from tasks.core.settings import Settings

    golden = place / "golden.yaml"
    golden.write_text(GOLDEN)
    for name, value in SETTINGS.items():
        told = plain.model_dump(mode="json")
        for one, given in (BESIDE.get(name, (name, value)), (name, value)):
            section, field = one.split(".")
            told[section][field] = str(golden) if given == "GOLDEN" else given
        yield Change(name, Settings.model_validate(told), nothing)


def changes_of_logs(plain: Any, place: Path) -> Iterator[Change]:
    """Rename, reorder, edit, divide, pack, leave out and add to the logs."""
    from journeys import SAMPLE

    one, other = (Path(path) for path in plain.logs.paths)
    lines = other.read_bytes().splitlines(keepends=True)
    row = json.loads(lines[0])
    row["reply"] += " Please write to us again if that does not help."
    more = (SAMPLE / "2026-09.jsonl").read_bytes().splitlines(keepends=True)

    def spaced(line: bytes) -> bytes:
        if not line.startswith(b'{"') or not line.rstrip().endswith(b"}"):  # a planted fault
            return line
        try:
            row = json.loads(line)
        except ValueError:
            return line
        return json.dumps({**row, "unused": 1}).encode() + b"\n"

    otherwise = b"".join(map(spaced, lines))

    def written(name: str, data: bytes) -> Path:
        path = place / name
        path.write_bytes(data)
        return path

    told = {
        "nothing": (one, other),
        "renamed": (one, written("renamed.jsonl", other.read_bytes())),
        "the other order": (other, one),
        "the same file twice": (one, other, written("copy.jsonl", other.read_bytes())),
        "an edited row": (
            one,
            written("edited.jsonl", b"".join([json.dumps(row).encode() + b"\n", *lines[1:]])),
        ),
        "a row less": (one, written("less.jsonl", b"".join(lines[1:]))),
        "rows in another order": (one, written("turned.jsonl", b"".join(reversed(lines)))),
        "rows that came": (one, written("more.jsonl", b"".join([*lines, *more[:20]]))),
        "a new file": (one, other, written("new.jsonl", b"".join(more[:80]))),
        "a file less": (one, written("empty-less.jsonl", b"".join(lines[:60]))),
        "the same rows written otherwise": (one, written("spaced.jsonl", otherwise)),
        "a new file of repeats": (one, other, written("repeats.jsonl", b"".join(lines[:40]))),
        "a packed file": (one, written("packed.jsonl.gz", gzip.compress(other.read_bytes(), mtime=0))),
    }
    for name, paths in told.items():
        logs = plain.logs.model_copy(update={"paths": tuple(map(str, paths))})
        yield Change(f"logs: {name}", plain.model_copy(update={"logs": logs}), nothing)


def changes_of_the_store(plain: Any, paths: dict[str, str]) -> Iterator[Change]:
    """Delete and damage the artifacts of the first run, step by step, and lose them all."""
    store = plain.workspace / "store"

    @contextmanager
    def deleted(folder: Path) -> Iterator[None]:
        shutil.rmtree(folder)
        yield

    @contextmanager
    def damaged(folder: Path) -> Iterator[None]:
        victim = max((one for one in folder.rglob("*") if one.is_file()), key=lambda one: one.stat().st_size)
        data = bytearray(victim.read_bytes())
        data[len(data) // 2] ^= 1
        victim.write_bytes(data)
        yield

    for step, path in paths.items():
        folder = plain.workspace / path
        yield Change(f"deleted: {step}", plain, lambda folder=folder: deleted(folder))
        yield Change(f"damaged: {step}", plain, lambda folder=folder: damaged(folder))
    yield Change("deleted: all", plain, lambda: deleted(store))


def changes_of_code(plain: Any, steps: list[str]) -> Iterator[Change]:
    """Take the code of one step, and the version of one library, for another."""
    from importlib import import_module

    from tasks.core.store import keys

    code, versions = keys.code_digest, keys.versions_of
    libraries = {
        library
        for step in steps
        for one in vars(import_module(f"tasks.{step}")).values()
        if getattr(one, "lid", None)
        for library in one.lid.libraries
    }

    @contextmanager
    def other_code(step: str) -> Iterator[None]:
        def digest(*modules: str) -> str:
            return code(*modules)[:-1] + "x" if f"tasks.{step}" in modules else code(*modules)

        with (
            patch("tasks.step_identity.code_digest", digest),
            patch("tasks.foresight.code_digest", digest),
            patch("tasks.novelty.code_digest", digest),
        ):
            yield

    @contextmanager
    def other_version(library: str) -> Iterator[None]:
        def of(libraries: Any) -> dict[str, str]:
            return {
                name: f"{one}{'.x' if name == library else ''}" for name, one in versions(libraries).items()
            }

        places = ("core.store.keys", "step_identity", "foresight", "novelty")
        with ExitStack() as patched:
            for place in places:
                patched.enter_context(patch(f"tasks.{place}.versions_of", of))
            yield

    for step in steps:
        yield Change(f"code: {step}", plain, lambda step=step: other_code(step))
    for library in sorted(libraries):
        yield Change(f"version: {library}", plain, lambda library=library: other_version(library))


def go_through(change: Change) -> dict[str, Any]:
    """Plan, plan exactly, run, and compare."""
    from journeys import run_here

    from flows.planning import plan_run
    from tasks.core.errors import FreshtuneError

    with change.around():
        began = time.monotonic()
        quick = plan_run(change.settings)
        between = time.monotonic()
        try:
            exact = plan_run(change.settings, exact=True)
        except FreshtuneError as error:
            return {"change": change.name, **stopped(error, change)}
        ended = time.monotonic()
        outcome, followed = run_here(change.settings)
    happened = Counter((step.name, step.cached) for step in followed.steps)
    return {
        "change": change.name,
        "ended": outcome["status"],
        "from the store": sum(count for (_, cached), count in happened.items() if cached),
        "ran": sum(count for (_, cached), count in happened.items() if not cached),
        "plan": {**compared(quick, happened), "seconds": round(between - began, 2)},
        "exact plan": {**compared(exact, happened), "seconds": round(ended - between, 2)},
    }


def stopped(foreseen: Exception, change: Change) -> dict[str, Any]:
    """Hold the error that an exact plan foresees against that of the run."""
    from journeys import run_here

    from tasks.core.errors import FreshtuneError

    try:
        outcome, _ = run_here(change.settings)
    except FreshtuneError as error:
        return {"ended": type(error).__name__, "foreseen": str(error) in str(foreseen)}
    return {"ended": outcome["status"], "foreseen": False, "wrongly": str(foreseen)}


def compared(planned: dict[str, Any], happened: Counter[tuple[str, bool]]) -> dict[str, Any]:
    """Say how many steps a plan foresaw rightly, which wrongly, and which it left open."""
    left = Counter(one["name"] for one in planned["parts"] if one["fate"] == "perhaps")
    surely = Counter(
        (one["name"], one["fate"] == "cached") for one in planned["parts"] if one["fate"] != "perhaps"
    )
    rest = happened - surely
    wrong = surely - happened
    missed = Counter(name for name, _ in rest.elements()) - left
    return {
        "right": (surely & happened).total(),
        "open": dict(left),
        "wrong": [f"{name} {'from the store' if cached else 'runs'}" for name, cached in wrong.elements()],
        "missed": dict(missed),
    }


def main(words: list[str]) -> None:
    """Go through the table."""
    from flows.environment import prepare
    from flows.own_server import start_own_server

    place = Path(tempfile.mkdtemp(prefix="freshtune-truth-"))
    prepare(place / "ws")
    start_own_server(place / "ws")
    from journeys import run_here, small_logs, small_settings

    plain = small_settings(place / "ws", *small_logs(place / "logs"))

    def paths() -> dict[str, str]:
        """Give the artifacts of the plain run as they are now: others may have become champion."""
        _, followed = run_here(plain)
        return {one.path.split("/")[1]: "/".join(one.path.split("/")[:3]) for one in followed.receipts}

    def table() -> Iterator[Change]:
        paths()
        yield from changes_of_logs(plain, place)
        yield from changes_of_settings(plain, place)
        yield from changes_of_the_store(plain, paths())
        yield from changes_of_code(plain, list(paths()))

    found = []
    for change in table():
        if words and not any(word in change.name for word in words):
            continue
        row = go_through(change)
        found.append(row)
        print(json.dumps(row), flush=True)
    shutil.rmtree(place, ignore_errors=True)
    foretold = [row for row in found if "plan" in row]
    for plan in ("plan", "exact plan"):
        wrong = [row["change"] for row in foretold if row[plan]["wrong"] or row[plan]["missed"]]
        left = [row["change"] for row in foretold if row[plan]["open"]]
        print(
            f"{plan}: {len(found)} changes, wrong in {len(wrong)} {wrong}, something left open in {len(left)}"
        )
    if not words:
        from deployments.bench.machine import machine

        TARGET.write_text(json.dumps({"machine": machine(), "rows": found}, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
