"""The comparison with llama.cpp: the same ids for fixed texts, and the same greedy answers as the registered model.

The registered model computes in 32 bit, the file may hold 16: where the model itself sees two next tokens nearly alike, either
is right.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.core.errors import ModelError
from tasks.core.export.llama_cpp_child import Reading, read_with_llama_cpp
from tasks.core.model.merge_proof import load_merged
from tasks.core.tokens.prompts import encode, render_prompt

QUESTIONS = (
    "What can you help me with?",
    "How do I reset the printer? It still blinks.",
    "Wie ändere ich mein Passwort?",
    "The app says error 4042 since version 3.1; what's wrong?",
)
TEXTS = (
    "a",
    " two  spaces,   three",
    "line one\nline two\n\nline four\r\nwith a return\n",
    "\ttabs\tand a trailing space ",
    "I'm sure you'll say it's DON'T or can't; we've, they'd.",
    "12345 and 3.14, 2026-11-26, +49 30 901820, 1,000,000 €",
    "Größe, façade, naïve, Œuvre, ßẞ",
    "Привет, мир! Γειά σου. مرحبا שלום",
    "你好，世界。こんにちは 안녕하세요",
    "🙂 👩‍👩‍👧 ☎️ ✓ … – “quoted” ‘so’",
    "def f(x):\n    return x[0] != {'a': 1}  # -> ==",
    "https://example.org/a?b=c&d=%20 <EMAIL_1> [INST] ### Response:",
    "-------- ====== ......... ________ !!!???",
)
MOST = 24  # tokens of an answer
NEARLY_ALIKE = 0.03  # of the spread of all logits; rounding weights to 16 bit moves one by up to 0.007 of it


@dataclass(frozen=True)
class Comparison:
    """How many texts have the same ids, how many answers are the same, and how many part where two tokens are nearly alike."""

    texts: int
    answers: int
    ties: int


def compare_with_llama_cpp(file: Path, folder: Path, tokenizer: Any, context: int) -> Comparison:
    """Compare what llama.cpp makes of a file with the merged model in `folder`; `context` is how many tokens the file promises.

    A prompt that leaves no room for an answer is not answered. Raises `ModelError` when ids or answers differ.
    """
    rendered = [render_prompt(tokenizer, question) for question in QUESTIONS]
    prompts = [ids for ids in (encode(tokenizer, text) for text in rendered) if len(ids) + MOST <= context]
    texts = [*TEXTS, *rendered]
    try:
        reading = read_with_llama_cpp(file, texts, prompts, end=tokenizer.eos_token_id, most=MOST)
    except (ChildProcessError, TimeoutError) as error:
        raise ModelError(
            f"llama.cpp does not read the file that was written ({error}).",
            cure="See that it has memory enough for the model; if it has, report this as a bug.",
        ) from error
    _insist_on_ids(tokenizer, texts, reading)
    ties = _insist_on_answers(load_merged(folder), tokenizer, prompts, reading.replies) if prompts else 0
    return Comparison(len(texts), len(prompts) - ties, ties)


def _insist_on_ids(tokenizer: Any, texts: Sequence[str], reading: Reading) -> None:
    for place, text in enumerate(texts):
        ours = [encode(tokenizer, text), list(tokenizer(text)["input_ids"])]
        if ours != [reading.bare[place], reading.framed[place]]:
            raise ModelError(
                f"llama.cpp cuts the fixed text {place} into other tokens than the registered tokenizer.",
                cure="Export it as a folder (--what merged), and report this as a bug.",
            )


def _insist_on_answers(
    model: Any, tokenizer: Any, prompts: Sequence[Sequence[int]], replies: Sequence[Sequence[int]]
) -> int:
    """Give how many answers part at a tie. Raises `ModelError` for one that parts elsewhere."""
    ties = 0
    for place, (prompt, theirs) in enumerate(zip(prompts, replies, strict=True)):
        ours = _greedy(model, tokenizer, prompt)
        if ours == list(theirs):
            continue
        gap = _gap(model, prompt, ours, theirs)
        if gap > NEARLY_ALIKE:
            raise ModelError(
                f"llama.cpp answers the fixed question {place} otherwise than the registered model, whose logits of "
                f"the two next tokens are {gap:.2f} of their spread apart.",
                cure="Try --type f32; if that differs too, report this as a bug.",
            )
        ties += 1
    return ties


def _greedy(model: Any, tokenizer: Any, prompt: Sequence[int]) -> list[int]:
    """Answer by the logits alone: penalties of a generation configuration are in no weight."""
    import torch

    reply: list[int] = []
    fresh, kept = torch.tensor([list(prompt)], device=model.device), None
    with torch.inference_mode():
        while len(reply) < MOST and tokenizer.eos_token_id not in reply:
            told = model(input_ids=fresh, past_key_values=kept, use_cache=True)
            fresh, kept = told.logits[:, -1].argmax(-1, keepdim=True), told.past_key_values
            reply.append(int(fresh))
    return reply


def _gap(model: Any, prompt: Sequence[int], ours: Sequence[int], theirs: Sequence[int]) -> float:
    """Give how far apart the model's own logits of the first two tokens are that differ, in standard deviations of all."""
    import torch

    pairs = zip(ours, theirs, strict=False)
    place = next((at for at, (left, right) in enumerate(pairs) if left != right), None)
    if place is None:  # one ends where the other goes on
        return float("inf")
    ids = torch.tensor([[*prompt, *ours[:place]]], device=model.device)
    with torch.inference_mode():
        logits = model(input_ids=ids).logits[0, -1].float()
    return float((logits[ours[place]] - logits[theirs[place]]) / logits.std())
