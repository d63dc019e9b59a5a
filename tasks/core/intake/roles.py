"""Roles: how a turn or a message says who speaks, by a value, by the name of a key, or by the requester's name."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tasks.core.errors import SettingsError
from tasks.core.intake.detection import Record, Unclear, normal_name, set_to, show, tied
from tasks.core.intake.well_known import (
    AGENT_FLAGS,
    ANSWERING,
    ASIDE,
    ASKING,
    ASKING_FLAGS,
    HIDDEN_IF_FALSE,
    HIDDEN_IF_TRUE,
    NAME_KEYS,
    NO,
    ROLE_KEYS,
    YES,
)
from tasks.core.settings import Turns

Side = Literal["user", "assistant", "other", ""]
Said = Sequence[tuple[Record, Record]]  # turns, each with the record that it is from


@dataclass(frozen=True)
class Speaking:
    """How a turn says who speaks: the value of `key` is a role or a name, or the turn's own keys are roles."""

    by: Literal["value", "name", "key"]
    key: str
    requester: tuple[str, ...]
    agent: tuple[str, ...]

    def sides(self, turn: Record, record: Record, requester_column: str) -> tuple[Side, ...]:
        """Say on which side a turn is, or on which its keys are; nothing where it does not say."""
        if self.by == "key":
            said = [key for key, text in turn.items() if isinstance(text, str) and text]
            return tuple(side_of(key, self.requester, self.agent) for key in said)
        if self.by == "name":
            return (side_of_name(turn.get(self.key), record.get(requester_column), self.agent),)
        return (side_of(turn.get(self.key), self.requester, self.agent),)


def role_word(value: Any) -> str:
    """Write a role in one way: lower case, words parted by a space; what cannot be a role is the empty text."""
    if isinstance(value, str):
        return value[:64].strip().casefold().replace("_", " ").replace("-", " ")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)) and -(2**53) < value < 2**53:
        return str(int(value)) if value == int(value) else ""
    return ""


def side_of(value: Any, requester: Sequence[str], agent: Sequence[str]) -> Side:
    """Say on which side a role is; nothing for a role that is not there."""
    word = role_word(value)
    if word in requester:
        return "user"
    if word in agent:
        return "assistant"
    return "other" if word else ""


def side_of_name(name: Any, requester: Any, agents: Sequence[str]) -> Side:
    """Say on which side a name is: the requester's own, or anyone else's; `agents`, if any, says whose."""
    speaker, asking = role_word(name), role_word(requester)
    if not speaker or not asking:
        return ""
    if speaker == asking:
        return "user"
    return "assistant" if not agents or speaker in agents else "other"


def role_words(turns: Turns) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give the roles that ask and those that answer: as set, or else the defaults and what else is well known.

    Raises `SettingsError` where a role is set to mean both.
    """
    asking, answering = ({role_word(role) for role in roles} for roles in (turns.requester, turns.agent))
    asking_set, answering_set = turns.requester != Turns().requester, turns.agent != Turns().agent
    if not asking_set:
        asking = (asking | {role_word(role) for role in ASKING}) - (answering if answering_set else set())
    if not answering_set:
        answering = (answering | {role_word(role) for role in ANSWERING}) - (asking if asking_set else set())
    if asking & answering:
        raise SettingsError(
            "logs.turns.requester and logs.turns.agent share a role.", cure="Name each role on one side only."
        )
    return tuple(sorted(asking)), tuple(sorted(answering))


def find_speaking(said: Said, turns: Turns, requester_column: str, *, keys_may_be_roles: bool) -> Speaking:
    """Find how turns say who speaks. Raises `Unclear` where they do not, or could say it in two ways."""
    if turns.role:
        return _of_named_key(said, turns, requester_column)
    ways = _ways([key for turn, _ in said for key in turn], ROLE_KEYS, turns)
    if keys_may_be_roles:
        ways.append(Speaking("key", "", *role_words(turns)))
    for group in _groups(ways):
        found = [way for way in group if _sides(way, said, requester_column) >= {"user", "assistant"}]
        if found:
            return _agreed(found, said, requester_column)
    half = [
        way
        for way in ways
        if way.by == "value" and _sides(way, said, requester_column) & {"user", "assistant"}
    ]
    if half:
        return _insist_on_both(_agreed(half, said, requester_column), said, requester_column, turns)
    raise Unclear(
        f"does not say in a known way who speaks; {_keys(said)}.",
        cure=f"Say where it does with {set_to('turns.role', 'KEY')}.",
    )


def _ways(keys: Iterable[str], role_keys: Sequence[str], turns: Turns) -> list[Speaking]:
    """List the ways in which these keys could say who speaks: by roles, by flags, by names."""
    keys = list(dict.fromkeys(keys))
    asking, answering = role_words(turns)
    names = () if turns.agent == Turns().agent else answering
    return [
        *(Speaking("value", key, asking, answering) for key in _known(keys, role_keys)),
        *(Speaking("value", key, NO, YES) for key in _known(keys, AGENT_FLAGS)),
        *(Speaking("value", key, YES, NO) for key in _known(keys, ASKING_FLAGS)),
        *(Speaking("name", key, (), names) for key in _known(keys, (*NAME_KEYS, *role_keys))),
    ]


def _groups(ways: Sequence[Speaking]) -> list[list[Speaking]]:
    """Part the ways by how much they are worth: roles, then flags, then names, then the keys' own names."""
    flags = {way for way in ways if way.by == "value" and way.requester in {YES, NO}}
    roles = [way for way in ways if way.by == "value" and way not in flags]
    named = [[way for way in ways if way.by == by] for by in ("name", "key")]
    return [roles, [way for way in ways if way in flags], *named]


def _keys(said: Said) -> str:
    keys = show(sorted({key for turn, _ in said for key in turn}))
    return (
        f"its columns are {keys}"
        if all(turn is record for turn, record in said)
        else f"its turns have {keys}"
    )


def find_hidden(said: Said) -> tuple[str, bool]:
    """Find the key of a turn that marks what the requester never saw, and the value that it has then."""
    for names, value in ((HIDDEN_IF_TRUE, True), (HIDDEN_IF_FALSE, False)):
        for key in _known(dict.fromkeys(key for turn, _ in said for key in turn), names):
            words = [word for word in (role_word(turn.get(key)) for turn, _ in said) if word]
            if 2 * sum(word in YES or word in NO for word in words) > len(words):
                return key, value
    return "", False


def is_hidden(turn: Record, key: str, value: bool) -> bool:
    """Say whether the requester never saw a turn, such as an internal note."""
    return bool(key) and role_word(turn.get(key)) in (YES if value else NO)


def _of_named_key(said: Said, turns: Turns, requester_column: str) -> Speaking:
    key = turns.role
    if not any(key in turn for turn, _ in said):
        raise Unclear(
            f"has no {show([key])} in its turns; {_keys(said)}.",
            cure=f"Say which it is with {set_to('turns.role', 'KEY')}.",
        )
    by_value, *others = _ways([key], [key], turns)
    for way in (by_value, *others):
        if _sides(way, said, requester_column) >= {"user", "assistant"}:
            return way
    return _insist_on_both(by_value, said, requester_column, turns)


def _insist_on_both(way: Speaking, said: Said, requester_column: str, turns: Turns) -> Speaking:
    sides = _sides(way, said, requester_column)
    words = {role_word(turn.get(way.key)) for turn, _ in said} - {""}
    strange = words.difference(way.requester, way.agent, ASIDE)
    if sides & {"user", "assistant"} and (not strange or role_words(turns) != role_words(Turns())):
        return way
    lacking = [
        (does, set_to(f"turns.{setting}", "[VALUE]"))
        for side, does, setting in (("user", "asks", "requester"), ("assistant", "answers", "agent"))
        if side not in sides
    ]
    raise Unclear(
        f"says in {show([way.key])} who speaks, but none of its {len(words)} values is known to mean who "
        f"{' or who '.join(does for does, _ in lacking)}.",
        cure=f"Say which do with {' and '.join(option for _, option in lacking)}.",
        telling=True,
    )


def _agreed(ways: Sequence[Speaking], said: Said, requester_column: str) -> Speaking:
    """Take the first of several ways that say the same of every turn."""
    verdicts = {tuple(way.sides(turn, record, requester_column) for turn, record in said) for way in ways}
    if len(verdicts) > 1:
        raise tied("who speaks", [way.key for way in ways], "turns.role")
    return ways[0]


def _sides(way: Speaking, said: Said, requester_column: str) -> set[Side]:
    return {side for turn, record in said for side in way.sides(turn, record, requester_column)}


def _known(keys: Iterable[str], names: Sequence[str]) -> list[str]:
    by_name = {normal_name(key): key for key in keys}
    return [by_name[normal_name(name)] for name in dict.fromkeys(names) if normal_name(name) in by_name]
