"""Traits: what the expectations look at, derived from rows so that no text leaves them.

Whole columns at a time: a pattern of RE2 rules out most texts, and the predicate that decides is asked of the rest.
Legend: rows [row] are the table's; texts [text] are every row's question, reply and earlier turns, with owners [text].
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tasks.core.intake.times import parse_time
from tasks.core.normalizing.encodings import HIDDEN
from tasks.core.normalizing.normalization import has_hidden, has_marker, has_markup
from tasks.core.privacy.redaction import personal_data_left
from tasks.core.text.prompt_styles import NAMES, has_mixed_styles

Flags = npt.NDArray[np.bool_]
# No log is older; and a bound that moves with the clock would build everything anew every day.
EARLIEST, LATEST = "1990-01-01", "2100-01-01"
COMMON_TIME = (
    r"^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])[T ](?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?"
    r" ?(?:Z|UTC|[+-](?:0\d|1[0-4]):?[0-5]\d)?$"
)
# Without one of these signs a text cannot be what the predicate looks for; tests hold them to it.
MARKER_SIGNS = r"[<\[#]"
STYLE_SIGNS = rf"(?im)^[#*_ ]*(?:{NAMES})[*_ ]*:|INST\]|\|>|_turn>"
HIDDEN_SIGNS = r"[\x00-\x08\x0b-\x1f\x7f-\x{9f}" + f"\u200c\u200d{HIDDEN}]"
SEAL = "redaction_seal"
EXAMPLE = (
    "row_id",
    "split",
    "sides_of_group",
    "twin_on_other_side",
    "fingerprint",
    "reply_uses",
    "rows_of_group",
)
"""What formation knows of an example, across all shards."""


def raw_traits(table: pa.Table, latest: str = LATEST) -> pa.Table:
    """Derive what the contract on raw logs asks about; a time on or after the day `latest` is not plausible."""
    question, reply, conversation = (_text(table, name) for name in ("question", "reply", "conversation"))
    is_a_time, is_plausible = _times(_text(table, "created"), latest)
    return pa.table(
        {
            "row_id": table["row_id"],
            "has_question": _has_more_than_blanks(question),
            "has_reply": _has_more_than_blanks(reply),
            "has_conversation": _has_more_than_blanks(conversation),
            "conversation_hash": _hashes(conversation, table["row_id"]),
            "created_is_a_time": is_a_time,
            "created_is_plausible": is_plausible,
            "question_chars": _length(question),
            "reply_chars": _length(reply),
            "turns": _turns(table),
        }
    )


def clean_traits(table: pa.Table, redactor: str = "patterns") -> pa.Table:
    """Derive what the contract on clean logs asks about; question, reply and earlier turns are looked at together.

    `redactor` is who has redacted, and is asked what is left.
    """
    data_left = partial(personal_data_left, redactor=redactor)
    texts = _texts(table)
    return pa.table(
        {
            "row_id": table["row_id"],
            "question_chars": _length(_text(table, "question")),
            "reply_chars": _length(_text(table, "reply")),
            "markup_left": texts.where(has_markup, "<"),
            "marker_left": texts.where(has_marker, MARKER_SIGNS),
            "mixed_styles_left": texts.where(has_mixed_styles, STYLE_SIGNS),
            "hidden_left": texts.where(has_hidden, HIDDEN_SIGNS),
            "personal_data_left": texts.where(data_left, among=~_sealed(table)),
            "replacement_char_left": texts.where(None, "\ufffd"),
            "language_known": _has_more_than_blanks(_text(table, "language")),
        }
    )


def example_traits(table: pa.Table) -> pa.Table:
    """Derive what the contract on training examples asks about, beside what formation says of each."""
    question, reply = (pc.utf8_trim_whitespace(_text(table, name)) for name in ("question", "reply"))
    known = {name: table[name] for name in EXAMPLE}
    return pa.table({**known, "reply_equals_question": pc.equal(question, reply)})


def seal_of(question: str, reply: str, history: Iterable[str] = ()) -> int:
    """Hash the texts of a row.

    Redaction may put this beside a row, as column `SEAL`, when it has looked at these very texts and found nothing more
    in them: the door then knows the row again instead of looking a second time, which costs as much as all of redaction.
    """
    joined = "\x1f".join((question, reply, *history)).encode()
    return int.from_bytes(blake2b(joined, digest_size=8).digest(), "little")


def _sealed(table: pa.Table) -> Flags:
    """Say which rows have the texts that redaction sealed; without seals, none."""
    if SEAL not in table.column_names:
        return np.zeros(len(table), bool)
    rows = zip(*(table[name].to_pylist() for name in ("question", "reply", "history", SEAL)), strict=True)
    return np.array(
        [
            seal == seal_of(question, reply, (turn["text"] for turn in turns))
            for question, reply, turns, seal in rows
        ],
        bool,
    )


@dataclass(frozen=True)
class _Texts:
    """Every text of a table's rows, in one column."""

    texts: pa.Array  # [text]
    owners: npt.NDArray[np.int64]  # [text]
    rows: int

    def where(self, asks: Callable[[str], bool] | None, signs: str = "", among: Flags | None = None) -> Flags:
        """Say of each row whether `asks` holds of one of its texts.

        It is asked only where `signs` (RE2) are, of rows `among`; without `asks`, the signs are all it takes.
        """
        seen = np.ones(len(self.owners), bool) if among is None else among[self.owners]
        places = np.flatnonzero(
            seen & _as_flags(pc.match_substring_regex(self.texts, signs)) if signs else seen
        )
        if asks is not None:
            held = [asks(text) for text in self.texts.take(pa.array(places)).to_pylist()]
            places = places[np.array(held, bool)]
        found = np.zeros(self.rows, bool)
        found[self.owners[places]] = True
        return found


def _texts(table: pa.Table) -> _Texts:
    own = np.arange(len(table))
    parts, owners = [_text(table, "question"), _text(table, "reply")], [own, own]
    history = table["history"].combine_chunks()
    if pa.types.is_struct(history.type.value_type):
        parts.append(pc.fill_null(pc.struct_field(pc.list_flatten(history), "text"), ""))
        owners.append(pc.list_parent_indices(history).to_numpy())
    return _Texts(pa.concat_arrays(parts), np.concatenate(owners), len(table))


def _times(created: pa.Array, latest: str) -> tuple[Flags, Flags]:
    """Say of each text whether it is a time, and whether it lies in the years of logs; an absent one is no mistake."""
    common = _as_flags(pc.match_substring_regex(created, COMMON_TIME))
    day = pc.utf8_slice_codeunits(created, 0, 10)
    plausible = _as_flags(pc.and_(pc.greater_equal(day, EARLIEST), pc.less(day, latest))) | ~common
    is_a_time = common | _as_flags(pc.equal(created, ""))
    for index in np.flatnonzero(~is_a_time):
        moment = parse_time(created[index].as_py())
        is_a_time[index] = moment is not None
        plausible[index] = moment is None or EARLIEST <= moment.date().isoformat() < latest
    return is_a_time, plausible


def _hashes(conversations: pa.Array, row_ids: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Hash the ids of conversations to 64 bits; a row without one stands for itself."""
    names = pc.if_else(pc.equal(conversations, ""), row_ids, conversations).to_pylist()
    digests = b"".join(blake2b(name.encode(), digest_size=8).digest() for name in names)
    return np.frombuffer(digests, np.int64)


def _turns(table: pa.Table) -> pa.ChunkedArray:
    """Count a conversation's messages: the earlier ones, the question and the reply."""
    return pc.add(pc.fill_null(pc.list_value_length(table["history"]), 0), 2)


def _text(table: pa.Table, name: str) -> pa.Array:
    column = pc.fill_null(pc.cast(table[name], pa.string()), "")
    return column.combine_chunks()


def _length(texts: pa.Array) -> pa.Array:
    return pc.cast(pc.utf8_length(texts), pa.int64())


def _has_more_than_blanks(texts: pa.Array) -> pa.Array:
    return pc.not_equal(pc.utf8_trim_whitespace(texts), "")


def _as_flags(mask: pa.Array) -> Flags:
    flags: Flags = mask.to_numpy(zero_copy_only=False)
    return flags.astype(bool)
