"""Data Docs: what Great Expectations writes of a run's validations, as pages that read without a network.

Great Expectations renders the sections of a page; frame, style and index are ours, since its own fetch both from the
internet. The pages hold rules, counts and shares, as the stored results do; no value of a row.
"""

import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 68rem; margin: 2rem auto; padding: 0 1rem; }
h4, h5, h6, h1 { margin: .4rem 0; font-size: 1.1rem; font-weight: 600; }
h6 { font-size: 1rem; } h1 { font-size: 1.4rem; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1.2rem; }
td, th { border-bottom: 1px solid #8884; padding: .35rem .6rem; text-align: left; vertical-align: top; }
.ge-section { margin: 1.2rem 0; } .alert { background: #8881; padding: .5rem .8rem; border-radius: .4rem; }
.badge { background: #8882; padding: 0 .35rem; border-radius: .3rem; }
.fa-check-circle::before, .met::before { content: "\\2713"; color: #2a7; }
.fa-times::before, .not-met::before { content: "\\2717"; color: #c33; }
.fa-exclamation-triangle::before { content: "!"; color: #b80; }
i { font-style: normal; }
"""
FRAME = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title><style>{style}</style></head>
<body>{body}</body></html>
"""
SECTIONS = "{% for section in sections %}{% set section_loop = loop -%}{% include 'section.j2' %}{% endfor %}"
DEAD_LINK = re.compile(r"<a [^>]*href=\"\.\./[^\"]*\"[^>]*>(.*?)</a>", re.DOTALL)
KNOWN = "expect_column_values_to_be_in_set"


def build_data_docs(results: Sequence[Mapping[str, Any]], folder: Path) -> Path:
    """Write one page for each stored result of a run, and an index; gives the path of the index.

    A result is what `QualityResult.to_json` gave; `part` names its shard, where there is more than one. One that looked
    at no rows has no page.
    """
    folder.mkdir(parents=True, exist_ok=True)
    view = _view()
    lines = []
    for number, result in enumerate(results, 1):
        name = f"validation-{number:04}.html" if result.get("validation") else ""
        if name:
            (folder / name).write_text(_page(result, view), encoding="utf-8")
        lines.append(_line(result, name))
    index = folder / "index.html"
    index.write_text(_index(lines), encoding="utf-8")
    return index


def _view() -> Any:
    """Open Great Expectations' view with a page that is nothing but its sections."""
    from great_expectations.render.view import DefaultJinjaPageView
    from jinja2 import ChoiceLoader, DictLoader

    view = DefaultJinjaPageView()
    view.env.loader = ChoiceLoader([DictLoader({"page.j2": SECTIONS}), view.env.loader])
    return view


def _page(result: Mapping[str, Any], view: Any) -> str:
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer

    part = str(result.get("part") or f"{result['rows']:,} rows")
    document = ValidationResultsPageRenderer(run_info_at_end=True).render(
        _validation(result["validation"], part)
    )
    document.sections.pop()  # the run's name and time, which a stored result does not have
    body = DEAD_LINK.sub(r"\1", view.render(document))
    return _framed(_title(result), f'<p><a href="index.html">All validations</a></p>{body}')


def _validation(stored: Mapping[str, Any], part: str) -> Any:
    """Give a stored result the way Great Expectations' renderers take it."""
    from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    results = [
        ExpectationValidationResult(
            success=one["success"],
            expectation_config=ExpectationConfiguration(**_readable(one["expectation_config"])),
            result=dict(one["result"]),
            exception_info={
                "raised_exception": False,
                "exception_message": None,
                "exception_traceback": None,
            },
        )
        for one in stored["results"]
    ]
    return ExpectationSuiteValidationResult(
        success=stored["success"],
        results=results,
        suite_name=str(stored["suite_name"]),
        statistics=dict(stored["statistics"]),
        meta={"batch_spec": {"data_asset_name": part}},
    )


def _readable(config: Mapping[str, Any]) -> dict[str, Any]:
    """Describe an expectation by rule, severity and reason; a type that is not loaded here is shown all the same."""
    from great_expectations.expectations.registry import list_registered_expectation_implementations

    limits = {name: value for name, value in config["kwargs"].items() if name != "column"}
    words = f"{config['meta']['rule']} ({config['severity']}). {config['notes']}"
    kind = config["type"] if config["type"] in list_registered_expectation_implementations() else KNOWN
    kwargs = dict(config["kwargs"]) if kind != KNOWN else {"value_set": [], **config["kwargs"]}
    described = escape(f"{words}\n{config['type']} {limits or ''}")
    return {"type": kind, "kwargs": kwargs, "description": described, "severity": config["severity"]}


def _line(result: Mapping[str, Any], name: str) -> str:
    broken = [check for check in result["checks"] if not check["passed"]]
    told = "; ".join(f"{check['expectation']} ({check['severity']}, {check['failed']:,})" for check in broken)
    title = f'<a href="{name}">{escape(_title(result))}</a>' if name else escape(_title(result))
    mark = f'<i class="{"not-met" if broken else "met"}"></i>'
    return f"<tr><td>{mark}</td><td>{title}</td><td>{result['rows']:,}</td><td>{escape(told)}</td></tr>"


def _index(lines: Sequence[str]) -> str:
    head = "<tr><th></th><th>Validation</th><th>Rows</th><th>Not met (severity, rows)</th></tr>"
    return _framed("Data Docs", f"<h1>Data Docs</h1><table>{head}{''.join(lines)}</table>")


def _title(result: Mapping[str, Any]) -> str:
    part = f", {result['part']}" if result.get("part") else ""
    return f"{str(result['suite']).replace('_', ' ')}{part}"


def _framed(title: str, body: str) -> str:
    return FRAME.format(title=escape(title), style=STYLE, body=body)
