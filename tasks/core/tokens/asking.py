"""A person's question as a prompt: cleaned, rendered and encoded as in training, wherever it is asked.

Each registered version takes this module along, with those that it imports, so that what serves it does the same.
"""

from typing import Any

from tasks.core.normalizing.normalization import neutralize_markers, normalize_text
from tasks.core.tokens.prompts import encode, has_control_token, render_prompt


def prompt_ids(tokenizer: Any, question: str) -> list[int]:
    """Give the token ids after which the reply to `question` begins.

    Raises `ValueError`, without a word of the question, for one of which nothing is left or that holds a control token.
    """
    text = neutralize_markers(normalize_text(question))
    if not text:
        raise ValueError("is empty")
    if has_control_token(tokenizer, text):
        raise ValueError("holds a control token of this base")
    return encode(tokenizer, render_prompt(tokenizer, text))
