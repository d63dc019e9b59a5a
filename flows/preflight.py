"""A look at what a run needs, before anything starts: a wrong path is told in a second, not after a server's start."""

from tasks.core.files.finding import find_sources
from tasks.core.model.loading import locate_base
from tasks.core.settings import Settings


def look_first(settings: Settings, *, with_base: bool) -> None:
    """Insist that the logs, and the base where one is needed, are there. Raises `DataError` or `ModelError`."""
    find_sources(settings.logs.paths)
    if with_base:
        locate_base(settings.model.base, settings.model.revision)
