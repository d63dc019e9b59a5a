"""The page of a run: one HTML file that opens anywhere, offline."""

import base64
from pathlib import Path
from typing import Any

from tasks.core.report.summary import FATES, RunSummary
from tasks.core.report.tables import WORDS, evaluation_table, headline

TEMPLATE = Path(__file__).with_name("page.html")


def render_page(summary: RunSummary, loss_png: bytes | None) -> str:
    """Render a run as one page without script or outside reference; whatever the summary lacks is left out."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        run=summary,
        word=WORDS.get(summary.status, summary.status),
        headline=headline(summary),
        shares=_shares(summary),
        models=evaluation_table(summary),
        figure=base64.b64encode(loss_png).decode() if loss_png else "",
        facts=_facts(summary),
        private=bool(summary.replies or summary.samples),
    )


def _shares(summary: RunSummary) -> list[dict[str, Any]]:
    total = max(summary.rows.get("in", 0), 1)
    return [
        {"name": name.replace("_", " "), "kind": name, "count": count, "share": 100 * count / total}
        for name in ("kept", *FATES)
        if (count := summary.rows.get(name, 0))
    ]


def _facts(summary: RunSummary) -> list[tuple[str, str]]:
    training = summary.training
    if not training:
        return []
    return [
        ("optimizer steps", f"{training['steps']:,}"),
        ("trainable parameters", f"{training['trainable']:,}"),
        (
            "quantized layers",
            f"{len(training['quantized'])} ({training['quantized_share']:.0%} of the layers' weights)",
        ),
        ("last loss", f"{training['final_loss']:.3f} nats per token"),
        ("adapter weights that moved", f"{training['moved']:.0%}"),
        ("resumed", f"from step {training['resumed_from']}" if training["resumed_from"] else "no"),
        ("processes", f"{training['processes']}"),
    ]
