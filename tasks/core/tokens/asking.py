"""A question to a trained model: cleaned, rendered and encoded as in its training, wherever it is asked.

Each registered version takes this module along, with those that it imports, so that what serves it does the same.
"""

from typing import Any

from tasks.core.errors import SettingsError
from tasks.core.normalizing.normalization import neutralize_markers, normalize_text
from tasks.core.tokens.prompts import encode, has_control_token, render_prompt


def prompt_ids(tokenizer: Any, question: str) -> list[int]:
    """Give the token ids of the prompt for a question.

    Raises `SettingsError` for one that is empty, or that holds what the tokenizer reads as a control token.
    """
    text = neutralize_markers(normalize_text(question))
    if not text:
        raise SettingsError("The question is empty.", cure='Ask something: freshtune ask "How do I …?"')
    if has_control_token(tokenizer, text):
        raise SettingsError("The question holds a control token of this base.", cure="Ask without it.")
    return encode(tokenizer, render_prompt(tokenizer, text))
