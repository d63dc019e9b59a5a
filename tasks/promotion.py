"""Promotion: the `champion` alias moves to a version that passed the gate."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.core.receipts import Decision, Promotion, Receipt, RegisteredModel
from tasks.core.registry.client import Version, open_registry
from tasks.core.registry.lineage import REASON, REPLACED
from tasks.core.store.artifacts import Draft
from tasks.lid import step


def _has_champion(workspace: Path, receipt: Receipt, values: Mapping[str, Any]) -> bool:
    """Ask whether there still is a champion; one that a person chose instead is theirs to keep."""
    registered = values["registered"]
    return (
        not getattr(receipt, "moved", False) or open_registry(workspace).champion(registered.name) is not None
    )


@step("promotion", Promotion, retries=3, confirm=_has_champion)
def promote_model(draft: Draft, registered: RegisteredModel, decision: Decision) -> Promotion:
    """Move the alias when the gate said so, and tag the version with the reason and what it replaced."""
    client = open_registry(draft.workspace)
    champion = client.champion(registered.name)
    already = (
        champion is not None and champion.version == registered.version
    )  # a start before was killed here
    replaced = _replaced(champion, already=already)
    moved = decision.outcome == "promote"

    if moved and not already:
        tags = {REASON: decision.reason[:4000], REPLACED: str(replaced)}
        client.set_champion(registered.name, registered.version, tags)

    (draft.folder / "reason.txt").write_text(decision.reason + "\n")
    return draft.seal(Promotion, moved=moved, version=registered.version, replaced=replaced)


def _replaced(champion: Version | None, *, already: bool) -> int:
    """Give the version that loses the alias; where it was moved before, the one that lost it then."""
    if champion is None:
        return 0
    return int(champion.tags.get(REPLACED, "0")) if already else champion.version
