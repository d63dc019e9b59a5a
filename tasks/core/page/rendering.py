"""The page of a run: one HTML file that opens anywhere, offline.

It is made of chapters, each a template of its own. A chapter that a run has nothing for is not there.
"""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from tasks.core.page import data_parts, model_parts, origin_parts, training_parts
from tasks.core.page.differences import compared_replies
from tasks.core.page.drawings import Drawing
from tasks.core.page.samples import shown_samples
from tasks.core.report.summary import RunSummary
from tasks.core.report.sweep_tables import trials_table
from tasks.core.report.tables import (
    WORDS,
    comparison_line,
    earlier_line,
    figure_of,
    general_line,
    golden_line,
    golden_table,
    harness_table,
    headline,
    news_line,
    replies_table,
    sentence,
)
from tasks.core.report.wording import clock, percent, spoken, value_of

TEMPLATES = Path(__file__).with_name("templates")
NUMBER: Callable[[Any], str] = "{:,}".format
PRIVATE = frozenset(("replies", "golden_replies", "samples"))  # chapters with text from the logs
# Chapters in their order: the name of the template, the title, and the parts of which it needs one.
CHAPTERS = (
    ("warnings", "To know", ("warnings",)),
    ("rows", "Where the rows went", ("shares",)),
    ("read", "What was read", ("notes",)),
    ("news", "What is new", ("news", "news_line")),
    ("cleaning", "What cleaning changed", ("changes", "personal")),
    ("expectations", "Expectations", ("suites",)),
    ("examples", "The examples", ("spread", "lengths")),
    ("trials", "Trials of the sweep", ("trials",)),
    ("training", "Training", ("facts", "losses")),
    (
        "models",
        "Models on the held-out rows",
        ("models", "gains", "slices", "compared", "earlier", "general"),
    ),
    ("harness", "Tasks of lm-eval", ("harness",)),
    ("golden", "Golden cases", ("golden",)),
    ("replies", "Replies before and after", ("replies",)),
    ("golden_replies", "Replies to golden cases", ("golden_replies",)),
    ("samples", "What the model is shown", ("samples",)),
    ("merge", "Merged equals trained", ("merge",)),
    ("lineage", "Lineage", ("origin", "digests", "log_shards")),
    ("cost", "Cost", ("steps", "facts")),
    ("settings", "Settings", ("sections",)),
)


def render_page(summary: RunSummary, drawings: Mapping[str, Drawing] | None = None, docs: str = "") -> str:
    """Render a run as one page without script or outside reference; whatever the summary lacks is left out.

    `drawings` are figures by name: `losses`, `lengths`, `gains`. `docs` is where the Data Docs lie beside the page, for a
    link to them; a page that is to be sent elsewhere has none. The page is private where the summary is, and says so.
    """
    drawn = dict(drawings or {})
    parts = {**_data(summary), **_training(summary), **_models(summary), **_origin(summary)}
    told = {**parts, **drawn, "gains": summary.gains}
    return (
        _environment()
        .get_template("page.html")
        .render(
            run=summary,
            word=WORDS.get(summary.status, summary.status),
            tiles=model_parts.tiles(summary),
            chapters=[
                {"name": name, "title": _title(name, title, summary), "private": name in PRIVATE}
                for name, title, needs in CHAPTERS
                if any(told.get(one) for one in needs)
            ],
            drawn=drawn,
            docs=docs,
            **parts,
        )
    )


@cache
def _environment() -> Any:
    """Open the templates; they are compiled once in a process."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        words=value_of, perplexity=figure_of, clock=clock, percent=percent, number=NUMBER, spoken=spoken
    )
    return environment


def _title(name: str, title: str, summary: RunSummary) -> str:
    """Give a chapter's title; what cannot be merged is served beside the base."""
    return "Served equals trained" if name == "merge" and "beside" in summary.merge else title


def _data(summary: RunSummary) -> dict[str, Any]:
    return {
        "warnings": [(one, summary.cures.get(one, "")) for one in summary.warnings],
        "notes": summary.notes,
        "shares": data_parts.shares(summary),
        "other_reasons": data_parts.other_reasons(summary),
        "news": data_parts.news(summary.worth),
        "news_line": news_line(summary),
        "changes": data_parts.changes(summary),
        "personal": data_parts.personal_data(summary),
        "spread": data_parts.spread(summary),
        "lengths": data_parts.lengths(summary),
        "suites": data_parts.suites(summary),
        "severities": data_parts.severities(summary),
        "samples": shown_samples(summary.samples),
    }


def _training(summary: RunSummary) -> dict[str, Any]:
    return {
        "trials": trials_table(summary),
        "trial_problems": training_parts.trial_problems(summary.sweep),
        "facts": [*training_parts.start(summary), *training_parts.facts(summary.training)],
        "cost": training_parts.cost(summary),
        "trained_before": training_parts.trained_before(summary),
        "steps": training_parts.steps(summary),
        "merge": summary.merge,
    }


def _models(summary: RunSummary) -> dict[str, Any]:
    return {
        "headline": headline(summary),
        "models": model_parts.models(summary),
        "written": replies_table(summary),
        "asked": int(max((figures.get("replies", 0) for figures in summary.metrics.values()), default=0)),
        "slices": summary.slices,
        "gain_note": model_parts.gain_note(summary),
        "earlier": sentence(earlier_line(summary)),
        "general": sentence(general_line(summary)),
        "compared": comparison_line(summary),
        "harness": harness_table(summary),
        "golden": golden_table(summary),
        "golden_line": golden_line(summary),
        "replies": compared_replies(summary.replies),
        "golden_replies": summary.golden_replies,
    }


def _origin(summary: RunSummary) -> dict[str, Any]:
    return {
        "origin": origin_parts.origin(summary),
        "digests": origin_parts.digests(summary),
        "log_shards": origin_parts.shards(summary),
        "sections": origin_parts.sections(summary),
    }
