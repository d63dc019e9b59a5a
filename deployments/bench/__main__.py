"""Measure Freshtune here and now: `python -m deployments.bench data`, `training` or `quality`."""

import json
from pathlib import Path
from typing import Any

import click


@click.group()
def main() -> None:
    """Measure Freshtune on this machine; keep it quiet meanwhile."""


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


def _give(figures: dict[str, Any], table: str, target: Path | None) -> None:
    click.echo(table)
    if target:
        target.write_text(json.dumps(figures, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
