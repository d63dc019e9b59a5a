"""Chat templates of strangers: tried in a process of their own before they meet a text.

The sandbox keeps a template from Python's internals, but not from looping for ever or from filling the memory. So a
template first renders a few conversations in a child with two seconds of CPU and 256 MiB. The child is this file run
as a script; it imports nothing of ours.
"""

import json
import os
import re
import resource
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

SECONDS = 2.0
MEMORY = 256 << 20
SURPLUS = 65536  # characters that a template may write around a conversation
PATIENCE = 120  # seconds, imports included: they take three, and far longer on a machine that swaps
INTERNALS = re.compile(r"__\w+__")
FOREIGN = re.compile(r"\{%[-+]?\s*(?:include|import|extends|from)\b")
USER, ASSISTANT = {"role": "user", "content": "How?"}, {"role": "assistant", "content": "So."}
CONVERSATIONS: tuple[tuple[list[dict[str, str]], bool], ...] = (
    ([USER], True),
    ([{"role": "user", "content": "How do I reset it?\n" * 2000}], True),
    ([USER, ASSISTANT], False),
    ([USER, ASSISTANT, USER], True),
)

Render = Callable[..., tuple[list[str], Any]]


def refusals(sources: Sequence[str], tokens: Mapping[str, str]) -> list[str]:
    """Say for every template what speaks against it, empty for one that may be used.

    `tokens` are the special tokens that it may write. Raises `TimeoutError` or `ChildProcessError` when the child
    itself fails.
    """
    from tasks.core.store.children import ask_child  # not above: the child is this file too

    request = {"sources": list(sources), "tokens": dict(tokens)}
    found: list[str] = ask_child(Path(__file__), request, patience=PATIENCE, doing="trying a template")
    return found


def _main() -> None:
    request = json.load(sys.stdin)
    from transformers.utils.chat_template_utils import render_jinja_template

    attempts = [_begin(source, request["tokens"], render_jinja_template) for source in request["sources"]]
    print(json.dumps([_verdict(*attempt) for attempt in attempts]))


def _begin(source: str, tokens: Mapping[str, str], render: Render) -> tuple[int, int]:
    """Try a template in a fork, which costs no second import; give its process and where its verdict will be."""
    reader, writer = os.pipe()
    process = os.fork()
    if process:
        os.close(writer)
        return process, reader
    _limit()
    os.write(writer, _objection(source, tokens, render).encode())
    os._exit(0)


def _verdict(process: int, reader: int) -> str:
    with os.fdopen(reader, encoding="utf-8") as file:
        objection = file.read()
    _, status = os.waitpid(process, 0)
    if not os.WIFSIGNALED(status):
        return objection
    if os.WTERMSIG(status) == signal.SIGPROF:
        return f"takes longer than {SECONDS:g} seconds"
    return "brings its process down"


def _limit() -> None:
    """Allow this process two seconds of CPU and 256 MiB more than it has, where the system can tell what it has."""
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    size = Path("/proc/self/statm")
    if size.exists():
        most = int(size.read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE") + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _objection(source: str, tokens: Mapping[str, str], render: Render) -> str:
    if INTERNALS.search(source):
        return "reaches for Python's internals"
    if FOREIGN.search(source):
        return "reads other templates"
    try:
        for place, (messages, prompt) in enumerate(CONVERSATIONS):
            objection = _try(messages, prompt=prompt, source=source, tokens=tokens, render=render)
            if objection and (place < 3 or not objection.startswith("cannot")):
                return objection
    except MemoryError:
        return f"needs more than {MEMORY >> 20} MiB"
    return ""


def _try(
    messages: list[dict[str, str]], *, prompt: bool, source: str, tokens: Mapping[str, str], render: Render
) -> str:
    """Render one conversation; only a question and its reply must succeed, for not every template takes more turns."""
    from jinja2.exceptions import SecurityError, TemplateError, TemplateSyntaxError

    try:
        (text,), _ = render(
            conversations=[messages], chat_template=source, add_generation_prompt=prompt, **tokens
        )
    except SecurityError:
        return "reaches for what the sandbox forbids"
    except TemplateSyntaxError as error:
        return f"is not valid Jinja (line {error.lineno})"
    except (
        TemplateError,
        ArithmeticError,
        AttributeError,
        LookupError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        return f"cannot render a conversation ({type(error).__name__})"
    if messages[-1]["content"].strip() not in text:
        return "does not write what was said"
    own = len(text) - sum(len(message["content"]) for message in messages)
    return f"writes {own:,} characters around a conversation" if own > SURPLUS else ""


if __name__ == "__main__":
    _main()
