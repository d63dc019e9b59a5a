"""The prompt template: one renderer for training, evaluation and serving.

The template is stored as the tokenizer's chat template, so whoever loads the tokenizer renders the same prompt.
"""

from typing import Any, Literal

from tasks.core.errors import ModelError

TemplateName = Literal["instruction", "plain", "chat"]

_ASSISTANT = (
    "{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token }}{% endif %}{% endfor %}"
)
MARK = "QUESTION"  # stands for the question when a template is looked at
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
    """Give the Jinja source of a template; `chat` is the base's own.

    The beginning-of-sequence token is written by the template exactly when the tokenizer adds one by itself.
    Raises `ModelError` when the base has no chat template, or no end-of-sequence token.
    """
    if tokenizer.eos_token is None:
        raise ModelError(
            "The base's tokenizer has no end-of-sequence token, so a model could not learn where a reply ends.",
            cure="Choose another base.",
        )
    if name == "chat":
        if not isinstance(tokenizer.chat_template, str):
            raise ModelError(
                "format.template is `chat` but the base's tokenizer has no chat template.",
                cure="Set format.template=instruction or choose an instruction-tuned base.",
            )
        return tokenizer.chat_template
    return ("{{ bos_token }}" if _adds_bos(tokenizer) else "") + TEMPLATES[name]


def with_template(tokenizer: Any, source: str) -> Any:
    """Give the tokenizer the template and hand it back."""
    tokenizer.chat_template = source
    return tokenizer


def render_prompt(tokenizer: Any, question: str) -> str:
    """Render a question as the text after which the reply begins."""
    return str(
        tokenizer.apply_chat_template(
            [{"role": "user", "content": question}], tokenize=False, add_generation_prompt=True
        )
    )


def question_of(tokenizer: Any, prompt: str) -> str:
    """Give the question back out of a rendered prompt, for people to read."""
    before, _, after = render_prompt(tokenizer, MARK).partition(MARK)
    return prompt.removeprefix(before).removesuffix(after).strip()


def render_conversation(tokenizer: Any, question: str, reply: str) -> str:
    """Render question and reply as one text that begins with the prompt."""
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": reply}]
    return str(tokenizer.apply_chat_template(messages, tokenize=False))


def encode(tokenizer: Any, text: str) -> list[int]:
    """Turn text into token ids, adding nothing: the template has said it all."""
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def has_control_token(tokenizer: Any, text: str) -> bool:
    """Say whether a text from a log would be read as a control token."""
    return not set(tokenizer.all_special_ids).isdisjoint(encode(tokenizer, text))


def _adds_bos(tokenizer: Any) -> bool:
    if tokenizer.bos_token_id is None:
        return False
    return list(tokenizer("a")["input_ids"])[:1] == [tokenizer.bos_token_id]
