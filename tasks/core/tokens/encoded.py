"""Encoded: what the tokenizer made of one example, or of a piece of one."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Encoded:
    """Token ids of one example, or of one of its pieces; the loss is on `ids[prompt_length:]`.

    `whole` says that this row alone teaches the whole reply. Pieces together teach it, each token once.
    """

    ids: list[int]
    prompt_length: int
    piece: int = 1
    pieces: int = 1

    @property
    def whole(self) -> bool:
        return self.pieces == 1
