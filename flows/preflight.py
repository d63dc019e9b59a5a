"""A look at what a run needs, before anything starts: a wrong path is told in a second, not after a server's start."""

from tasks.core.files.finding import find_sources
from tasks.core.model.loading import locate_base
from tasks.core.settings import Settings
from tasks.golden_reading import read_golden
from tasks.harness_reading import read_harness
from tasks.notifying import insist_on_addresses


def look_first(settings: Settings, *, with_base: bool) -> None:
    """Insist that the logs are there, and the base, golden cases and tasks of lm-eval where they are needed.

    Raises `DataError`, `ModelError` or `SettingsError`.
    """
    insist_on_addresses()
    find_sources(settings.logs.paths)
    if with_base:
        read_golden(settings.evaluation.golden)
        read_harness(settings.evaluation.harness)
        locate_base(settings.model.base, settings.model.revision)
