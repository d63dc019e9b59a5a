"""The errors that everyone shares, as one tree; the class says the exit code and whether a retry can help.

FreshtuneError
├── SettingsError        2   a setting, an argument or a recipe is wrong
├── DataError            3   the logs cannot be used
│   └── StillHeld        3   something of a requester who was to be forgotten is left
├── ModelError           4   the base, the adapter or the merge cannot be used
│   ├── Diverged         4   the numbers of a training are not finite any more
│   └── HardwareError    4   memory, disk or device
│       ├── OutOfMemory  4   training takes less at once, and goes on, as long as it can
│       └── DiskFull     4   nothing was half-written
├── BelowBar             5   the challenger was not promoted and `--require-promotion` was given
├── ServiceError         6   MLflow, Prefect or a hub did not answer; the only one worth a retry
│   └── Refused          6   it answered, and said no: a retry cannot help
└── Stopped        143/130   ended by a signal; the next start goes on
    └── Pruned               ended by a sweep, which has seen enough of a trial; never the end of a run
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class FreshtuneError(Exception):
    """Say in one sentence what went wrong and where, and in another how to cure it.

    Messages hold counts, ids, paths and setting names; never the text of a row.
    """

    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False
    record: Mapping[str, Any] | None = None
    """The public figures of the run that it ended, where that left any."""

    def __init__(self, message: str, *, cure: str) -> None:
        super().__init__(message, cure)
        self.message = message
        self.cure = cure

    def __str__(self) -> str:
        return f"{self.message} {self.cure}"

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.message, self.cure))


def _rebuild(kind: type[FreshtuneError], message: str, cure: str) -> FreshtuneError:
    return kind(message, cure=cure)


class SettingsError(FreshtuneError):
    """A setting, an argument or a recipe is wrong; nothing has run."""

    exit_code = 2


class DataError(FreshtuneError):
    """The logs cannot be used: missing, empty, or of another shape."""

    exit_code = 3


class StillHeld(DataError):  # noqa: N818 - the condition is the name
    """Something of a requester who was to be forgotten is left in the workspace."""


class ModelError(FreshtuneError):
    """The base, the adapter or the merge cannot be used."""

    exit_code = 4


class Diverged(ModelError):  # noqa: N818 - the condition is the name
    """A loss, a gradient or a weight of a training is not finite any more."""


class HardwareError(ModelError):
    """Memory, disk or device does not suffice."""


class OutOfMemory(HardwareError):  # noqa: N818 - the condition is the name
    """A device or the machine has no memory left."""


class DiskFull(HardwareError):  # noqa: N818 - the condition is the name
    """The disk is full; what was being written is not published."""


class BelowBar(FreshtuneError):  # noqa: N818 - an outcome, raised only on request
    """The challenger was not promoted and `--require-promotion` was given."""

    exit_code = 5


class ServiceError(FreshtuneError):
    """A service did not answer; the only class that a retry can help."""

    exit_code = 6
    retryable = True


class Refused(ServiceError):  # noqa: N818 - the condition is the name
    """A service answered, and said no; asking again gives the same answer."""

    retryable = False


class Stopped(FreshtuneError):  # noqa: N818 - an outcome
    """A signal ended the run; the next start goes on from the last checkpoint."""

    exit_code = 143


class Pruned(Stopped):
    """A sweep ended a trial that does worse than others; its checkpoint stays, and a run of its settings goes on from it."""
