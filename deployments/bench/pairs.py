"""Pairs: two ways to the same end, timed in turns, with a guard that both came to it and a look at how quiet the machine was."""

import statistics
import time
from collections.abc import Callable
from typing import Any

from tasks.core.planning.rates import product_speeds

Measured = dict[str, Any]
TRIES = 15
NOISE = 0.25  # of the matrix product's median, between its fastest and slowest quarter, from which on no ratio is told


def compare(
    what: str,
    names: tuple[str, str],
    ways: tuple[Callable[[], Any], Callable[[], Any]],
    rounds: int,
    equal: Callable[[Any, Any], bool],
    before: Callable[[], None] = lambda: None,
) -> Measured:
    """Time both ways in turns, `rounds` times each after one that is not counted; the ratio is of the second to the first.

    `before` is done, untimed, before each. Where they do not come to the same, by `equal`, or the machine was not quiet, no
    ratio is told.
    """
    times: tuple[list[float], list[float]] = ([], [])
    products, same = [], True
    for count in range(rounds + 1):
        results = []
        for way, taken in zip(ways, times, strict=True):
            before()
            product = product_speed()
            began = time.perf_counter()
            results.append(way())
            if count:
                taken.append(time.perf_counter() - began)
                products.append(product)
        same = same and equal(*results)
    ratios = [second / first for first, second in zip(*times, strict=True)]
    quiet = noise(products) <= NOISE
    return {
        "what": what,
        "ways": [
            {
                "name": name,
                "seconds": round(statistics.median(taken), 4),
                "all": [round(one, 4) for one in taken],
            }
            for name, taken in zip(names, times, strict=True)
        ],
        "ratio": round(statistics.median(ratios), 3) if quiet and same else None,
        "spread": [round(min(ratios), 3), round(max(ratios), 3)],
        "equal": same,
        "noise": round(noise(products), 3),
    }


def repeated(what: str, way: Callable[[], float], rounds: int) -> Measured:
    """Take a time `rounds` times, after one that is not counted."""
    way()
    products, taken = [], []
    for _ in range(rounds):
        products.append(product_speed())
        taken.append(way())
    return {
        "what": what,
        "seconds": round(statistics.median(taken), 3),
        "spread": [round(min(taken), 3), round(max(taken), 3)],
        "noise": round(noise(products), 3),
    }


def product_speed() -> float:
    """Say how fast the machine multiplies matrices just now, in GFLOP/s."""
    return statistics.median(product_speeds(TRIES))


def noise(products: list[float]) -> float:
    """Give how far the slowest and the fastest quarter of a machine's speeds lie apart, of their median."""
    if len(products) < 2:
        return 0.0
    quarters = statistics.quantiles(products, n=4)
    return (quarters[2] - quarters[0]) / statistics.median(products)


def pair_lines(measured: Measured) -> list[str]:
    """Lay a comparison out for people."""
    first, second = measured["ways"]
    why = "" if measured["equal"] else "  not the same result"
    why = why or f"  too noisy ({measured['noise']:.0%})"
    ratio = f"{measured['ratio']:.2f} x" if measured["ratio"] else f"no ratio:{why}"
    low, high = measured["spread"]
    return [
        f"{measured['what']}",
        f"  {first['name']:<44}{first['seconds']:>9.3f} s",
        f"  {second['name']:<44}{second['seconds']:>9.3f} s   {ratio} ({low:.2f} to {high:.2f})",
    ]


def time_line(measured: Measured) -> str:
    """Lay a repeated time out for people."""
    low, high = measured["spread"]
    return f"{measured['what']:<46}{measured['seconds']:>9.2f} s   ({low:.2f} to {high:.2f})"
