"""Rates: how long a step takes for so much to do, and how much it writes, by what this kind of machine took before.

Time is a part that is always there and one in proportion to the effort. Where a step has not run on this kind of machine,
the rates of another one stand in, told with the machine's own speed beside that one's.
"""

import json
import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tasks.core.store.making import Made, machine

REFERENCE = Path(__file__).with_name("reference_rates.json")
MOST = 40  # of the newest artifacts of a step tell
SPREAD = 3.0  # between efforts, from which on a constant part can be told from one in proportion
LEAST_ERROR, ALONE, ELSEWHERE = (
    0.1,
    0.2,
    0.5,
)  # relative: at best, of one measurement alone, of another machine's
SIDE, TIMES = 768, 7  # of the matrices whose product says how fast a machine computes
LOOPS = 200_000  # additions in Python, which say how fast it does the rest


@dataclass(frozen=True)
class Rate:
    """Seconds and bytes as `fixed + slope * effort`; `error` is relative to the seconds, `seen` how many runs it is of.

    With `elsewhere` it was measured on another machine.
    """

    fixed: float
    slope: float
    fixed_bytes: float
    slope_bytes: float
    error: float
    seen: int
    elsewhere: bool = False

    def seconds(self, effort: float) -> float:
        """Foretell the time."""
        return self.fixed + self.slope * effort

    def size(self, effort: float) -> float:
        """Foretell the bytes that are written."""
        return self.fixed_bytes + self.slope_bytes * effort


def rate_of(step: str, made: Iterable[Made]) -> Rate | None:
    """Give the rate of a step by its artifacts of this machine, or another's; None where neither says anything."""
    here, told = machine(), list(made)
    timed = [one for one in told if one.effort and one.seconds and one.machine == here and not one.resumed][
        :MOST
    ]
    other = _reference(step)
    if not timed:
        return other
    efforts = [one.effort for one in timed]
    fixed, slope = fit(efforts, [one.seconds for one in timed], other.fixed if other else 0.0)
    fixed_bytes, slope_bytes = fit(efforts, [float(one.size) for one in timed], 0.0)
    misses = [abs(fixed + slope * one.effort - one.seconds) / one.seconds for one in timed]
    error = ALONE if len(timed) == 1 else max(float(np.median(misses)) * 1.5, LEAST_ERROR)
    return Rate(fixed, slope, fixed_bytes, slope_bytes, error, len(timed))


def fit(efforts: Sequence[float], taken: Sequence[float], fixed: float) -> tuple[float, float]:
    """Give the constant part and the slope that come nearest, relative to what was taken; neither is below zero.

    Where the efforts are too much alike to tell the two apart, the constant part is `fixed`, but never nearly all of it.
    """
    x, y = np.asarray(efforts, float), np.maximum(np.asarray(taken, float), 1e-6)
    if x.max() / x.min() >= SPREAD:
        from scipy.optimize import nnls  # type: ignore[import-untyped]

        (constant, slope), _ = nnls(np.column_stack([1 / y, x / y]), np.ones(len(y)))
        return float(constant), float(slope)
    constant = min(fixed, 0.9 * float(y.min()))
    return constant, float(np.median((y - constant) / x))


def _reference(step: str) -> Rate | None:
    """Give the rate of the machine that the reference was measured on, in the time of this one."""
    reference = _read()
    told = reference["steps"].get(step)
    if told is None:
        return None
    slower = 1 / speed_beside(reference["gflops"], reference["loops"])
    return Rate(
        told["fixed"] * slower,
        told["slope"] * slower,
        told["fixed_bytes"],
        told["slope_bytes"],
        ELSEWHERE,
        0,
        elsewhere=True,
    )


@cache
def _read() -> dict[str, Any]:
    reference: dict[str, Any] = json.loads(REFERENCE.read_bytes())
    return reference


def speed_beside(gflops: float, loops: float) -> float:
    """Say how fast this machine is beside one that computes and loops as fast as told: the geometric mean of both ratios.

    Machines whose products differ by a half run a small training, which waits for Python as well, alike.
    """
    mine = speed()
    return math.sqrt(mine[0] / gflops * mine[1] / loops)


@cache
def speed() -> tuple[float, float]:
    """Measure how fast this machine multiplies matrices, in GFLOP/s, and adds in Python, in millions a second: the best of a few short tries."""
    return max(product_speeds(TIMES)), max(loop_speeds(TIMES))


def loop_speeds(times: int) -> list[float]:
    """Time additions in Python again and again; give each time's millions a second."""
    speeds = []
    for _ in range(times):
        began = time.perf_counter()
        sum(one * one for one in range(LOOPS))
        speeds.append(LOOPS / (time.perf_counter() - began) / 1e6)
    return speeds


def product_speeds(times: int) -> list[float]:
    """Time a product of matrices again and again; give each time's GFLOP/s."""
    left, speeds = np.ones((SIDE, SIDE), np.float32), []
    for _ in range(times):
        began = time.perf_counter()
        left @ left
        speeds.append(2 * SIDE**3 / (time.perf_counter() - began) / 1e9)
    return speeds
