"""What llama.cpp makes of a GGUF file: token ids and greedy replies, in a process of its own.

It ends its process where a file is not what it expects. The child is this file run as a script; it imports nothing of ours.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE = 3600  # seconds; seven billion weights on two cores take minutes
IN_32_BIT = 0  # how llama.cpp numbers the type of what it keeps of earlier tokens


@dataclass(frozen=True)
class Reading:
    """The ids of texts, as they are and with what the tokenizer adds, and the ids of replies to prompts."""

    bare: list[list[int]]
    framed: list[list[int]]
    replies: list[list[int]]


def read_with_llama_cpp(
    file: Path, texts: Sequence[str], prompts: Sequence[Sequence[int]], *, end: int, most: int
) -> Reading:
    """Let llama.cpp encode `texts` and answer `prompts`, each until the id `end` or with `most` ids.

    Raises `TimeoutError` or `ChildProcessError` when it does not.
    """
    from tasks.core.store.children import ask_child  # not above: the child is this file too

    request = {"file": str(file), "texts": list(texts), "prompts": [list(one) for one in prompts]}
    answer = ask_child(
        Path(__file__), request | {"end": end, "most": most}, patience=PATIENCE, doing="llama.cpp"
    )
    return Reading(**answer)


def _main() -> None:
    request = json.load(sys.stdin)
    from llama_cpp import Llama

    prompts, most = request["prompts"], request["most"]
    model: Any = Llama(
        model_path=request["file"],
        n_ctx=max(map(len, prompts), default=1) + most,
        vocab_only=not prompts,
        type_k=IN_32_BIT,
        type_v=IN_32_BIT,
        verbose=False,
    )
    texts = [text.encode() for text in request["texts"]]
    reading = {
        "bare": [model.tokenize(text, add_bos=False, special=True) for text in texts],
        "framed": [model.tokenize(text, add_bos=True, special=True) for text in texts],
        "replies": [_reply(model, prompt, request["end"], most) for prompt in prompts],
    }
    print(json.dumps(reading))


def _reply(model: Any, prompt: list[int], end: int, most: int) -> list[int]:
    reply: list[int] = []
    for token in model.generate(prompt, temp=0.0, reset=True):
        reply.append(token)
        if token == end or len(reply) == most:
            break
    return reply


if __name__ == "__main__":
    _main()
