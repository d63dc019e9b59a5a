"""The weighing chapter: whether what is new since the champion is worth a training at all."""

from tasks.core.receipts import BaseSource, ValidExamples
from tasks.core.settings import Settings
from tasks.core.store.digests import digest_value
from tasks.journal import journal
from tasks.weighing import find_standing
from tasks.weighing import weigh_training as weigh

# what shapes no result, or is known otherwise
ELSEWHERE = {"workspace", "logs", "sweep", "worth", "registry", "retention"}


def is_worth_training(
    examples: ValidExamples, source: BaseSource, settings: Settings, held_by: str = ""
) -> bool:
    """Say whether to train; where the settings ask for nothing, whatever there is is trained on.

    `held_by` says what it hangs on how the base is held, where the settings do not.
    """
    journal().settings_key = key = _key(settings, held_by)
    if not settings.worth.asks:
        return True
    place, worth = settings.workspace, settings.worth
    standing = find_standing(place, examples, source, settings.registry, worth, key)
    return weigh(place, examples, standing, worth).train


def _key(settings: Settings, held_by: str) -> str:
    """Tell settings that give other results from each other; logs and base are known by their own digests."""
    model = settings.model.without_source()
    shaping = settings.model_copy(update={"model": model}).model_dump(mode="json", exclude=ELSEWHERE)
    if held_by:
        shaping["held_by"] = held_by
    return digest_value(shaping)
