"""Joules are read from counters, and told only where there are some."""

from pathlib import Path

from tasks.core.fitting.energy import EnergyMeter, energy_counters


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
    assert meter.look() == {"joules": 0.0}
    first.write_text("3500000")
    second.write_text("6000000")
    assert meter.look() == {"joules": 3.5}


def test_a_counter_that_began_anew_tells_nothing_for_that_step(tmp_path: Path) -> None:
    path = counter(tmp_path, "intel-rapl:0", 9_000_000)
    meter = EnergyMeter(energy_counters(0, tmp_path))
    path.write_text("100")
    assert meter.look() == {}
    path.write_text("1000100")
    assert meter.look() == {"joules": 1.0}


def test_without_a_counter_there_are_no_joules(tmp_path: Path) -> None:
    assert EnergyMeter(energy_counters(1, tmp_path)).look() == {}
