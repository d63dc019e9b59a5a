"""Rendering and encoding: the one place that asks a tokenizer, in bounded time and adding nothing."""

import ctypes
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from tasks.core.errors import ModelError

SECONDS = 2.0
PER_TURN = 0.002  # seconds; forty times what a turn takes on a busy machine
SURPLUS = 65536  # characters that a template may write around a conversation, and a sixteenth for every turn
FEW = 8  # texts; for fewer, the tokenizer's own call is as quick as its backend's

Message = Mapping[str, str]


def render(tokenizer: Any, conversations: Sequence[Sequence[Message]], *, prompt: bool) -> list[str]:
    """Render conversations with the tokenizer's template in transformers' sandbox; `prompt` opens the reply's turn.

    Raises `ModelError`, without a word of the conversation, when the template fails, takes more than two seconds of CPU
    and 2 ms a turn, or writes more than 64 KiB around a conversation.
    """
    if not conversations:
        return []
    turns = sum(map(len, conversations))
    try:
        with within(SECONDS + PER_TURN * turns):
            texts: list[str] = tokenizer.apply_chat_template(
                list(conversations), tokenize=False, add_generation_prompt=prompt
            )
    except _failures() as error:
        raise ModelError(
            f"The chat template cannot render {_shape(conversations)} ({type(error).__name__}).",
            cure="Set format.template=instruction.",
        ) from None
    for text, messages in zip(texts, conversations, strict=True):
        _insist_on_size(len(text), messages)
    return texts


def encode_all(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """Turn texts into token ids, adding nothing: the template has said it all.

    Many texts go to the tokenizer's backend in one call, without the masks and offsets that nobody reads: about
    a sixth of the time is saved.
    """
    backend: Any = getattr(tokenizer, "backend_tokenizer", None)
    if len(texts) < FEW or not hasattr(backend, "encode_batch_fast"):
        return [list(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]) for text in texts]
    tokenizer("", add_special_tokens=False)  # leaves the backend without truncation and padding
    return [one.ids for one in backend.encode_batch_fast(list(texts), add_special_tokens=False)]


def decode_all(tokenizer: Any, rows: Sequence[Sequence[int]]) -> list[str]:
    """Turn token ids into text, control tokens included, with the spaces that the tokens have and no others."""
    backend: Any = getattr(tokenizer, "backend_tokenizer", None)
    if hasattr(backend, "decode_batch"):
        return list(backend.decode_batch([list(row) for row in rows], skip_special_tokens=False))
    return [str(tokenizer.decode(row, clean_up_tokenization_spaces=False)) for row in rows]


def token_starts(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """Give the characters at which the tokens of each text begin; spread evenly where a tokenizer cannot say."""
    backend: Any = getattr(tokenizer, "backend_tokenizer", None)
    if hasattr(backend, "encode_batch"):
        tokenizer("", add_special_tokens=False)
        encoded = backend.encode_batch(list(texts), add_special_tokens=False)
        return [[start for start, _ in one.offsets] for one in encoded]
    counts = map(len, encode_all(tokenizer, texts))
    return [
        [place * len(text) // count for place in range(count)]
        for text, count in zip(texts, counts, strict=True)
    ]


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise `TimeoutError` in this thread when the body takes more CPU, also inside an endless loop of a template."""
    thread, begun = threading.get_ident(), time.process_time()
    lock, ended = threading.Lock(), threading.Event()

    def watch() -> None:
        left = seconds
        while left > 0:
            if ended.wait(left):
                return
            left = seconds - (time.process_time() - begun)
        with lock:
            if not ended.is_set():
                late = ctypes.py_object(TimeoutError)
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), late)

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        with lock:
            ended.set()  # what the watcher has raised comes to light with this call, at the latest


def _failures() -> tuple[type[Exception], ...]:
    """Name what a template can raise: anything that an expression can."""
    from jinja2 import TemplateError

    return (
        TemplateError,
        ArithmeticError,
        AttributeError,
        LookupError,
        MemoryError,
        RuntimeError,
        TimeoutError,
        TypeError,
        ValueError,
    )


def _insist_on_size(characters: int, messages: Sequence[Message]) -> None:
    own = characters - sum(len(message["content"]) for message in messages)
    if own > SURPLUS + SURPLUS // 16 * len(messages):
        raise ModelError(
            f"The chat template writes {own:,} characters around a conversation.",
            cure="Set format.template=instruction, or choose another base.",
        )


def _shape(conversations: Sequence[Sequence[Message]]) -> str:
    longest = max(map(len, conversations))
    return "a question" if longest == 1 else f"a conversation of up to {longest} turns"
