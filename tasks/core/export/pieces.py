"""Pieces: what a tokenizer is made of, as its own library writes it down."""

import json
from dataclasses import dataclass
from typing import Any

from tasks.core.export.refusing import cannot_say

BYTE = 6  # how llama.cpp numbers a token that stands for a byte
OFF = (None, False, "")


@dataclass(frozen=True)
class Pieces:
    """The parts of a tokenizer of byte pairs: `vocabulary` by text, `merges` in order, the tokens that were `added`."""

    vocabulary: dict[str, int]
    merges: list[tuple[str, str]]
    added: list[dict[str, Any]]
    normalizers: list[dict[str, Any]]
    splits: list[dict[str, Any]]
    ignores_merges: bool
    falls_back: bool

    @classmethod
    def of(cls, tokenizer: Any) -> "Pieces":
        """Take a tokenizer apart. Raises `ModelError` for one that does not merge pairs, or not always the same ones."""
        backend = getattr(tokenizer, "backend_tokenizer", None)
        if backend is None:
            raise cannot_say("its tokenizer is not one of the library tokenizers")
        written = json.loads(backend.to_str())
        model = written["model"]
        if model["type"] != "BPE":
            raise cannot_say(f"its tokenizer ({model['type']}) does not merge pairs, as llama.cpp does")
        odd = ("dropout", "continuing_subword_prefix", "end_of_word_suffix")
        if any(model.get(name) not in OFF for name in odd):
            raise cannot_say("its tokenizer leaves out merges, or marks the parts of a word")
        if not model["merges"]:
            raise cannot_say("its tokenizer merges nothing")
        return cls(
            vocabulary=model["vocab"],
            merges=[(left, right) for left, right in model["merges"]],
            added=written["added_tokens"],
            normalizers=_steps(written["normalizer"], "normalizers"),
            splits=_steps(written["pre_tokenizer"], "pretokenizers"),
            ignores_merges=bool(model.get("ignore_merges")),
            falls_back=bool(model.get("byte_fallback")),
        )

    @property
    def is_byte_level(self) -> bool:
        """Say whether letters stand for bytes, as in GPT-2."""
        return any(step["type"] == "ByteLevel" for step in self.splits)

    @property
    def changes_text(self) -> bool:
        """Say whether a text is changed before it is cut, other than by composing its accents."""
        return any(step["type"] != "NFC" for step in self.normalizers)

    @property
    def byte_tokens(self) -> dict[int, int]:
        """Give the ids of the tokens `<0x00>` to `<0xFF>`, with their kind, where a tokenizer falls back on them."""
        names = [f"<0x{byte:02X}>" for byte in range(256)] if self.falls_back else []
        return {self.vocabulary[name]: BYTE for name in names if name in self.vocabulary}


def _steps(written: dict[str, Any] | None, inside: str) -> list[dict[str, Any]]:
    if written is None:
        return []
    return written[inside] if written["type"] == "Sequence" else [written]
