"""Novelty: whether a step that runs gives something new, as far as that can be said before; what it gave before runs nothing else."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from tasks.core.planning.reasons import Reason
from tasks.core.receipts import TokenRows
from tasks.core.settings import TrainingSettings
from tasks.core.store.artifacts import damage
from tasks.core.store.digests import digest_folder
from tasks.core.store.keys import code_digest, versions_of
from tasks.core.store.making import Made, machine
from tasks.core.tokens.storing import TOKENIZER, TRAIN, teach_the_same
from tasks.effort import length_of_training
from tasks.step_calls import Call

OF_ONE_MODEL = frozenset(
    ("evaluation", "harness_evaluation", "reply_comparison", "merging", "earlier_scoring", "gating")
)
"""Steps that look at a model: what they find anew may well lead to what was decided of it before."""
OTHER_WEIGHTS = frozenset(
    (
        "lora.method",
        "lora.rank",
        "lora.alpha",
        "lora.dropout",
        "model.quantization",
        "model.double_quant",
        "model.dtype",
        "training.accumulation",
        "training.batch_rows",
        "training.learning_rate",
        "training.schedule",
        "training.seed",
        "training.validation",
        "training.weight_decay",
    )
)
"""Settings by which a training surely gives other weights; by any other one it may give the very same."""
PERHAPS_NONE = frozenset(("readmission",))  # where they give no rows, nothing comes after them


def may_give_the_same(step: str, reason: Reason, values: Mapping[str, Any]) -> bool:
    """Say whether a step that runs for this reason may well give what it gave before."""
    if step in PERHAPS_NONE or reason.kind in {"code", "version"}:
        return True
    if reason.kind != "setting":
        return False
    if step == "adapter_training":
        return reason.settings.isdisjoint(OTHER_WEIGHTS | _in_force(values["rows"], values["training"]))
    return True


def _in_force(rows: TokenRows, training: TrainingSettings) -> set[str]:
    """Name those of the settings that may overrule each other which do."""
    length = length_of_training(rows, training)
    return ({length} if length else set()) | ({"training.batch_tokens"} if not training.batch_rows else set())


def taught_before(call: Call, past: Callable[[Path, str], list[Made]]) -> Mapping[str, Any] | None:
    """Give the receipt of an earlier training that was the very same but for what is only told of its rows, as their product.

    None for another step, where there is none, and where the rows are not there to be read.
    """
    if call.step.name != "adapter_training" or not (call.workspace / call.values["rows"].path).is_dir():
        return None
    made_by = code_digest(*call.step.modules), versions_of(call.step.libraries), machine()
    now = call.values["rows"].folder(call.workspace)
    known = {
        one.receipt["digest"]: one.receipt["path"]
        for one in past(call.workspace, "token_gathering")
        if one.receipt["counts"] == call.values["rows"].counts
    }
    for one in past(call.workspace, call.step.name):
        made_from = one.receipt.get("made_from", {})
        place = known.get(made_from.get("rows", {}).get("TokenRows", ""), "")
        alike = made_from | {"rows": call.inputs["rows"]} == call.inputs
        same_making = (one.code, one.libraries, one.machine) == made_by
        if place and alike and same_making and _teach_the_same(call.workspace / place, now):
            return one.receipt
    return None


def _teach_the_same(then: Path, now: Path) -> bool:
    if damage(then, by_size=True):
        return False
    same = digest_folder(then / TOKENIZER) == digest_folder(now / TOKENIZER)
    return same and teach_the_same(then / TRAIN, now / TRAIN)


def spreads(roots: Iterable[str]) -> bool:
    """Say whether what runs because these steps give something new gives something new itself."""
    return any(root not in OF_ONE_MODEL for root in roots)


def shape_of(step: str, inputs: Mapping[str, Any]) -> list[Any]:
    """Give those of a step's inputs that its receipt hangs on, where the others are only told of; empty for all of them."""
    if step != "registration":
        return []
    names = ("logs", "examples", "rows", "base", "adapter", "start", "merged")
    return [*(inputs.get(name) for name in names), inputs.get("registry", {}).get("name")]
