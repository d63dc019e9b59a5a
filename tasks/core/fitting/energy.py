"""The energy that a training takes, from the counters of GPUs (NVML) and processors (RAPL) where they may be read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

POWERCAP = Path("/sys/class/powercap")


@dataclass(frozen=True)
class Counter:
    """A counter of joules, of a `cpu` or a `gpu`, that begins anew at `end`; 0 for one that does not."""

    kind: str
    read: Callable[[], float]
    end: float = 0.0


class EnergyMeter:
    """Count joules from one look to the next, by kind; what has no counter that may be read is not told.

    A processor's counter is of all that runs on it, and a GPU's likewise.
    """

    def __init__(self, counters: Sequence[Counter]) -> None:
        self.counters = counters
        self.seen = self._read()

    def look(self) -> dict[str, float]:
        """Give `cpu_joules` and `gpu_joules` since the last look; nothing of what could not be read both times."""
        before, self.seen = self.seen, self._read()
        told: dict[str, float] = {}
        lost = set[str]()
        for counter, then, now in zip(self.counters, before, self.seen, strict=True):
            name = f"{counter.kind}_joules"
            if then is None or now is None or (now < then and not counter.end):
                lost.add(name)
            else:
                told[name] = told.get(name, 0.0) + now - then + (counter.end if now < then else 0.0)
        return {name: joules for name, joules in told.items() if name not in lost}

    def _read(self) -> list[float | None]:
        return [_attempt(counter.read) for counter in self.counters]


def energy_counters(gpus: int, powercap: Path = POWERCAP) -> list[Counter]:
    """Give the counters of the processors of this machine, and of the first `gpus` GPUs that PyTorch sees."""
    return [*_processors(powercap), *_gpus(gpus)]


def _processors(powercap: Path) -> list[Counter]:
    """Give the counter of each processor; its parts have counters too, which its own includes."""
    paths = [
        path for path in sorted(powercap.glob("intel-rapl:*/energy_uj")) if path.parent.name.count(":") == 1
    ]
    found = []
    for path in paths:
        read = partial(_microjoules, path)
        if _attempt(read) is not None:  # most systems let only root read it
            end = _attempt(partial(_microjoules, path.with_name("max_energy_range_uj")))
            found.append(Counter("cpu", read, end or 0.0))
    return found


def _gpus(count: int) -> list[Counter]:
    import torch

    if not count or not torch.cuda.is_available():
        return []
    found = []
    for number in range(min(count, torch.cuda.device_count())):
        read = partial(_nvml_joules, f"GPU-{torch.cuda.get_device_properties(number).uuid}")
        if _attempt(read) is not None:  # older ones have no counter, and parts of one none of their own
            found.append(Counter("gpu", read))
    return found


def _attempt(read: Callable[[], float]) -> float | None:
    """Read a counter; None where it cannot be read: energy is told, and stops no training."""
    from pynvml import NVMLError  # type: ignore[import-untyped]

    try:
        return read()
    except (OSError, ValueError, NVMLError):
        return None


def _microjoules(path: Path) -> float:
    return int(path.read_text()) / 1e6


def _nvml_joules(uuid: str) -> float:
    import pynvml as nvml

    nvml.nvmlInit()
    handle: Any = nvml.nvmlDeviceGetHandleByUUID(uuid)
    return float(nvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1e3
