"""The evaluation harness: tasks of EleutherAI's lm-eval, asked of a model that is loaded already."""

import json
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from tasks.core.errors import SettingsError
from tasks.core.receipts import HarnessTasks

ROWS = 8  # of a batch
NO_FILTER = "none"


def harness_library() -> Any:
    """Give the package `lm_eval`. Raises `SettingsError` when it is not installed."""
    try:
        return import_module("lm_eval")
    except ImportError as error:
        raise SettingsError(
            "evaluation.harness names tasks, and the package lm-eval is not installed.",
            cure="Run: pip install 'freshtune[lm-eval]', or leave evaluation.harness empty.",
        ) from error


def known_tasks() -> frozenset[str]:
    """Name the tasks, groups and tags that come with the harness; it reads some fourteen thousand files for it."""
    harness_library()
    from lm_eval.tasks import TaskManager

    return frozenset(TaskManager().all_tasks)


def ask_tasks(model: Any, tokenizer: Any, asked: HarnessTasks, limit: int, place: Path) -> dict[str, float]:
    """Ask a model tasks, of each the first `limit` examples (0 is all), and give the figures as `task/metric`.

    Prompts are as the tasks write them, without our template. What is unpacked of local datasets lies in `place`.
    """
    library = harness_library()
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    found = library.simple_evaluate(
        model=HFLM(pretrained=model, tokenizer=tokenizer, batch_size=ROWS),
        tasks=[_in_place(one.document, place) if one.document else one.name for one in asked.tasks],
        task_manager=TaskManager(include_defaults=not all(one.document for one in asked.tasks)),
        limit=limit or None,
        log_samples=False,
        bootstrap_iters=0,
    )
    return figures_of(found["results"])


def figures_of(results: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Give the figures of the harness, `metric,filter` by task, as `task/metric`; what is no number is left out."""
    return {
        f"{task}/{_named(key)}": float(value)
        for task, figures in results.items()
        for key, value in figures.items()
        if "," in key and "_stderr" not in key and isinstance(value, int | float)
    }


def _named(key: str) -> str:
    metric, _, filtered = key.partition(",")
    return metric if filtered == NO_FILTER else f"{metric} ({filtered})"


def _in_place(document: str, place: Path) -> dict[str, Any]:
    task: dict[str, Any] = json.loads(document)
    return task | {"dataset_kwargs": {**task.get("dataset_kwargs", {}), "cache_dir": str(place)}}
