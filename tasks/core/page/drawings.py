"""Drawings: figures of matplotlib as SVG that lies in a page, in the page's own colours and letters.

A figure is drawn twice, for a wide page and for a phone, at the size at which it is shown: letters keep their size. It
holds neither date, version nor random id, so that the same numbers give the same characters.
"""

import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any
from xml.etree import ElementTree as ET

WIDE, NARROW = 880, 300  # CSS pixels
PIXELS = 72  # to the inch, so that matplotlib's points are CSS pixels
# What is drawn in the colours on the right is shown in the variables of the page's style on the left.
PAINTS = {
    name: f"#0f00{number:02x}"
    for number, name in enumerate(
        ("ink", "soft", "line", "accent", "pale", "held", "warn", "bad", "over_length", "card"), start=1
    )
}
STYLE = {
    "font.size": 12,
    "font.family": "sans-serif",
    "svg.fonttype": "none",
    "svg.hashsalt": "freshtune",
    "text.parse_math": False,  # a dollar sign in the name of a product is no formula
    "text.color": PAINTS["ink"],
    "axes.edgecolor": PAINTS["line"],
    "axes.labelcolor": PAINTS["soft"],
    "xtick.labelcolor": PAINTS["soft"],
    "ytick.labelcolor": PAINTS["soft"],
}
LETTERS = re.compile(r"font-family: [^;]*; ?")
UNTURNED = "rotate(-0 "  # how matplotlib says that a text is level
DIGITS = re.compile(r"(\.\d\d)\d+")
REFERENCE = re.compile(r"#([\w-]+)")
LEFT_OUT = ("metadata", "style")
SHAPES = ("d", "x", "y", "transform", "points", "width", "height")

Draw = Callable[[Any, bool], None]
"""Draw into a matplotlib figure, which is narrow or not."""


@dataclass(frozen=True)
class Drawing:
    """A figure for a wide page and for a narrow one, and the numbers behind it."""

    wide: str
    narrow: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def drawing(
    name: str,
    title: str,
    told: str,
    draw: Draw,
    heights: tuple[int, int],
    *,
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
) -> Drawing:
    """Draw a figure for both widths, `heights` pixels high; `told` says in words what there is to see.

    `name` is unique in a page. `rows` are the numbers, as they are to be read.
    """
    wide, narrow = (
        _svg(f"{name}-{kind}", title, told, draw, size)
        for kind, size in (("wide", (WIDE, heights[0])), ("narrow", (NARROW, heights[1])))
    )
    return Drawing(wide, narrow, tuple(head), tuple(tuple(row) for row in rows))


def name_axis(axes: Any, words: str) -> None:
    """Name the vertical axis above it, level, where it is read first."""
    axes.set_title(words, loc="left", fontsize=12, color=PAINTS["soft"], pad=8)


def dress(axes: Any, ticks: int, narrow: bool, *, whole: bool = True, grid: str = "y") -> None:
    """Dress axes as all of a page are: lines only where they are read along, and few `ticks`.

    `whole` are steps along the horizontal axis; without them its ticks are the caller's, and the vertical one counts rows.
    """
    from matplotlib.ticker import MaxNLocator

    if whole:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=4 if narrow else 8, integer=True))
    if grid == "x":
        axes.xaxis.set_major_locator(MaxNLocator(nbins=4 if narrow else 7))
    else:
        axes.yaxis.set_major_locator(MaxNLocator(nbins=ticks, integer=not whole))
    axes.margins(x=0.01 if grid == "y" else 0.04)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.grid(axis=grid, color=PAINTS["line"], linewidth=1)
    axes.set_axisbelow(True)
    axes.patch.set_visible(False)
    axes.tick_params(length=0, pad=6)


def _svg(name: str, title: str, told: str, draw: Draw, size: tuple[int, int]) -> str:
    import matplotlib.style
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    with matplotlib.style.context(["default", STYLE]), warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "Glyph"
        )  # that matplotlib lacks: the reader's browser has letters of its own
        inches = (size[0] / PIXELS, size[1] / PIXELS)
        figure = Figure(
            figsize=inches, dpi=PIXELS, layout=ConstrainedLayoutEngine(w_pad=0, h_pad=0.03), frameon=False
        )
        FigureCanvasSVG(figure)
        draw(figure, size[0] == NARROW)
        drawn = StringIO()
        figure.savefig(
            drawn, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")), dpi=PIXELS
        )
    return _as_part(drawn.getvalue(), name, title, told, size)


def _as_part(svg: str, name: str, title: str, told: str, size: tuple[int, int]) -> str:
    """Make a file of matplotlib's a part of a page: named, in the page's colours, with nothing that reaches beyond it."""
    root = ET.fromstring(svg)  # noqa: S314 - matplotlib has just written it
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.rpartition("}")[2] in LEFT_OUT:
                parent.remove(child)
    used = {
        found for one in root.iter() for value in one.attrib.values() for found in REFERENCE.findall(value)
    }
    for one in root.iter():
        one.tag = one.tag.rpartition("}")[2]
        one.attrib = {
            key.rpartition("}")[2]: _attribute(key, value, name)
            for key, value in one.attrib.items()
            if (key != "id" or value in used) and not value.startswith(UNTURNED)
        }
        one.text, one.tail = (text if text and text.strip() else None for text in (one.text, one.tail))
    root.attrib = {
        "viewBox": f"0 0 {size[0]} {size[1]}",
        "role": "img",
        "aria-labelledby": f"{name}-title {name}-told",
    }
    for place, (tag, text) in enumerate((("title", title), ("desc", told))):
        said = ET.Element(tag, id=f"{name}-{'told' if place else 'title'}")
        said.text = text
        root.insert(place, said)
    return ET.tostring(root, encoding="unicode")


def _attribute(key: str, value: str, name: str) -> str:
    """Give an attribute as the page has it."""
    if key == "id":
        return f"{name}-{value}"
    if key in SHAPES:
        return " ".join(DIGITS.sub(r"\1", value).split())
    for paint, colour in PAINTS.items():
        value = value.replace(colour, f"var(--{paint})")
    value = LETTERS.sub("", value)
    return REFERENCE.sub(rf"#{name}-\1", value) if "url(#" in value or key.endswith("href") else value
