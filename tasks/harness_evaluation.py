"""Harness evaluation: one model asked tasks of lm-eval, for figures that other people know."""

import json
from typing import Literal

from tasks.core.judging.harness import ask_tasks
from tasks.core.model.as_trained import load_as_trained
from tasks.core.model.loading import load_tokenizer
from tasks.core.receipts import Adapter, BaseModel, HarnessScores, HarnessTasks, TokenRows
from tasks.core.settings import ModelSettings
from tasks.core.store.artifacts import Draft
from tasks.core.tokens.storing import TOKENIZER
from tasks.lid import step

LIBRARIES = ("torch", "transformers", "peft", "bitsandbytes", "datasets", "lm-eval")


@step("harness_evaluation", HarnessScores, libraries=LIBRARIES, tags=("gpu",))
def ask_harness(
    draft: Draft,
    who: Literal["base", "challenger"],
    rows: TokenRows,
    base: BaseModel,
    adapter: Adapter | None,
    model: ModelSettings,
    asked: HarnessTasks,
    limit: int,
) -> HarnessScores:
    """Ask a model every task, quantized as in training; `limit` is the most examples of each, 0 for all."""
    place = draft.workspace
    judged = load_as_trained(base.folder(place), adapter.folder(place) if adapter else None, model)
    tokenizer = load_tokenizer(rows.folder(place) / TOKENIZER)

    figures = ask_tasks(judged, tokenizer, asked, limit, draft.work / "datasets")

    (draft.folder / "figures.json").write_text(json.dumps(figures, indent=1, sort_keys=True))
    return draft.seal(HarnessScores, who=who, metrics=figures)
