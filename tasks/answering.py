"""Answering: a registered version replies to a part of a file of questions."""

import heapq
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import Any

from tasks.core.errors import ModelError
from tasks.core.judging.generation import Reply, answer_all
from tasks.core.receipts import AnsweredPart, AskedVersion, QuestionPart
from tasks.core.registry.client import open_registry
from tasks.core.registry.lineage import FILES_DIGEST
from tasks.core.registry.versions import known_version
from tasks.core.serving.opening import OpenVersion, chosen_version, open_version
from tasks.core.serving.questions import QUESTIONS, REFUSED, REPLIES, refusal
from tasks.core.store.artifacts import Draft
from tasks.core.store.rows import iterate_rows, read_rows, write_rows
from tasks.lid import step

LIBRARIES = ("torch", "transformers", "peft")


def find_asked(workspace: Path, name: str, model: str) -> AskedVersion:
    """Find the version `model` (a number, or `champion`). Raises `SettingsError` when there is no such version."""
    version = chosen_version(open_registry(workspace), name, model)
    digest = version.tags.get(FILES_DIGEST, "")
    return AskedVersion(name=version.name, number=version.version, files_digest=digest)


@step("answering", AnsweredPart, libraries=LIBRARIES, retries=3, tags=("gpu",))
def answer_part(
    draft: Draft,
    part: QuestionPart,
    version: AskedVersion,
    dtype: str,
    attention: str,
    max_new_tokens: int,
    batch_tokens: int,
) -> AnsweredPart:
    """Answer a part's questions greedily, at most `batch_tokens` at once; what cannot be asked is kept apart with the reason."""
    rows = read_rows(part.folder(draft.workspace) / QUESTIONS)
    known = iterate_rows(part.folder(draft.workspace) / REFUSED)
    opened = _opened(draft.workspace, version, dtype, attention)

    prompts, refused = _prompts(opened, rows, max_new_tokens)
    asked = [row for row in rows if row["line"] in prompts]
    ids = [prompts[row["line"]] for row in asked]
    replies = answer_all(opened.model, opened.tokenizer, ids, max_new_tokens, batch_tokens)

    write_rows(draft.folder / REPLIES, map(_told, asked, replies))
    away = write_rows(draft.folder / REFUSED, heapq.merge(known, refused, key=itemgetter("line")))
    return draft.seal(
        AnsweredPart,
        counts={"in": len(asked) + away, "kept": len(asked), "quarantined": away},
        prompt_tokens=sum(map(len, ids)),
        reply_tokens=sum(reply.tokens for reply in replies),
    )


@lru_cache(maxsize=1)
def _opened(workspace: Path, version: AskedVersion, dtype: str, attention: str) -> OpenVersion:
    """Load a version once for all parts. Raises `ModelError` when it is not the one that was asked any more."""
    client = open_registry(workspace)
    found = known_version(client, version.name, version.number)
    if found.tags.get(FILES_DIGEST, "") != version.files_digest:
        raise ModelError(f"Version {version.number} of {version.name} has changed.", cure="Start again.")
    return open_version(client, found, workspace, dtype=dtype, attention=attention)


def _prompts(
    opened: OpenVersion, rows: list[dict[str, Any]], max_new_tokens: int
) -> tuple[dict[int, list[int]], list[dict[str, Any]]]:
    """Give the prompts by line, and the rows of which none can be made."""
    prompts, refused = dict[int, list[int]](), list[dict[str, Any]]()
    for row in rows:
        try:
            prompts[row["line"]] = opened.prompt(row["question"], leave=max_new_tokens)
        except ValueError as error:
            refused.append(refusal(row["line"], row["id"], f"its question {error}"))
    return prompts, refused


def _told(row: dict[str, Any], reply: Reply) -> dict[str, Any]:
    return {"line": row["line"], "id": row["id"], "reply": reply.text, "finished": reply.stopped}
