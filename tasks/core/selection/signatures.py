"""Signatures: the hashes by which conversations are compared without their text.

A signature is a MinHash (Broder 1997) of word shingles; 8 bits of each value are kept (b-bit MinHash, Li and König 2010,
section 3), and bands of whole values are hashed, so that rows which may be alike are found without comparing all.
"""

from collections.abc import Sequence
from hashlib import blake2b
from itertools import chain

import numpy as np
import numpy.typing as npt

PERMUTATIONS, SEED = 128, 42
SEPARATOR = "\x1f"
BANDS, VALUES = 21, 6  # 126 of the 128 values
ODD = np.uint64(0x9E3779B97F4A7C15)
Signatures = npt.NDArray[np.uint8]  # [rows, PERMUTATIONS]
Bands = npt.NDArray[np.uint32]  # [rows]
Keys = npt.NDArray[np.uint64]
Words = Sequence[Sequence[str]]  # of each text of a conversation


def words_of(texts: Sequence[str]) -> list[list[str]]:
    """Give the words of a conversation's texts, without regard to case and white space."""
    return [text.casefold().split() for text in texts]


def fingerprint(texts: Words) -> int:
    """Hash a conversation's texts to 64 bits.

    Among a million conversations, two different ones share a value with a probability of 3e-8.
    """
    return key_of_text(SEPARATOR.join(map(" ".join, texts)))


def key_of_text(text: str) -> int:
    """Hash a text to 64 bits."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


def sketch(conversations: Sequence[Words]) -> tuple[Signatures, list[Bands]]:
    """Sketch conversations by their shingles; one of fewer than three words by its words.

    Gives signatures [rows, PERMUTATIONS] and, for each band, a hash of its values [rows].
    """
    from rensa import RMinHash

    sets = [_shingles(texts) for texts in conversations]
    matrix = RMinHash.digest_matrix_from_token_sets(sets, PERMUTATIONS, SEED).to_rows()
    values = np.fromiter(chain.from_iterable(matrix), np.uint64, len(sets) * PERMUTATIONS)
    values = values.reshape(len(sets), PERMUTATIONS)
    by_value = np.ascontiguousarray(values.T)  # a column at a time, side by side in memory
    return values.astype(np.uint8), [_band(by_value, band) for band in range(BANDS)]


def _band(by_value: npt.NDArray[np.uint64], band: int) -> Bands:
    hashed = np.full(by_value.shape[1], band, dtype=np.uint64)
    for value in by_value[band * VALUES : (band + 1) * VALUES]:
        hashed = (hashed ^ value) * ODD
        hashed ^= hashed >> np.uint64(29)
    return (hashed >> np.uint64(32)).astype(np.uint32)


def _shingles(texts: Words) -> list[str]:
    """Give every three words in a row; the end of a text is a word of its own."""
    words = [word for text in texts for word in (*text, SEPARATOR)]
    return list(map(" ".join, zip(words, words[1:], words[2:], strict=False))) or words or [""]
