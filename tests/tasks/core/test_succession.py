"""Who may be champion: the one that beat the champion of today, never one that a person set aside, never its equal."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.core.receipts import Adapter, Decision, Promotion, RegisteredModel, Rival, TokenRows
from tasks.core.registry.client import Registry, Version, open_registry
from tasks.core.registry.lineage import quantization_of
from tasks.core.registry.succession import Ruling, rule, why_unfit
from tasks.core.registry.transitions import promote, reject, roll_back
from tasks.core.settings import RegistrySettings
from tasks.core.store.digests import digest_files, digest_folder

YES, NO = Ruling("It is better.", moves=True), Ruling("It is not better.")
OURS = {
    "freshtune.base_digest": "b",
    "freshtune.tokenizer_digest": "t",
    "freshtune.quantization": "nf4-double",
}


def version(number: int, adapter: str = "", promotion: int = 0) -> Version:
    tags = {
        **OURS,
        "freshtune.adapter_digest": adapter or f"a{number}",
        "freshtune.promotion": str(promotion),
    }
    return Version("m", number, f"run{number}", 0.0, (), tags)


CASES = [
    (version(1), None, 0, YES, True, "It is better."),
    (version(1), None, 0, NO, False, "It is not better."),
    (version(2), version(1, promotion=1), 1, YES, True, "It is better."),
    (version(2), version(1, promotion=1), 1, NO, False, "It is not better."),
    (version(2, promotion=2), version(2, promotion=2), 1, YES, True, "It is better."),
    (version(2), version(3, promotion=2), 1, YES, False, "version 3 became champion"),
    (version(2), version(1, promotion=1), 0, YES, False, "judged against no champion"),
    (version(2), None, 1, YES, False, "no champion any more"),
    (version(2, "same"), version(1, "same", 1), 0, YES, False, "the same adapter on the same base"),
    (version(2, promotion=2), version(1, promotion=1), 1, YES, False, "a person has made version 1"),
    (version(2, promotion=2), version(1, promotion=3), 1, YES, True, "It is better."),
    (version(3), version(1, promotion=1), 1, YES, True, "It is better."),
]


@pytest.mark.parametrize(("mine", "champion", "rival", "verdict", "moves", "words"), CASES)
def test_only_the_champion_that_was_beaten_is_replaced(
    mine: Version, champion: Version | None, rival: int, verdict: Ruling, moves: bool, words: str
) -> None:
    ruling = rule(mine, champion, rival, verdict)
    assert ruling.moves == moves
    assert words in ruling.reason


@pytest.mark.parametrize("tag", OURS)
def test_a_champion_of_another_kind_is_for_a_person_to_decide(tag: str) -> None:
    champion = version(4)
    assert why_unfit(champion, OURS) == ""
    reason = why_unfit(champion, {**OURS, tag: "other"})
    assert reason.startswith("The champion, version 4, ")
    assert reason.endswith("a person decides.")


def test_quantization_is_named_so_that_it_can_be_compared() -> None:
    named = {
        quantization_of({"quantization": kind, "double_quant": double})
        for kind in ("nf4", "int8")
        for double in (True, False)
    }
    assert named == {"nf4", "nf4-double", "int8"}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    import tasks.lid

    monkeypatch.setattr(tasks.lid, "create_markdown_artifact", lambda **_: None)
    return tmp_path


def registered(client: Registry, number: int) -> RegisteredModel:
    """Register a version whose adapter is named by its number."""
    tags = {**OURS, "freshtune.adapter_digest": f"a{number}", "freshtune.content_key": f"c{number}"}
    run = client.start_run("experiment", f"run {number}", tags)
    made = client.register("m", run, "model", tags, "")
    return RegisteredModel(
        path="p", digest=f"r{made}", name="m", version=made, run_id=run, content_key=f"c{number}"
    )


def decision(rival: int) -> Decision:
    return Decision(
        path="p", digest=f"d{rival}", outcome="promote", reason=f"It beats {rival}.", gains={}, rival=rival
    )


def promoted(place: Path, model: RegisteredModel, about: Decision) -> tuple[Promotion, bool]:
    """Promote as a run does: take the stored promotion when it still is true. Say whether it was taken."""
    from tasks.promotion import promote_model

    lid, values = (
        promote_model.lid,
        {"workspace": place, "registered": model, "decision": about, "answer": None},
    )
    key = lid.key(values)
    lid.clear_damage(place, values, key)
    taken = (place / "store" / "promotion" / key).exists()
    found: Promotion = promote_model.task.fn(place, model, about, None)
    return found, taken


def test_data_that_comes_back_is_promoted_again_and_every_word_is_true(place: Path) -> None:
    client = open_registry(place)
    one, two = registered(client, 1), registered(client, 2)

    def champion() -> int:
        found = client.champion("m")
        return found.version if found else 0

    assert promoted(place, one, decision(0))[0].moved
    second, _ = promoted(place, two, decision(1))
    assert (second.moved, second.replaced, champion()) == (True, 1, 2)
    assert promoted(place, two, decision(1)) == (second, True)
    back, _ = promoted(place, one, decision(2))
    assert (back.moved, back.replaced, champion()) == (True, 2, 1)
    again, taken = promoted(place, two, decision(1))
    assert (again.moved, taken, champion()) == (True, False, 2)


def test_what_the_gate_kept_out_says_why_until_it_passes(place: Path) -> None:
    client = open_registry(place)
    one = registered(client, 1)
    no = Decision(path="p", digest="no", outcome="keep", reason="It ties.", gains={}, rival=0)
    promoted(place, one, no)
    assert client.version("m", 1).tags["freshtune.kept_out"] == "It ties."  # type: ignore[union-attr]
    promoted(place, one, decision(0))
    assert client.version("m", 1).tags["freshtune.kept_out"] == ""  # type: ignore[union-attr]


def test_a_persons_choice_stays(place: Path) -> None:
    client = open_registry(place)
    one, two = registered(client, 1), registered(client, 2)
    promoted(place, one, decision(0))
    promoted(place, two, decision(1))
    client.set_alias("m", "champion", 1)  # as in MLflow's own pages
    refused, taken = promoted(place, two, decision(1))
    assert (refused.moved, taken, client.champion("m").version) == (False, False, 1)  # type: ignore[union-attr]
    assert "a person has made version 1 champion" in refused.reason
    assert promoted(place, two, decision(1)) == (refused, True)


def test_what_a_person_takes_back_or_rejects_does_not_come_back_by_itself(place: Path) -> None:
    client = open_registry(place)
    one, two, three = (registered(client, number) for number in (1, 2, 3))
    promoted(place, one, decision(0))
    promoted(place, two, decision(1))
    roll_back(client, "m", who="ann", why="It swears.")
    refused, _ = promoted(place, two, decision(1))
    assert (refused.moved, client.champion("m").version) == (False, 1)  # type: ignore[union-attr]
    assert "set aside: ann: It swears." in refused.reason

    reject(client, "m", 3, who="bob", why="Too long.")
    refused, _ = promoted(place, three, decision(1))
    assert not refused.moved
    assert "set aside: bob: Too long." in refused.reason
    promote(client, "m", 3, instead_of=1, who="bob", why="It is fine.", by_person=True)
    assert client.champion("m").version == 3  # type: ignore[union-attr]
    assert client.version("m", 3).tags["freshtune.set_aside"] == ""  # type: ignore[union-attr]


@pytest.fixture
def ask(place: Path) -> Callable[..., Rival | None]:
    """Give a question: which version must a challenger of these properties beat?"""
    from tasks.champion_fetching import find_rival

    client = open_registry(place)
    (place / "rows" / "tokenizer").mkdir(parents=True)
    (place / "rows" / "tokenizer" / "chat_template.jinja").write_text("a template")
    rows = TokenRows(path="rows", digest="rows")
    template = digest_files(digest_folder(place / "rows" / "tokenizer"))
    tags = {**OURS, "freshtune.tokenizer_digest": template}
    for number in (1, 2):
        mine = {**tags, "freshtune.adapter_digest": f"a{number}", "freshtune.content_key": f"c{number}"}
        run = client.start_run("experiment", f"run {number}", mine)
        client.register("m", run, "model", mine, "")
    client.tag_version("m", 2, {"freshtune.replaced": "1"})
    client.set_alias("m", "champion", 2)

    def question(**changes: Any) -> Rival | None:
        values = {"adapter": "a3", "base": "b", "quantization": "nf4", **changes}
        if "template" in changes:
            (place / "rows" / "tokenizer" / "chat_template.jinja").write_text(changes["template"])
        adapter = Adapter(
            path="p",
            digest="x",
            adapter_digest=values["adapter"],
            base_digest=values["base"],
            made_from={"model": {"quantization": values["quantization"], "double_quant": True}},
        )
        found: Rival | None = find_rival.task.fn(place, RegistrySettings(name="m"), adapter, rows)
        return found

    return question


def test_looking_for_the_rival_is_tried_again_when_the_registry_is_away() -> None:
    from tasks.champion_fetching import find_rival
    from tasks.retrying import a_retry_can_help

    assert find_rival.task.retries == 3
    assert find_rival.task.retry_condition_fn is a_retry_can_help
    assert find_rival.task.retry_delay_seconds == [2.0, 8.0, 32.0]


def test_the_rival_is_the_champion_or_the_one_it_replaced(ask: Callable[..., Rival | None]) -> None:
    found, replaced = ask(), ask(adapter="a2")
    assert found is not None
    assert (found.version, found.unfit) == (2, "")
    assert replaced is not None
    assert replaced.version == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"base": "other"}, "another base"),
        ({"quantization": "int8"}, "quantized otherwise"),
        ({"template": "another template"}, "another prompt template"),
    ],
)
def test_a_champion_is_not_scored_as_something_that_it_is_not(
    ask: Callable[..., Rival | None], change: dict[str, str], words: str
) -> None:
    found = ask(**change)
    assert found is not None
    assert words in found.unfit
