"""Starting and ending: a process with large libraries spends a third of its start, and most of its end, looking for garbage.

Python looks after every 700 new objects, and goes through all of them as it ends. What a library makes when it is imported
stays, so that nothing is ever found.
"""

import atexit
import gc

OBJECTS = 50_000  # that a process makes between two looks for garbage


def start_quickly() -> None:
    """Let this process look for garbage less often, and not at all as it ends.

    Not for one that trains: what it holds of a device's memory is to come back as soon as it can.
    """
    gc.set_threshold(OBJECTS, *gc.get_threshold()[1:])
    end_quickly()


def end_quickly() -> None:
    """Let this process not look for garbage as it ends; whatever else was left for its end is still done."""
    atexit.register(gc.freeze)
