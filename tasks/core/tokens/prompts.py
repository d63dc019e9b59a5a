"""The prompt template: one renderer for training, evaluation and serving.

The template is stored as the tokenizer's chat template, so whoever loads the tokenizer renders the same prompt.
Earlier turns come before the question as in training: every reply is closed by the end of sequence.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Any, Literal

from tasks.core.errors import ModelError
from tasks.core.tokens.layouts import QUESTION, REPLY, Layout, control_ids, layout_of
from tasks.core.tokens.rendering import Message, decode_all, encode_all, render
from tasks.core.tokens.vetting import refusals

TemplateName = Literal["instruction", "plain", "chat"]
Turn = Mapping[str, str]  # role (`user` or `assistant`) and text

_ASSISTANT = (
    "{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token }}{% endif %}{% endfor %}"
)
TEMPLATES = {
    "instruction": (
        "{% for message in messages %}{% if message['role'] == 'user' %}"
        "{{ '### Instruction:\n' + message['content'] + '\n\n### Response:\n' }}" + _ASSISTANT
    ),
    "plain": (
        "{% for message in messages %}{% if message['role'] == 'user' %}{{ message['content'] + '\n\n' }}"
        + _ASSISTANT
    ),
}


def template_source(name: TemplateName, tokenizer: Any) -> str:
    """Give the Jinja source of a template; `chat` is the base's own, tried first in a process of its own.

    The beginning-of-sequence token is written by the template exactly when the tokenizer adds one by itself.
    Raises `ModelError` when the base has no chat template or a harmful one, or no end-of-sequence token.
    """
    if tokenizer.eos_token is None:
        raise ModelError(
            "The base's tokenizer has no end-of-sequence token, so a model could not learn where a reply ends.",
            cure="Choose another base.",
        )
    if name == "chat":
        return _own_template(tokenizer)
    return ("{{ bos_token }}" if _adds_bos(tokenizer) else "") + TEMPLATES[name]


def with_template(tokenizer: Any, source: str) -> Any:
    """Give the tokenizer the template and hand it back."""
    tokenizer.chat_template = source
    return tokenizer


def messages_of(history: Sequence[Turn], question: str, layout: Layout) -> list[Message]:
    """Put earlier turns and the question in the order that templates take: questions and replies by turns.

    Turns of one role in a row become one, with an empty line between them. A reply that nobody asked for opens the
    conversation only where the template takes one there; else it is left out, in training as in serving.
    """
    turns = [*history, {"role": "user", "text": question}]
    messages: list[Message] = [
        {"role": role, "content": "\n\n".join(turn["text"] for turn in run)}
        for role, run in groupby(turns, key=itemgetter("role"))
    ]
    opens = messages[0]["role"] == "user" or layout.opens_with_reply
    return messages if opens else messages[1:]


def render_prompt(tokenizer: Any, question: str, history: Sequence[Turn] = ()) -> str:
    """Render a question, with the turns before it, as the text after which the reply begins."""
    return render(tokenizer, [messages_of(history, question, layout_of(tokenizer))], prompt=True)[0]


def question_of(tokenizer: Any, prompt: str) -> str:
    """Give the last question back out of a prompt, rendered or decoded, for people to read."""
    for opening, turn, next_turn in _seams(tokenizer):
        if prompt.startswith(opening) and prompt.endswith(turn):
            text = prompt.removeprefix(opening).removesuffix(turn)
            return (text.rpartition(next_turn)[2] if next_turn else text).strip()
    return prompt.strip()


def encode(tokenizer: Any, text: str) -> list[int]:
    """Turn text into token ids, adding nothing: the template has said it all."""
    return encode_all(tokenizer, [text])[0]


def has_control_token(tokenizer: Any, text: str) -> bool:
    """Say whether a text from a log would be read as a control token, or as a turn of the tokenizer's template."""
    if not control_ids(tokenizer).isdisjoint(encode(tokenizer, text)):
        return True
    forged = layout_of(tokenizer).forged if tokenizer.chat_template else None
    return bool(forged and forged.search(text))


def _own_template(tokenizer: Any) -> str:
    source = tokenizer.chat_template
    if isinstance(source, dict):
        source = source.get("default")
    if not isinstance(source, str):
        raise ModelError(
            "format.template is `chat` but the base's tokenizer has no chat template.",
            cure="Set format.template=instruction or choose an instruction-tuned base.",
        )
    objection = _objection(source, tuple(sorted(tokenizer.special_tokens_map.items())))
    if objection:
        raise ModelError(
            f"The base's chat template is refused: it {objection}.",
            cure="Set format.template=instruction, or choose another base.",
        )
    return source


@lru_cache(maxsize=8)
def _objection(source: str, tokens: tuple[tuple[str, str], ...]) -> str:
    try:
        return refusals([source], {name: token for name, token in tokens if isinstance(token, str)})[0]
    except (ChildProcessError, TimeoutError) as error:
        raise ModelError(
            f"The base's chat template could not be tried ({error}).",
            cure="Start again, with more memory free.",
        ) from None


def _adds_bos(tokenizer: Any) -> bool:
    if tokenizer.bos_token_id is None:
        return False
    return list(tokenizer("a")["input_ids"])[:1] == [tokenizer.bos_token_id]


def _seams(tokenizer: Any) -> list[tuple[str, str, str]]:
    """Give what stands around questions: as rendered, and as it comes back from token ids, which may space it out."""
    layout = layout_of(tokenizer)
    ask, say = {"role": "user", "content": QUESTION}, {"role": "assistant", "content": REPLY}
    messages: list[Message] = [ask, say, ask] if layout.next_turn else [ask]
    decoded = decode_all(tokenizer, [encode(tokenizer, render(tokenizer, [messages], prompt=True)[0])])[0]
    opening, _, rest = decoded.partition(QUESTION)
    next_turn = rest.partition(REPLY)[2].partition(QUESTION)[0]
    turn = rest.rpartition(QUESTION)[2]
    return [(layout.opening, layout.turn, layout.next_turn), (opening, turn, next_turn)]
