"""Rules: whether what is new is worth a training, in one sentence with its figures."""

from dataclasses import dataclass

from tasks.core.receipts import Standing
from tasks.core.settings import WorthSettings
from tasks.core.worth.arrivals import News


@dataclass(frozen=True)
class Opinion:
    """Whether to train, and why."""

    train: bool
    reason: str


def weigh(news: News | None, standing: Standing, worth: WorthSettings) -> Opinion:
    """Say whether to train: never beyond the budget; else where enough is new, or what is new cannot be told.

    Where too little is new, a champion that is `overdue` or a drift beyond chance and `worth.min_drift` says so all the
    same. `news` is None where there is nothing to compare with.
    """
    if standing.spent:
        told = f"; {_told(news, standing)}" if news else ""
        return _skip(
            f"{_trainings(standing.spent)} ended within {_days(worth.budget_days)}, and worth.max_trainings allows "
            f"{worth.max_trainings:,}{told}"
        )
    if not standing.version:
        return _train("there is no champion yet")
    if standing.other_base:
        return _train(f"the champion, version {standing.version}, stands on another base")
    if news is None:
        return _train(
            f"the data of the champion, version {standing.version}, is not in this workspace, so what is new since cannot be "
            "counted"
        )
    return _weighed(news, standing, worth)


def _weighed(news: News, standing: Standing, worth: WorthSettings) -> Opinion:
    told, asked = _told(news, standing), _asked(news, worth)
    if not asked:
        least = worth.min_new_rows or worth.min_new_share
        return _train(told if least else f"no least number of new rows is set; {told}")
    if standing.overdue:
        return _train(
            f"version {standing.tried or standing.version} was made more than {_days(worth.max_days)} ago; {told}"
        )
    drifted = _drifted(news, standing, worth.min_drift) if worth.min_drift else ""
    if drifted:
        return _train(f"{drifted}, more than the {worth.min_drift:g} of worth.min_drift; {told}")
    return _skip(f"{told}; {' and '.join(asked)}")


def _asked(news: News, worth: WorthSettings) -> list[str]:
    """Name the bars that what is new does not reach."""
    asked = []
    if news.new < worth.min_new_rows:
        asked.append(f"worth.min_new_rows asks for {worth.min_new_rows:,}")
    if news.share < worth.min_new_share:
        asked.append(f"worth.min_new_share asks for {_percent(worth.min_new_share)}")
    return asked


def _drifted(news: News, standing: Standing, least: float) -> str:
    """Say which traits drift by more than `least` bits, beyond chance; empty where none does."""
    traits = [
        f"{trait} ({drift.bits:.2f} bits)"
        for trait, drift in news.drift.items()
        if drift.beyond_chance and drift.bits > least
    ]
    whose = f"version {standing.tried}" if standing.tried else "the champion"
    return f"the new rows differ from those of {whose} in {' and '.join(traits)}" if traits else ""


def _told(news: News, standing: Standing) -> str:
    whole = f"{news.taught:,} training rows"
    told = (
        f"{news.new:,} of {whole} ({_percent(news.share)}) {'is' if news.new == 1 else 'are'} new"
        if news.new
        else f"none of {whole} is new"
    )
    told += (
        f" since version {standing.tried} was tried"
        if standing.tried
        else f" since version {standing.version}"
    )
    if news.repeats:
        told += (
            f", {_percent(news.repeats / news.came)} of the {news.came:,} rows that came since repeat others"
        )
    return told + (
        f", {news.gone:,} of its rows {'is' if news.gone == 1 else 'are'} gone" if news.gone else ""
    )


def _trainings(count: int) -> str:
    return "1 training has" if count == 1 else f"{count:,} trainings have"


def _days(count: float) -> str:
    return f"{count:g} {'day' if count == 1 else 'days'}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _train(why: str) -> Opinion:
    return Opinion(train=True, reason=f"Train, because {why}.")


def _skip(why: str) -> Opinion:
    return Opinion(train=False, reason=f"Skip, because {why}.")
