"""Weighing: whether what is new is worth a training, before a base is fetched or a GPU is touched."""

import json
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from tasks.core.receipts import BaseSource, Standing, ValidExamples, Worth
from tasks.core.registry.client import CHAMPION, Version
from tasks.core.registry.glance import read_registry
from tasks.core.registry.lineage import BASE_IDENTITY, DECIDED_AT, EXAMPLES_DIGEST, TRIED_BY
from tasks.core.settings import RegistrySettings, WorthSettings
from tasks.core.store.artifacts import Draft
from tasks.core.store.datasets import find_examples
from tasks.core.worth.arrivals import Dataset, News, compare_datasets, read_dataset
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
    dataset = champion.tags.get(EXAMPLES_DIGEST, "")
    alike = {TRIED_BY: settings, BASE_IDENTITY: source.identity}
    tried = _tried(workspace, versions, champion, alike, examples)
    made = tried.created if tried else champion.created
    return Standing(
        version=champion.version,
        tried=tried.version if tried else 0,
        tried_dataset=tried.tags[EXAMPLES_DIGEST] if tried else "",
        dataset=dataset,
        at_hand=find_examples(workspace, dataset) is not None,
        other_base=champion.tags.get(BASE_IDENTITY, "") != source.identity,
        overdue=bool(worth.max_days) and now - made > worth.max_days * DAY,
        spent=spent,
    )


def _tried(
    workspace: Path,
    versions: Iterable[Version],
    champion: Version,
    alike: Mapping[str, str],
    today: ValidExamples,
) -> Version | None:
    """Find the newest version that did not become champion in place of this one, and whose data is here; none where today's was tried."""
    since = float(champion.tags.get(DECIDED_AT, champion.created))
    tried = [one for one in versions if one.created > since and alike.items() <= one.tags.items()]
    if any(one.tags.get(EXAMPLES_DIGEST) == today.digest for one in tried):
        return None
    return next((one for one in tried if find_examples(workspace, one.tags.get(EXAMPLES_DIGEST, ""))), None)


@step("weighing", Worth, libraries=("pyarrow", "scipy"))
def weigh_training(draft: Draft, examples: ValidExamples, standing: Standing, worth: WorthSettings) -> Worth:
    """Compare today's training rows with the champion's, by ids, lengths and traits, and say whether to train."""
    news, standing = _news(draft.workspace, examples, standing)

    opinion = weigh(news, standing, worth)

    counts = {"training_rows": news.taught, "new": news.new, "gone": news.gone} if news else {}
    if news and news.repeats is not None:
        counts |= {"came": news.came, "repeats": news.repeats}
    drift = {trait: one.to_json() for trait, one in news.drift.items()} if news else {}
    facts = {"train": opinion.train, "reason": opinion.reason, "counts": counts, "drift": drift}
    (draft.folder / "worth.json").write_text(json.dumps(facts, indent=1))
    return draft.seal(Worth, counts=counts, train=opinion.train, reason=opinion.reason, drift=drift)


def _news(workspace: Path, examples: ValidExamples, standing: Standing) -> tuple[News | None, Standing]:
    """Say what is new since the champion, or since what was tried after it, if less is; and which of the two it is."""
    if not standing.at_hand:
        return None, standing
    today = read_dataset(workspace, examples)
    since = [
        (_since(workspace, today, standing.dataset), standing.model_copy(update={"tried": 0})),
        (_since(workspace, today, standing.tried_dataset), standing),
    ]
    told = [(news, whose) for news, whose in since if news]
    return min(told, key=lambda one: one[0].new) if told else (None, standing)


def _since(workspace: Path, today: Dataset, digest: str) -> News | None:
    then = find_examples(workspace, digest) if digest else None
    return compare_datasets(today, read_dataset(workspace, then)) if then else None
