"""Measure Freshtune here and now: `freshtune bench all`, or one area: `python -m deployments.bench data`, `training`, `models`, `operation` or `quality`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


@click.group()
def main() -> None:
    """Measure Freshtune on this machine; keep it quiet meanwhile.

    Figures are printed as a table, and written as JSON with --target: freshtune bench all --target figures.json
    """


@main.command(name="all")
@click.option("--rounds", default=5, show_default=True, help="Rounds of what is measured in turns.")
@click.option(
    "--rows", multiple=True, type=int, default=(10_000, 100_000), show_default=True, help="Sizes of logs."
)
@click.option("--target", type=click.Path(path_type=Path), help="Write the figures as JSON.")
def everything(rounds: int, rows: tuple[int, ...], target: Path | None) -> None:
    """Measure all that the documentation quotes, area by area, in one run; about an hour on two cores."""
    from deployments.bench.data_chapter import data_table, measure_data
    from deployments.bench.models import measure_models, models_table
    from deployments.bench.operation import measure_operation, operation_table
    from deployments.bench.training import measure_training, training_table

    areas: tuple[tuple[str, Callable[[], dict[str, Any]], Callable[[dict[str, Any]], str]], ...] = (
        ("data", lambda: measure_data(rows, (), "demo"), data_table),
        ("training", lambda: measure_training(rounds), training_table),
        ("models", lambda: measure_models(rounds), models_table),
        ("operation", lambda: measure_operation(rounds, "demo"), operation_table),
    )
    figures: dict[str, Any] = {}
    for name, measure, table in areas:
        click.echo(f"{name}\n")
        figures[name] = measure()
        _give(figures[name], f"{table(figures[name])}\n", None)
        if target:
            target.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


@main.command()
@click.option(
    "--rows",
    multiple=True,
    type=int,
    default=(10_000, 100_000),
    show_default=True,
    help="Sizes of generated logs.",
)
@click.option("--logs", multiple=True, help="Real logs beside the generated ones; repeatable.")
@click.option("--recipe", default="demo", show_default=True, help="Recipe that reads the real logs.")
@click.option("--target", type=click.Path(path_type=Path), help="Write the figures as JSON.")
def data(rows: tuple[int, ...], logs: tuple[str, ...], recipe: str, target: Path | None) -> None:
    """Measure the data chapter: all rows new, none new, one in a hundred new."""
    from deployments.bench.data_chapter import data_table, measure_data

    figures = measure_data(rows, logs, recipe)
    _give(figures, data_table(figures), target)


@main.command()
@click.option("--rounds", default=5, show_default=True, help="Rounds; each measures every recipe once.")
@click.option("--target", type=click.Path(path_type=Path), help="Write the figures as JSON.")
def training(rounds: int, target: Path | None) -> None:
    """Measure training against the guide's recipe and TRL (pip install 'freshtune[bench]')."""
    from deployments.bench.training import measure_training, training_table

    figures = measure_training(rounds)
    _give(figures, training_table(figures), target)


@main.command()
@click.option("--workspace", type=click.Path(path_type=Path), default=Path(".freshtune"), show_default=True)
@click.option("--epochs", default=1, show_default=True, help="Passes over the rows.")
@click.option(
    "--rows", default=0, show_default=True, help="Most rows to train on, the first by id; 0 is all."
)
@click.option("--target", type=click.Path(path_type=Path), help="Write the figures as JSON.")
def quality(workspace: Path, epochs: int, rows: int, target: Path | None) -> None:
    """Measure the held-out loss against TRL and the guide, on the newest rows of a workspace."""
    from deployments.bench.quality import measure_quality, quality_table

    figures = measure_quality(workspace, epochs, rows)
    _give(figures, quality_table(figures), target)


@main.command()
@click.option("--rounds", default=5, show_default=True, help="Rounds; each measures both ways once.")
@click.option("--target", type=click.Path(path_type=Path), help="Write the figures as JSON.")
def models(rounds: int, target: Path | None) -> None:
    """Measure a 4-bit base from the store against quantizing it, and a merge against a copy of the files."""
    from deployments.bench.models import measure_models, models_table

    figures = measure_models(rounds)
    _give(figures, models_table(figures), target)


@main.command()
@click.option("--rounds", default=3, show_default=True, help="Rounds of what is measured again and again.")
@click.option("--recipe", default="demo", show_default=True, help="Recipe that is run.")
@click.option("--target", type=click.Path(path_type=Path), help="Write the figures as JSON.")
def operation(rounds: int, recipe: str, target: Path | None) -> None:
    """Measure the flow beside its steps, a run with nothing new, the command line's start, and plans against runs."""
    from deployments.bench.operation import measure_operation, operation_table

    figures = measure_operation(rounds, recipe)
    _give(figures, operation_table(figures), target)


def _give(figures: dict[str, Any], table: str, target: Path | None) -> None:
    click.echo(table)
    if target:
        target.write_text(json.dumps(figures, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
