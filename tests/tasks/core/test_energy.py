"""Joules are read from counters, and told only where there are some."""

from pathlib import Path

import pytest

from tasks.core.fitting.energy import Counter, EnergyMeter, energy_counters


def counter(folder: Path, name: str, microjoules: int) -> Path:
    path = folder / name / "energy_uj"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{microjoules}\n")
    return path


def test_processors_are_counted_once(tmp_path: Path) -> None:
    first = counter(tmp_path, "intel-rapl:0", 1_000_000)
    counter(tmp_path, "intel-rapl:0:0", 900_000)
    second = counter(tmp_path, "intel-rapl:1", 5_000_000)
    meter = EnergyMeter(energy_counters(0, tmp_path))
    assert meter.look() == {"cpu_joules": 0.0}
    first.write_text("3500000")
    second.write_text("6000000")
    assert meter.look() == {"cpu_joules": 3.5}


def test_a_counter_that_began_anew_goes_on(tmp_path: Path) -> None:
    path = counter(tmp_path, "intel-rapl:0", 9_000_000)
    path.with_name("max_energy_range_uj").write_text("10000000")
    meter = EnergyMeter(energy_counters(0, tmp_path))
    path.write_text("500000")
    assert meter.look() == {"cpu_joules": pytest.approx(1.5)}


def test_what_cannot_be_read_is_not_told_and_stops_nothing(tmp_path: Path) -> None:
    path = counter(tmp_path, "intel-rapl:0", 9_000_000)
    meter = EnergyMeter([*energy_counters(0, tmp_path), Counter("gpu", lambda: 7.0)])
    path.unlink()
    assert meter.look() == {"gpu_joules": 0.0}
    path.write_text("9500000")
    assert meter.look() == {"gpu_joules": 0.0}
    path.write_text("9700000")
    assert meter.look() == {"cpu_joules": pytest.approx(0.2), "gpu_joules": 0.0}


def test_a_counter_without_an_end_that_fell_is_not_told() -> None:
    values = iter([5.0, 1.0])
    assert EnergyMeter([Counter("gpu", lambda: next(values))]).look() == {}


def test_without_a_counter_there_are_no_joules(tmp_path: Path) -> None:
    assert EnergyMeter(energy_counters(1, tmp_path)).look() == {}
