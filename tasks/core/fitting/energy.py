"""The energy that a training takes, from the counters of GPUs (NVML) and processors (RAPL) where they may be read."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

POWERCAP = Path("/sys/class/powercap")
Counter = Callable[[], float]


class EnergyMeter:
    """Count joules from one look to the next; a machine without a counter that may be read has none.

    A processor's counter is of all that runs on it, and a GPU's likewise.
    """

    def __init__(self, counters: Sequence[Counter]) -> None:
        self.counters = counters
        self.seen = [read() for read in counters]

    def look(self) -> dict[str, float]:
        """Give the `joules` since the last look; nothing without a counter, or when one began anew."""
        before, self.seen = self.seen, [read() for read in self.counters]
        steps = [now - then for now, then in zip(self.seen, before, strict=True)]
        return {"joules": sum(steps)} if steps and min(steps) >= 0 else {}


def energy_counters(gpus: int, powercap: Path = POWERCAP) -> list[Counter]:
    """Give the counters of the first `gpus` GPUs that PyTorch sees, and of the processors of this machine, in joules."""
    return [*_processors(powercap), *_gpus(gpus)]


def _processors(powercap: Path) -> list[Counter]:
    found: list[Counter] = []
    for path in sorted(powercap.glob("intel-rapl:*/energy_uj")):
        if path.parent.name.count(":") > 1:  # a part of a processor, which its own counter has too
            continue
        try:
            path.read_text()
        except OSError:  # most systems let only root read it
            continue
        found.append(partial(_microjoules, path))
    return found


def _gpus(count: int) -> list[Counter]:
    import torch

    if not count or not torch.cuda.is_available():
        return []
    import pynvml  # type: ignore[import-untyped]

    pynvml.nvmlInit()
    found: list[Counter] = []
    for number in range(min(count, torch.cuda.device_count())):
        handle: Any = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties(number).uuid}")
        try:
            pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
        except pynvml.NVMLError:  # an older one has no counter
            continue
        found.append(partial(_millijoules, pynvml, handle))
    return found


def _microjoules(path: Path) -> float:
    return int(path.read_text()) / 1e6


def _millijoules(nvml: Any, handle: Any) -> float:
    return float(nvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1e3
