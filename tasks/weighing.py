"""Weighing: whether what is new is worth a training, before a base is fetched or a GPU is touched."""

import json
import time
from collections.abc import Mapping
from pathlib import Path

from tasks.core.receipts import BaseSource, Standing, ValidExamples, Worth
from tasks.core.registry.client import CHAMPION, Version
from tasks.core.registry.glance import read_registry
from tasks.core.registry.lineage import BASE_IDENTITY, EXAMPLES_DIGEST, KEPT_OUT, TRAINED_BY
from tasks.core.settings import RegistrySettings, WorthSettings
from tasks.core.store.artifacts import Draft
from tasks.core.store.datasets import find_examples
from tasks.core.worth.arrivals import News, compare_datasets, read_dataset
from tasks.core.worth.past_trainings import count_trainings
from tasks.core.worth.rules import weigh
from tasks.lid import step
from tasks.retrying import question

DAY = 24 * 60 * 60  # seconds


@question("standing_finding", nobody=lambda: Standing(version=0))
def find_standing(
    workspace: Path,
    examples: ValidExamples,
    source: BaseSource,
    registry: RegistrySettings,
    worth: WorthSettings,
    settings: str,
    now: float | None = None,
) -> Standing:
    """Find out who is champion, who was tried since by the same `settings`, whether their data is here, and what clock and budget say.

    `now` is in seconds since 1970; without it, it is now. Trainings that go on elsewhere at this moment are in no budget yet.
    """
    now = time.time() if now is None else now
    versions = read_registry(workspace).versions(registry.name)
    champion = next((one for one in versions if CHAMPION in one.aliases), None)
    spent = (
        count_trainings(workspace, now - worth.budget_days * DAY, examples.digest)
        if worth.max_trainings
        else 0
    )
    spent = spent if spent >= worth.max_trainings else 0
    if champion is None:
        return Standing(version=0, spent=spent)
    alike = {TRAINED_BY: settings, BASE_IDENTITY: source.identity}
    kept_out = [one for one in versions if one.version > champion.version and _is_kept_out(one, alike)]
    of_today = any(one.tags.get(EXAMPLES_DIGEST) == examples.digest for one in kept_out)
    last = next((one for one in kept_out if not of_today and _data(workspace, one)), champion)
    return Standing(
        version=champion.version,
        tried=last.version if last is not champion else 0,
        dataset=last.tags.get(EXAMPLES_DIGEST, ""),
        at_hand=_data(workspace, last) is not None,
        other_base=champion.tags.get(BASE_IDENTITY, "") != source.identity,
        overdue=bool(worth.max_days) and now - last.created > worth.max_days * DAY,
        spent=spent,
    )


def _is_kept_out(version: Version, tags: Mapping[str, str]) -> bool:
    return bool(version.tags.get(KEPT_OUT)) and tags.items() <= version.tags.items()


def _data(workspace: Path, version: Version) -> ValidExamples | None:
    return find_examples(workspace, version.tags.get(EXAMPLES_DIGEST, ""))


@step("weighing", Worth, libraries=("pyarrow", "scipy"))
def weigh_training(draft: Draft, examples: ValidExamples, standing: Standing, worth: WorthSettings) -> Worth:
    """Compare today's training rows with the champion's, by ids, lengths and traits, and say whether to train."""
    news = _news(draft.workspace, examples, standing)

    opinion = weigh(news, standing, worth)

    counts = {"training_rows": news.taught, "new": news.new, "gone": news.gone} if news else {}
    if news and news.repeats is not None:
        counts |= {"came": news.came, "repeats": news.repeats}
    drift = {trait: one.to_json() for trait, one in news.drift.items()} if news else {}
    facts = {"train": opinion.train, "reason": opinion.reason, "counts": counts, "drift": drift}
    (draft.folder / "worth.json").write_text(json.dumps(facts, indent=1))
    return draft.seal(Worth, counts=counts, train=opinion.train, reason=opinion.reason, drift=drift)


def _news(workspace: Path, examples: ValidExamples, standing: Standing) -> News | None:
    then = find_examples(workspace, standing.dataset) if standing.at_hand else None
    return (
        compare_datasets(read_dataset(workspace, examples), read_dataset(workspace, then)) if then else None
    )
