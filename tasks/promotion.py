"""Promotion: the `champion` alias moves to a version that passed the gate."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.core.errors import ModelError
from tasks.core.receipts import Answer, Decision, Promotion, Receipt, RegisteredModel
from tasks.core.registry.client import Registry, Version, open_registry
from tasks.core.registry.glance import Glance, read_registry
from tasks.core.registry.lineage import DECIDED_BY, KEPT_OUT, LONGEST, REPLACED, SET_ASIDE, TRIED_BY
from tasks.core.registry.succession import Ruling, rule
from tasks.core.registry.transitions import promote, reject
from tasks.core.store.artifacts import Draft
from tasks.journal import journal
from tasks.lid import step


def _still_so(workspace: Path, receipt: Receipt, values: Mapping[str, Any]) -> bool:
    """Ask whether the version that was moved to is champion, or would still not be, for the same reason."""
    assert isinstance(receipt, Promotion)  # noqa: S101 - the lid gives what the step made
    client, registered = read_registry(workspace), values["registered"]
    champion = client.champion(registered.name)
    if receipt.moved:
        return champion is not None and champion.version == registered.version
    return _rule(client, champion, registered, values["decision"], values["answer"]) == Ruling(receipt.reason)


@step("promotion", Promotion, retries=3, confirm=_still_so)
def promote_model(
    draft: Draft, registered: RegisteredModel, decision: Decision, answer: Answer | None
) -> Promotion:
    """Move the alias when the gate, or a person whom it asked, said so and the champion is the one that was judged."""
    client = open_registry(draft.workspace)
    champion = client.champion(registered.name)
    ruling = _rule(client, champion, registered, decision, answer)
    already = (
        champion is not None and champion.version == registered.version
    )  # a start before was killed here
    replaced = _replaced(champion, already=already) if ruling.moves else 0

    if ruling.moves and not already:
        promote(
            client,
            registered.name,
            registered.version,
            instead_of=replaced,
            who=answer.who if answer else "the gate",
            why=(answer.why or ruling.reason) if answer else ruling.reason,
        )
    elif answer and not answer.approved and not _is_set_aside(client, registered):
        reject(client, registered.name, registered.version, who=answer.who, why=answer.why)
    if not ruling.moves and not already:
        kept_out = decision.reason[:LONGEST] if decision.outcome == "keep" else ""
        tags = {KEPT_OUT: kept_out, TRIED_BY: journal().settings_key}
        client.tag_version(registered.name, registered.version, tags)

    (draft.folder / "reason.txt").write_text(ruling.reason + "\n")
    return draft.seal(
        Promotion,
        moved=ruling.moves,
        waits=decision.outcome == "ask" and ruling.reason == decision.reason,
        version=registered.version,
        replaced=replaced,
        reason=ruling.reason,
    )


def _rule(
    client: Registry | Glance,
    champion: Version | None,
    registered: RegisteredModel,
    decision: Decision,
    answer: Answer | None,
) -> Ruling:
    mine = client.version(registered.name, registered.version)
    if mine is None:
        raise ModelError(
            f"Version {registered.version} of {registered.name} was deleted from the registry.",
            cure="Start again: it is registered anew.",
        )
    if answer and not answer.approved:
        return Ruling(f"{answer.who} said no: {answer.why or 'without a reason'}")
    verdict = Ruling(decision.reason, moves=decision.outcome == "promote")
    if answer:
        verdict = Ruling(f"{answer.who} said yes: {answer.why or decision.reason}", moves=True)
    elif decision.outcome == "ask" and champion and champion.version == mine.version:
        verdict = Ruling(f"{champion.tags.get(DECIDED_BY, 'A person')} has made it champion.", moves=True)
    elif decision.outcome == "ask" and mine.tags.get(SET_ASIDE):
        verdict = Ruling(f"It was set aside: {mine.tags[SET_ASIDE]}")
    return rule(mine, champion, decision.rival, verdict)


def _is_set_aside(client: Registry, registered: RegisteredModel) -> bool:
    mine = client.version(registered.name, registered.version)
    return bool(mine and mine.tags.get(SET_ASIDE))


def _replaced(champion: Version | None, *, already: bool) -> int:
    """Give the version that loses the alias; where it was moved before, the one that lost it then."""
    if champion is None:
        return 0
    return int(champion.tags.get(REPLACED, "0")) if already else champion.version
