"""Starting and ending: a process with large libraries spends a third of its start, and most of its end, looking for garbage.

Python looks each time so many objects have been made (700, or some thousands), and goes through all of them as it ends. What a
library makes when it is imported stays, so that nothing is ever found.
"""

import atexit
import gc

OBJECTS = 50_000  # that a process makes between two looks for garbage, while it imports
_USUAL = gc.get_threshold()


def start_quickly() -> None:
    """Let this process look for garbage less often, until it holds a model, and not at all as it ends."""
    gc.set_threshold(OBJECTS, *_USUAL[1:])
    end_quickly()


def look_as_usual() -> None:
    """Let this process look for garbage as Python does: what holds a model is to come back as soon as it can."""
    gc.set_threshold(*_USUAL)


def end_quickly() -> None:
    """Let this process not look for garbage as it ends; whatever else was left for its end is still done.

    A file that only garbage holds open is not closed then: close it, or use `with`.
    """
    atexit.register(gc.freeze)
