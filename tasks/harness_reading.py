"""Harness reading: the tasks of lm-eval that a run asks, known or whole before anything starts."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from expectations.reading import parse, read_text
from tasks.core.errors import SettingsError
from tasks.core.judging.harness import harness_library, known_tasks
from tasks.core.receipts import HarnessTask, HarnessTasks
from tasks.core.store.digests import digest_file, digest_value

OWN = (".yaml", ".yml")
NEEDED = ("task", "dataset_path", "output_type", "doc_to_text", "doc_to_target")
REFUSED = {
    "include": "includes another file, which may hold code",
    "trust_remote_code": "asks to run code of others",
    "data_dir": "names a folder of data: name its files in dataset_kwargs.data_files, which are looked at for changes",
}


def read_harness(names: Sequence[str]) -> HarnessTasks:
    """Read tasks: names that come with the harness, and YAML files of one's own with the digests of their local data.

    Raises `SettingsError` without the package lm-eval, and for what cannot be asked, with every mistake.
    """
    if not names:
        return HarnessTasks()
    mistakes, found = list[str](), list[HarnessTask]()
    for name in names:
        try:
            found.append(_own_task(Path(name)) if name.endswith(OWN) else HarnessTask(name=name))
        except ValueError as error:
            mistakes.append(str(error))
    _insist_on_none(mistakes)
    harness_library()
    plain = {one.name for one in found if not one.document}
    _insist_on_none([f"lm-eval has no task {one}." for one in sorted(plain - known_tasks())] if plain else [])
    return HarnessTasks(tasks=tuple(found))


def _insist_on_none(mistakes: Sequence[str]) -> None:
    if mistakes:
        raise SettingsError(
            "\n".join(mistakes), cure="Mend evaluation.harness: see `lm-eval ls tasks`, or name a YAML file."
        )


def _own_task(path: Path) -> HarnessTask:
    """Read a task of a user's own; what it says and its local data are in the key, their place is not."""
    task = parse(read_text(path), str(path))
    if not isinstance(task, dict) or not all(isinstance(task.get(name), str) for name in NEEDED[:3]):
        raise ValueError(f"{path} is no task: it needs {', '.join(NEEDED)}.")
    missing = [name for name in NEEDED if name not in task]
    if missing:
        raise ValueError(f"{path} has no {' and no '.join(missing)}.")
    kwargs = task.get("dataset_kwargs") or {}
    for name in {*task, *kwargs} & set(REFUSED):
        raise ValueError(f"{path} {REFUSED[name]}.")
    if "/" in task["dataset_path"] and (path.parent / task["dataset_path"]).exists():
        raise ValueError(
            f"{path} names a folder of data as dataset_path: name its files in dataset_kwargs.data_files."
        )
    files = list(_files_of(kwargs.get("data_files")))
    absent = [one for one in files if not (path.parent / one).is_file()]
    if absent:
        raise ValueError(f"{path} names data that is not there: {', '.join(absent)}.")
    digest = digest_value([task, [digest_file(path.parent / one) for one in files]])
    placed = task | {
        "dataset_kwargs": kwargs
        | ({"data_files": _placed(kwargs["data_files"], path.parent)} if files else {})
    }
    return HarnessTask(name=task["task"], document=json.dumps(placed), digest=digest)


def _files_of(files: Any) -> Iterator[str]:
    """Give the data files of a task, which may be one, some, or some for each split."""
    if isinstance(files, str):
        yield files
    elif isinstance(files, list | dict):
        for one in files.values() if isinstance(files, dict) else files:
            yield from _files_of(one)


def _placed(files: Any, folder: Path) -> Any:
    """Give data files relative to the folder of their task with their whole path."""
    if isinstance(files, str):
        return str((folder / files).absolute())
    if isinstance(files, dict):
        return {name: _placed(one, folder) for name, one in files.items()}
    return [_placed(one, folder) for one in files]
