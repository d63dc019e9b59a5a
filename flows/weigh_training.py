"""The weighing chapter: whether what is new since the champion is worth a training at all."""

from tasks.core.receipts import BaseSource, ValidExamples
from tasks.core.registry.lineage import trained_by
from tasks.core.settings import Settings
from tasks.weighing import find_standing
from tasks.weighing import weigh_training as weigh


def is_worth_training(examples: ValidExamples, source: BaseSource, settings: Settings) -> bool:
    """Say whether to train; where the settings ask for nothing, whatever there is is trained on."""
    if not settings.worth.asks:
        return True
    place, worth = settings.workspace, settings.worth
    chapters = {
        "model": settings.model.without_source(),
        "lora": settings.lora,
        "training": settings.training,
    }
    by = trained_by({name: one.in_key() for name, one in chapters.items()})
    standing = find_standing(place, examples, source, settings.registry, worth, by)
    return weigh(place, examples, standing, worth).train
