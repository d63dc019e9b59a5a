"""Evaluation: one model scored on the held-out rows, by the same code for base, challenger and champion."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from expectations.suites import build_suite
from tasks.core.errors import ModelError
from tasks.core.judging.general_text import GENERAL, general_figures, passage_rows
from tasks.core.judging.generation import Reply, answer_all
from tasks.core.judging.golden_cases import GOLDEN, CaseResult, golden_figures, judge_cases, write_results
from tasks.core.judging.metrics import summarize
from tasks.core.judging.reply_figures import reply_figures
from tasks.core.judging.scoring import SCORES, RowScore, score_rows, write_scores
from tasks.core.model.as_trained import load_as_trained
from tasks.core.model.devices import release_memory
from tasks.core.model.loading import load_tokenizer
from tasks.core.normalizing.normalization import has_marker
from tasks.core.privacy.redaction import personal_data_left
from tasks.core.quality.checking import check_rows
from tasks.core.receipts import (
    Adapter,
    BaseModel,
    Evaluation,
    GeneralText,
    GoldenCase,
    GoldenCases,
    SuiteText,
    TokenRows,
)
from tasks.core.settings import EvaluationSettings, ModelSettings
from tasks.core.store.artifacts import Draft
from tasks.core.store.rows import write_rows
from tasks.core.tokens.asking import prompt_ids
from tasks.core.tokens.prompts import question_of
from tasks.core.tokens.storing import HELD_OUT, TOKENIZER, TokenRow, load_token_rows
from tasks.lid import step

REPLIES = "replies.jsonl"
LIBRARIES = ("torch", "transformers", "peft", "bitsandbytes", "sacrebleu", "rapidfuzz", "google-re2")


@step("evaluation", Evaluation, libraries=LIBRARIES, tags=("gpu",))
def evaluate_model(
    draft: Draft,
    who: Literal["base", "challenger", "champion"],
    rows: TokenRows,
    base: BaseModel,
    adapter: Adapter | None,
    model: ModelSettings,
    evaluation: EvaluationSettings,
    suite: SuiteText,
    golden: GoldenCases,
    general: GeneralText,
) -> Evaluation:
    """Score every held-out row, quantized as in training, and general text; answer some questions and all golden ones."""
    data = rows.folder(draft.workspace)
    held_out, tokenizer = load_token_rows(data / HELD_OUT), load_tokenizer(data / TOKENIZER)
    place = draft.workspace
    judged = load_as_trained(base.folder(place), adapter.folder(place) if adapter else None, model)

    scores = score_rows(judged, held_out, evaluation.batch_tokens, tokenizer.pad_token_id)
    passages = passage_rows(tokenizer, general.passages, _room(judged))
    prose = score_rows(judged, passages, evaluation.batch_tokens, tokenizer.pad_token_id)
    asked = _chosen(held_out, max(evaluation.generated, evaluation.replies))
    replies = _answers(judged, tokenizer, asked, evaluation)
    results = _results(judged, tokenizer, golden.cases, evaluation)
    del judged
    release_memory()  # for the next one's
    quality = _check(who, scores, replies, len(held_out), suite)

    write_scores(draft.folder / SCORES, scores)
    write_scores(draft.folder / GENERAL, prose)
    write_rows(draft.folder / REPLIES, replies)
    write_results(draft.folder / GOLDEN, results)
    (draft.folder / "quality.json").write_text(json.dumps(quality, indent=1))
    metrics = summarize(scores) | general_figures(prose) | golden_figures(results)
    if replies:
        said = [Reply(reply["reply"], reply["stopped"]) for reply in replies]
        metrics |= reply_figures(said, [reply["reference"] for reply in replies])
    return draft.seal(Evaluation, who=who, metrics=metrics)


def _room(model: Any) -> int | None:
    """Give the most tokens that a model has positions for; None where it does not say."""
    return getattr(model.config, "max_position_embeddings", None)


def _check(
    who: str, scores: list[RowScore], replies: list[dict[str, Any]], expected: int, suite: SuiteText
) -> dict[str, Any]:
    """Insist that every held-out row has a finite score: a gate that compares holes tells nothing."""
    written = {reply["row_id"]: reply for reply in replies}
    traits = [
        {
            "row_id": score.row_id,
            "loss": score.loss_sum / max(score.tokens, 1),
            "tokens": score.tokens,
            **_traits_of(written.get(score.row_id)),
        }
        for score in scores
    ]
    result = check_rows(traits, build_suite(suite.text))
    broken = result.failed("critical")
    if broken or len(scores) != expected:
        rules = ", ".join(check.expectation for check in broken) or "row was scored"
        raise ModelError(
            f"The {who} breaks {rules}: {len(result.failing('critical'))} of {expected} held-out rows have no valid score.",
            cure="Set model.dtype=float32, or look for broken weights with `freshtune doctor`.",
        )
    return result.to_json()


def _traits_of(reply: Mapping[str, Any] | None) -> dict[str, Any]:
    """Derive what the suite asks of a reply; a row that was only scored has none."""
    if reply is None:
        return dict.fromkeys(("reply_chars", "has_marker", "has_personal_data", "stopped"))
    text = reply["reply"]
    return {
        "reply_chars": len(text),
        "has_marker": has_marker(text),
        "has_personal_data": personal_data_left(text),
        "stopped": reply["stopped"],
    }


def _chosen(rows: list[TokenRow], count: int) -> list[TokenRow]:
    """Take the first `count` held-out rows by id: ids are hashes, so this is a fixed draw from all of them."""
    return sorted(rows, key=lambda row: row.row_id)[:count]


def _answers(
    model: Any, tokenizer: Any, rows: list[TokenRow], evaluation: EvaluationSettings
) -> list[dict[str, Any]]:
    prompts = [row.ids[: row.prompt_length] for row in rows]
    said = answer_all(model, tokenizer, prompts, evaluation.max_new_tokens, evaluation.batch_tokens)
    return [
        {
            "row_id": row.row_id,
            "question": question_of(tokenizer, tokenizer.decode(prompt)),
            "reference": tokenizer.decode(row.ids[row.prompt_length :], skip_special_tokens=True).strip(),
            "reply": reply.text,
            "stopped": reply.stopped,
        }
        for row, prompt, reply in zip(rows, prompts, said, strict=True)
    ]


def _results(
    model: Any, tokenizer: Any, cases: Sequence[GoldenCase], evaluation: EvaluationSettings
) -> list[CaseResult]:
    """Let a model answer the golden cases, and hold its replies against their assertions."""
    room, prompts = _room(model), []
    for case in cases:
        try:
            prompts.append(prompt_ids(tokenizer, case.question))
        except ValueError as error:
            raise ModelError(
                f"The question of golden case {case.id} {error}.", cure="Ask it otherwise, in words."
            ) from error
        if room and len(prompts[-1]) + evaluation.max_new_tokens > room:
            raise ModelError(
                f"Golden case {case.id} has {len(prompts[-1]):,} tokens; with evaluation.max_new_tokens "
                f"({evaluation.max_new_tokens:,}) that is more than the {room:,} of this base.",
                cure="Shorten its question, or lower evaluation.max_new_tokens.",
            )
    return judge_cases(
        cases, answer_all(model, tokenizer, prompts, evaluation.max_new_tokens, evaluation.batch_tokens)
    )
