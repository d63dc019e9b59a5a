"""Signatures: the hashes by which conversations are compared without their text.

A signature is a MinHash (Broder 1997) of word shingles; 8 bits of each value are kept (b-bit MinHash, Li and König 2010,
section 3), and bands of whole values are hashed, so that rows which may be alike are found without comparing all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain, pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

PERMUTATIONS, SEED = 128, 42
BANDS, VALUES = 21, 6  # 126 of the 128 values
SHINGLE = 3  # words
ODD = np.uint64(0x9E3779B97F4A7C15)
Signatures = npt.NDArray[np.uint8]  # [rows, PERMUTATIONS]
Bands = npt.NDArray[np.uint32]  # [rows]
Keys = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Words:
    """The words of conversations as 64-bit hashes, one after the other; the end of a text is a word of its own."""

    hashes: Keys  # [words]
    starts: npt.NDArray[
        np.int64
    ]  # [conversations + 1]; those of conversation n are hashes[starts[n]:starts[n + 1]]


def words_of(conversations: Sequence[Sequence[str]]) -> Words:
    """Hash the words of conversations, each two texts or more, without regard to case and white space."""
    folded = pa.array([text.casefold() for texts in conversations for text in texts], pa.string())
    split = pc.utf8_split_whitespace(pc.utf8_trim_whitespace(folded))
    words = split.flatten().dictionary_encode()
    vocabulary = np.array([key_of_text(word) for word in words.dictionary.to_pylist()], np.uint64)
    lengths = np.diff(split.offsets.to_numpy())  # [texts]
    text_of_word = np.repeat(np.arange(len(lengths)), lengths)
    hashes = np.full(len(words) + len(lengths), key_of_text("\x1f"), np.uint64)
    hashes[np.arange(len(words)) + text_of_word] = vocabulary[words.indices.to_numpy()]
    ends = np.concatenate([[0], np.cumsum(lengths + 1)])
    return Words(hashes, ends[np.cumsum([0, *map(len, conversations)])])


def fingerprints(words: Words) -> Keys:
    """Hash each conversation's words to 64 bits.

    Among a million conversations, two different ones share a value with a probability of 3e-8.
    """
    data = memoryview(words.hashes.tobytes())
    size = words.hashes.itemsize
    spans = pairwise((words.starts * size).tolist())
    return np.array([_key(data[start:end]) for start, end in spans], np.uint64)


def key_of_text(text: str) -> int:
    """Hash a text to 64 bits."""
    return _key(text.encode())


def sketch(words: Words) -> tuple[Signatures, list[Bands]]:
    """Sketch conversations by their shingles, every three words in a row.

    Gives signatures [rows, PERMUTATIONS] and, for each band, a hash of its values [rows].
    """
    from rensa import RMinHash

    flat, offsets = _shingles(words)
    rows = len(offsets) - 1
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(flat, offsets, PERMUTATIONS, SEED).to_rows()
    values = np.fromiter(chain.from_iterable(matrix), np.uint64, rows * PERMUTATIONS)
    values = values.reshape(rows, PERMUTATIONS)
    by_value = np.ascontiguousarray(values.T)  # a column at a time, side by side in memory
    return values.astype(np.uint8), [_band(by_value, band) for band in range(BANDS)]


def _key(data: bytes | memoryview) -> int:
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "little")


def _band(by_value: npt.NDArray[np.uint64], band: int) -> Bands:
    hashed = np.full(by_value.shape[1], band, dtype=np.uint64)
    for value in by_value[band * VALUES : (band + 1) * VALUES]:
        hashed = (hashed ^ value) * ODD
        hashed ^= hashed >> np.uint64(29)
    return (hashed >> np.uint64(32)).astype(np.uint32)


def _shingles(words: Words) -> tuple[Keys, npt.NDArray[np.uint64]]:
    """Give the shingles of all conversations, and where each one's begin; none reaches into the next."""
    count = max(len(words.hashes) - SHINGLE + 1, 0)
    hashed = np.zeros(count, np.uint64)
    for place in range(SHINGLE):
        hashed = (hashed ^ words.hashes[place : place + count]) * ODD
        hashed ^= hashed >> np.uint64(32)
    whole = np.ones(count, bool)
    for place in range(1, SHINGLE):
        whole[words.starts[1:-1] - place] = False
    sizes = np.diff(words.starts) - (SHINGLE - 1)
    return hashed[whole], np.concatenate([[0], np.cumsum(sizes)]).astype(np.uint64)
