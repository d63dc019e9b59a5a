"""The model card is written for people, in Markdown that says no more than it should."""

from typing import Any

import yaml

from tasks.core.report.model_card import model_card

FIGURES = {"loss": 1.5, "perplexity": 4.48, "token_accuracy": 0.625, "rows": 190.0}
REPLIES = {"chrf": 31.25, "rouge_l": 0.418, "ended": 0.75, "replies": 24.0}
STEP = {"seconds": 40.0, "tokens": 1000.0}
SLICE = {"slice": "language: de", "mean": 0.1, "low": 0.05, "high": 0.15, "groups": 40, "fell": False}


def card(**changes: Any) -> str:
    facts: dict[str, Any] = {
        "licence": "apache-2.0",
        "dataset": "d1",
        "redacted": True,
        "counts": {"in": 1700, "train": 1440, "held_out": 190},
        "started": "",
        "metrics": {"base": FIGURES | {"loss": 7.25}, "challenger": FIGURES},
        "verdict": "The gains are beyond noise.",
        "slices": [SLICE],
        "earlier": "",
        "general": {},
        "steps": [STEP, STEP],
    }
    return model_card("support-assistant", "owner/base@abc", "LoRA on a base.", **(facts | changes))


def table_of(text: str, title: str) -> list[list[str]]:
    lines = text.split(f"## {title}", 1)[1].split("##", 1)[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return [row for row in rows if set("".join(row)) - set("-:")]


def test_its_front_matter_is_what_model_hubs_read() -> None:
    _, front, rest = card().split("---\n", 2)
    assert yaml.safe_load(front) == {
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "base_model": "owner/base",
        "license": "apache-2.0",
    }
    assert rest.strip().startswith("# support-assistant\n\nLoRA on a base.")
    folder = model_card("m", "llama 90b67c9a", "d", **_facts())
    assert "base_model" not in folder.split("---\n", 2)[1]


def test_it_says_which_version_it_went_on_from() -> None:
    assert "The training started" not in card()
    told = card(
        started="from version 3: 40 rows new to it and 17 replayed; 123 left out, which it has learned already"
    )
    assert "The training started from version 3: 40 rows new to it" in told
    assert "What that version and those before it were trained on is in this one, too." in told


def _facts() -> dict[str, Any]:
    return {
        "licence": "",
        "dataset": "d",
        "redacted": False,
        "counts": {"train": 2},
        "started": "",
        "metrics": {"base": FIGURES, "challenger": FIGURES},
        "verdict": "",
        "slices": [],
        "earlier": "",
        "general": {},
        "steps": [STEP],
    }


def test_every_figure_is_where_it_is_looked_for() -> None:
    text = card()
    assert table_of(text, "Data")[1:] == [["trained on", "1,440"], ["held out to judge it", "190"]]
    head, base, challenger, _, de = table_of(text, "Quality")
    assert head == ["model", "loss", "perplexity", "token accuracy"]
    assert base == ["base", "7.250", "4.48", "62.5%"]
    assert challenger[:2] == ["challenger", "1.500"]
    assert de == ["language: de", "+0.100", "+0.050 to +0.150", "40"]
    assert "The gains are beyond noise." in text
    assert "took 1 min 20 s for 2,000 tokens. Energy was not measured" in text
    assert "`apache-2.0`, as stated by whoever trained it." in text


def test_what_replies_were_like_is_told_where_all_wrote_some() -> None:
    text = card(metrics={"base": FIGURES | REPLIES, "challenger": FIGURES | REPLIES})
    assert table_of(text, "Quality")[1][4:] == ["31.2", "0.42", "75%"]
    assert "25.0 % of its 24 test replies did not come to an end" in text


def test_energy_is_told_where_every_step_has_it() -> None:
    assert "20.0 Wh of GPUs, as far" in card(steps=[STEP | {"gpu_joules": 36_000.0}] * 2)
    both = STEP | {"gpu_joules": 36_000.0, "cpu_joules": 3_600.0}
    assert "2.0 Wh of processors and 20.0 Wh of GPUs" in card(steps=[both, both])
    assert "not measured" in card(steps=[STEP | {"gpu_joules": 36_000.0}, STEP])


def test_its_limits_are_told() -> None:
    text = card(slices=[SLICE | {"fell": True}, SLICE | {"slice": "product: x", "groups": 2}])
    assert "worse than the model that it was compared with on language: de." in text
    assert "Fewer than 5 requesters, so that the figures say little: product: x." in text
    assert "| language: de (fell) |" in text


def test_what_may_be_forgotten_is_told() -> None:
    gain = {"mean": -0.2, "low": -0.25, "high": -0.15, "rows": 40, "groups": 40}
    english = gain | {"mean": -0.6, "low": -0.65, "high": -0.55, "rows": 20}
    german = gain | {"mean": 0.2, "low": 0.15, "high": 0.25, "rows": 20}
    general = {**gain, "languages": {"de": german, "en": english}, "fell": ["en"]}
    text = card(earlier="not in this store", general=general)
    assert "\nEarlier rows, of the champion's dataset and not in today's: not in this store.\n" in text
    figures = "gain over the base -0.200, interval -0.250 to -0.150; de +0.200; en -0.600 (fell)."
    assert f"\nGeneral text, nats per token on 40 passages: {figures}\n" in text
    assert (
        "foresees less than its base, in nats per token: all -0.200, interval -0.250 to -0.150; en -0.6"
        in text
    )
    assert "foresees less" not in card(general=german | {"languages": {"de": german}, "fell": []})
    assert not any(word in card() for word in ("Earlier rows", "General text"))


def test_the_name_of_a_product_is_only_a_word() -> None:
    text = card(slices=[SLICE | {"slice": "product: a|b\n# <img src=x> [l](u)"}])
    assert table_of(text.replace("\\|", "/"), "Quality")[-1][0].startswith("product: a/b \\# \\<img")
    assert "\n# <" not in text


def test_what_is_not_stated_is_said_to_be_not_stated() -> None:
    text = model_card("m", "llama 90b67c9a", "d", **_facts())
    assert "None was stated (`registry.licence`)." in text
    assert "left in (`cleaning.redact` is false)" in text
    assert "| slice |" not in text
