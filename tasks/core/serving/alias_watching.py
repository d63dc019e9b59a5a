"""Watching an alias: when it moves, the version that it leads to is loaded aside and put in place; else all stays as it is."""

import threading
from collections.abc import Callable

from tasks.core.errors import FreshtuneError, ServiceError
from tasks.core.registry.client import Version
from tasks.core.serving.opening import OpenVersion

Look = Callable[[], Version | None]
Open = Callable[[Version], OpenVersion]
Replace = Callable[[OpenVersion], None]
Warn = Callable[[str], None]


class AliasWatch:
    """Follow an alias: `look` finds its version, `load` gives one that was tried out, `replace` puts it in place.

    Each thing that is not as it should be is told to `warn` once, until it is as it should be again.
    """

    def __init__(self, current: int, look: Look, load: Open, replace: Replace, warn: Warn) -> None:
        self.current, self.look, self.load, self.replace, self.warn = current, look, load, replace, warn
        self._unfit = 0
        self._trouble = ""

    def follow(self, interval: float, ended: threading.Event) -> None:
        """Look every `interval` seconds until `ended`."""
        while not ended.wait(interval):
            self.look_once()

    def look_once(self) -> None:
        """Look at the alias, and follow it where it moved to a version that can be loaded.

        A version that cannot is not tried again before the alias has been elsewhere.
        """
        try:
            found = self.look()
            if found is None:
                self._warn_once(f"The alias is on no version; version {self.current} goes on.")
                return
            if found.version != self._unfit:
                self._unfit = 0
                self._move_to(found)
        except FreshtuneError as error:
            self._warn_once(f"{error.message} Version {self.current} goes on.")
            return
        self._trouble = ""

    def _move_to(self, found: Version) -> None:
        if found.version == self.current:
            return
        try:
            opened = self.load(found)
        except ServiceError:
            raise
        except Exception as error:  # noqa: BLE001 - a library's too: whatever it is, the old version goes on
            why = error.message if isinstance(error, FreshtuneError) else f"{type(error).__name__}."
            self._unfit = found.version
            self.warn(
                f"Version {found.version} cannot be loaded, and version {self.current} goes on: {why} "
                "Move the alias, or start again."
            )
            return
        before, self.current = self.current, found.version
        self.replace(opened)
        self.warn(f"Version {found.version} answers now, in place of version {before}.")

    def _warn_once(self, sentence: str) -> None:
        if sentence != self._trouble:
            self.warn(sentence)
        self._trouble = sentence
