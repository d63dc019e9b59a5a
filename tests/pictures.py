"""Take the pictures of the documents.

    python tests/pictures.py report .freshtune/runs/RUN/report.html
    python tests/pictures.py pages

They are of the sample logs, which this project wrote: of other logs none may be shown.
"""

import os
import subprocess
import sys
from pathlib import Path

import click
from browsers import opened
from PIL import Image

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
MOST = 300 * 1024  # bytes: a README is to open at once
STORY = "tests/deployments/test_operating.py"
PAGES = ("prefect-run.png", "prefect-approval.png", "prefect-summary.png", "mlflow-version.png")
"""What it leaves."""
COLOURS = 256  # of a page without photographs, which nobody can tell from all of them
WINDOW = {"width": 1280, "height": 900}


@click.group()
def pictures() -> None:
    """Take the pictures of the documents."""


@pictures.command()
@click.argument("page", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def report(page: Path) -> None:
    """Take the first screen of a run's report."""
    target = PICTURES / "report.png"
    with opened(page.resolve(), viewport=WINDOW, device_scale_factor=1.5, color_scheme="light") as (seen, _):
        seen.screenshot(path=target)
    make_light(target)


@pictures.command()
def pages() -> None:
    """Take the pages of Prefect and MLflow, as the tests of the services come to them."""
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", STORY],
        check=True,
        cwd=PICTURES.parents[1],
        env={**os.environ, "FRESHTUNE_PICTURES": str(PICTURES)},
    )
    for name in PAGES:
        make_light(PICTURES / name)


def make_light(target: Path) -> None:
    """Write a picture again in fewer colours; one that is too heavy all the same is an error."""
    with Image.open(target) as picture:
        picture.convert("RGB").quantize(COLOURS).save(target, optimize=True)
    size = target.stat().st_size
    if size > MOST:
        raise click.ClickException(f"{target.name} has {size:,} bytes; at most {MOST:,} are wanted.")
    click.echo(f"{target}: {size:,} bytes")


if __name__ == "__main__":
    pictures()
