"""Growing: the text of a reply while its tokens come, in pieces that together are exactly the whole reply."""

from collections.abc import Sequence
from typing import Any

BROKEN = "\ufffd"  # a character of which not all bytes are there yet


class GrowingText:
    """What of a reply may be told already: nothing that a later token could change."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.told = ""

    def grow(self, ids: Sequence[int]) -> str:
        """Give what is new in the text of all tokens so far; white space at its end waits, since a reply ends without it."""
        text = str(self.tokenizer.decode(ids, skip_special_tokens=True)).strip().rstrip(BROKEN).rstrip()
        if getattr(self.tokenizer, "clean_up_tokenization_spaces", False):  # joins a word to what comes after
            text = text.rpartition(" ")[0].rstrip()
        return self._told_up_to(text) if text.startswith(self.told) else ""

    def end(self, text: str) -> str:
        """Give what is left of the whole reply."""
        return self._told_up_to(text)

    def _told_up_to(self, text: str) -> str:
        new = text[len(self.told) :]
        self.told = max(text, self.told, key=len)
        return new
