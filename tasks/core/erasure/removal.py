"""Removal: what goes when somebody is forgotten, in an order in which a removal that was cut off can be gone on with."""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tasks.core.erasure.contents import quoted, text_tables
from tasks.core.erasure.evidence import Evidence, is_of
from tasks.core.erasure.lineage import WAY, artifacts, holding
from tasks.core.erasure.searching import Hits, files_of
from tasks.core.errors import ServiceError
from tasks.core.store.artifacts import locked
from tasks.core.store.fixed_rows import keep_fixed
from tasks.core.store.run_files import PRIVATE, RECEIPTS
from tasks.core.store.syncing import write_whole

REPLACED = "forgotten"
WORDS = (".json", ".txt", ".html", ".yaml")  # files of words, in which an id can be replaced
RUN_PLAN = "plan.json"


@dataclass(frozen=True)
class Plan:
    """What goes, in this order: what was left over, texts of runs, artifacts; then what is only rewritten."""

    leftovers: tuple[Path, ...]
    run_texts: tuple[Path, ...]
    artifacts: tuple[Path, ...]
    rewritten: tuple[Path, ...]
    databases: tuple[Path, ...]

    @property
    def removed(self) -> tuple[Path, ...]:
        """Give the files and folders that go."""
        return (*self.leftovers, *self.run_texts, *self.artifacts)


def plan_removal(workspace: Path, hits: Hits) -> Plan:
    """Say what must go so that none of the `hits` is left: artifacts with all that can hold text of what was made from them.

    A file that is damaged goes too where it can be built again. A hit that belongs to nothing here stays, and is told by
    the search afterwards.
    """
    doomed = holding(artifacts(workspace), hits.paths)
    later_first = sorted(doomed, key=lambda folder: (-WAY.index(folder.parent.name), folder.name))
    runs = [path for path in hits.paths if path.is_relative_to(workspace / "runs")]
    texts = tuple(sorted(_run_texts(workspace, doomed, runs)))
    rewritten = [path for path in hits.files if _is_of_words(path, workspace) and not _within(path, texts)]
    return Plan(
        leftovers=tuple(sorted(_leftovers(workspace, doomed, hits))),
        run_texts=texts,
        artifacts=tuple(later_first),
        rewritten=tuple(sorted(rewritten)),
        databases=tuple(sorted({database for path in hits.files if (database := _database_of(path))})),
    )


def size_of(plan: Plan) -> int:
    """Give the bytes of what goes."""
    return sum(
        file.stat().st_size
        for path in plan.removed
        for file in (files_of(path) if path.is_dir() else (path,))
    )


def remove(workspace: Path, plan: Plan, found: Evidence, hits: Hits) -> None:
    """Remove what is planned, early steps of a log's way last; what lies outside the store is done before them.

    Raises `ServiceError` when a database is in use.
    """
    keep_fixed(workspace, lambda row: not is_of(row, found))
    for path in (*plan.leftovers, *plan.run_texts):
        _drop(path)
    for path in plan.rewritten:
        _rewrite(path, hits.files[path])
    for path in plan.databases:
        _clear(
            path,
            {needle for one, found in hits.files.items() if _database_of(one) == path for needle in found},
        )
    for folder in plan.artifacts:
        with locked(workspace, folder.parent.name, folder.name):
            _drop(folder)


def _run_texts(workspace: Path, doomed: set[Path], hits: list[Path]) -> Iterator[Path]:
    """Give the private files of the runs that used what goes, or of which nobody can tell what they used."""
    gone = {folder.relative_to(workspace).as_posix() for folder in doomed}
    for run in sorted((workspace / "runs").glob("*")):
        try:
            used = {one["path"] for one in json.loads((run / RECEIPTS).read_bytes())}
        except (FileNotFoundError, ValueError):  # killed before its end
            used = gone
        if used & gone or _within_any(run, hits):
            yield from (run / name for name in PRIVATE if (run / name).exists())
            yield from run.glob("*.writing")


def _leftovers(workspace: Path, doomed: set[Path], hits: Hits) -> Iterator[Path]:
    """Give what runs that were killed left behind, and what was set aside: as far as it holds something, or may."""
    if hits.paths:
        yield from (workspace / "drafts").glob("*")
    for folder in (workspace / "work").glob("*/*"):
        plan = folder / RUN_PLAN
        trains_on_it = plan.exists() and any(f"/{one.name}/" in plan.read_text("utf-8") for one in doomed)
        if trains_on_it or _within_any(folder, hits.paths):
            yield folder
    yield from (one for one in (workspace / "damaged").glob("*") if _within_any(one, hits.paths))
    messages = [*(workspace / "logs").glob("bug-*.txt"), workspace / "prefect" / "server.log"]
    messages += (workspace / "services").glob("*.log*")
    yield from (path for path in messages if path in hits.files)
    yield from (path for path in hits.files if path.name.endswith(".writing"))


def _within_any(folder: Path, paths: list[Path]) -> bool:
    return any(path.is_relative_to(folder) for path in paths)


def _within(path: Path, folders: tuple[Path, ...]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)


def _is_of_words(path: Path, workspace: Path) -> bool:
    """Say whether a file is a run's own, or of the report that it sent to the workspace's MLflow."""
    place = path.relative_to(workspace)
    return path.suffix in WORDS and (
        place.parts[0] == "runs" or (place.parts[0] == "mlflow" and path.parent.name == "report")
    )


def _database_of(path: Path) -> Path | None:
    """Give the database that a file is, or whose newest pages it holds."""
    whole = path.with_name(path.name.removesuffix("-wal"))
    return whole if whole.suffix == ".db" else None


def _drop(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _rewrite(path: Path, needles: set[bytes]) -> None:
    """Replace what was found in a file of words."""
    data = path.read_bytes()
    for needle in _replaceable(needles):
        data = data.replace(needle, REPLACED.encode())
    write_whole(path, data.decode("utf-8"))


def _clear(path: Path, needles: set[bytes]) -> None:
    """Replace what was found in the texts of a database, and give back its free pages, which hold what was replaced."""
    try:
        with closing(sqlite3.connect(path, timeout=10)) as database:
            for table in text_tables(database):
                for column in _text_columns(database, table):
                    for needle in _replaceable(needles):
                        _replace(database, table, column, needle.decode("utf-8"))
            database.commit()
            database.execute("VACUUM")
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.OperationalError as error:
        raise ServiceError(
            f"{path} is in use ({error.sqlite_errorname}).",
            cure="Stop the servers that use this workspace, and say this again.",
        ) from None


def _text_columns(database: sqlite3.Connection, table: str) -> list[str]:
    columns = database.execute(f"PRAGMA table_info({quoted(table)})").fetchall()
    return [
        name for _, name, kind, *_ in columns if not any(word in kind.upper() for word in ("INT", "REAL"))
    ]


def _replace(database: sqlite3.Connection, table: str, column: str, text: str) -> None:
    place, name = quoted(table), quoted(column)
    database.execute(
        f"UPDATE {place} SET {name} = replace({name}, ?, ?) "  # noqa: S608 - the database's own names
        f"WHERE typeof({name}) = 'text' AND instr({name}, ?)",
        (text, REPLACED, text),
    )


def _replaceable(needles: set[bytes]) -> list[bytes]:
    """Give what can be replaced without breaking what is around it, the longest first."""
    return sorted((one for one in needles if b'"' not in one), key=lambda one: (-len(one), one))
