"""Who is champion changes one at a time, can be undone, and the registry knows who did it and why, whatever was killed when."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from tasks.core.errors import Refused, ServiceError, SettingsError
from tasks.core.registry import transitions
from tasks.core.registry.client import Registry, open_registry
from tasks.core.registry.transitions import CLAIM, Event, history, promote, reject, roll_back


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    return open_registry(tmp_path_factory.mktemp("workspace"))


@pytest.fixture
def name(registry: Registry, request: pytest.FixtureRequest) -> str:
    """Make a model of four versions and give its name, another one for each test."""
    model = request.node.name.replace("[", " ").replace("]", "")
    for number in range(1, 5):
        tags = {"freshtune.content_key": f"{model} {number}"}
        registry.register(model, registry.start_run("experiment", "run", tags), "model", tags, "")
    return model


def by_gate(registry: Registry, name: str, version: int, instead_of: int) -> Event:
    return promote(
        registry, name, version, instead_of=instead_of, who="the gate", why=f"{version} is better."
    )


def champion(registry: Registry, name: str) -> int:
    return registry.aliases(name).get("champion", 0)


def told(registry: Registry, name: str) -> list[tuple[str, int, int, str]]:
    return [(one.kind, one.before, one.after, one.who) for one in history(registry, name)]


def test_a_promotion_moves_the_aliases_and_is_told(registry: Registry, name: str) -> None:
    began = time.time()
    registry.set_alias(name, "challenger", 2)
    by_gate(registry, name, 1, 0)
    assert registry.aliases(name) == {"champion": 1, "challenger": 2}
    by_gate(registry, name, 2, 1)
    assert registry.aliases(name) == {"champion": 2, "previous": 1}
    assert told(registry, name) == [("promoted", 0, 1, "the gate"), ("promoted", 1, 2, "the gate")]
    first, second = history(registry, name)
    assert began - 1 < first.when <= second.when <= time.time()
    assert second.why == "2 is better."


def test_rolling_back_leads_further_back_each_time(registry: Registry, name: str) -> None:
    for version in (1, 2, 3):
        by_gate(registry, name, version, version - 1)
    roll_back(registry, name, who="ann", why="Wrong.")
    assert registry.aliases(name) == {"champion": 2, "previous": 1}
    by_gate(registry, name, 4, 2)
    assert registry.aliases(name) == {"champion": 4, "previous": 2}
    roll_back(registry, name, who="ann", why="Wrong again.")
    roll_back(registry, name, who="ann", why="And again.")
    assert registry.aliases(name) == {"champion": 1}
    with pytest.raises(SettingsError, match=r"no version of .* to roll back to"):
        roll_back(registry, name, who="ann", why="Once more.")
    assert told(registry, name)[-2:] == [("rolled back", 4, 2, "ann"), ("rolled back", 2, 1, "ann")]


def test_what_was_rejected_is_passed_over_on_the_way_back(registry: Registry, name: str) -> None:
    for version in (1, 2, 3):
        by_gate(registry, name, version, version - 1)
    reject(registry, name, 2, who="bob", why="It promises refunds.")
    assert registry.aliases(name) == {"champion": 3, "previous": 1}
    reject(registry, name, 1, who="bob", why="It does, too.")
    assert registry.aliases(name) == {"champion": 3}
    with pytest.raises(SettingsError, match=r"no version of .* to roll back to"):
        roll_back(registry, name, who="ann", why="Wrong.")
    promote(registry, name, 1, instead_of=3, who="ann", why="It does not.", by_person=True)
    by_gate(registry, name, 4, 1)
    roll_back(registry, name, who="ann", why="Wrong.")
    assert registry.aliases(name) == {"champion": 1, "previous": 3}


def test_versions_that_replaced_each_other_lead_back_to_none(registry: Registry, name: str) -> None:
    by_gate(registry, name, 1, 0)
    by_gate(registry, name, 2, 1)
    promote(registry, name, 1, instead_of=2, who="ann", why="It was better.", by_person=True)
    reject(registry, name, 2, who="ann", why="It swears.")
    assert registry.aliases(name) == {"champion": 1}


def test_rejecting_leaves_the_champion(registry: Registry, name: str) -> None:
    by_gate(registry, name, 1, 0)
    registry.set_alias(name, "challenger", 2)
    reject(registry, name, 2, who="bob", why="Too long.")
    assert registry.aliases(name) == {"champion": 1}
    assert told(registry, name)[-1] == ("rejected", 1, 1, "bob")
    assert history(registry, name)[-1].version == 2
    with pytest.raises(SettingsError, match="is champion"):
        reject(registry, name, 1, who="bob", why="No.")


def test_who_comes_second_is_told_what_happened(registry: Registry, name: str) -> None:
    by_gate(registry, name, 1, 0)
    by_gate(registry, name, 2, 1)
    with pytest.raises(Refused, match=r"Version 2 is champion of .* by now, where 1 was"):
        by_gate(registry, name, 3, 1)
    assert champion(registry, name) == 2
    assert len(history(registry, name)) == 2


def test_only_one_at_a_time(registry: Registry, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    registry.make_model(f"{name}{CLAIM}")  # as one does that is at it, or was killed
    with pytest.raises(ServiceError, match="is under way"):
        by_gate(registry, name, 1, 0)
    assert champion(registry, name) == 0
    monkeypatch.setattr(transitions, "STALE", -1.0)
    by_gate(registry, name, 1, 0)
    assert champion(registry, name) == 1
    assert registry.made_at(f"{name}{CLAIM}") == 0.0


class Killed(BaseException):
    """Stands in for a kill."""


WRITES = ("make_model", "tag_version", "set_alias", "tag_model", "drop_alias", "drop_model")


def killed_before(write: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let only so many writes reach the registry: what comes after a kill does not, nor what cleans up."""
    done: list[str] = []

    def until(one: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            if len(done) == write - 1:
                raise Killed
            done.append(one)
            return real(*args)

        return call

    for one in WRITES:
        monkeypatch.setattr(Registry, one, until(one, getattr(Registry, one)))


@pytest.mark.parametrize(
    "write", range(1, 7)
)  # claim, tags, `previous`, `champion`, history, and the claim's end
def test_killed_at_any_point_the_champion_is_the_old_or_the_new_and_the_history_is_true(
    write: int, registry: Registry, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_gate(registry, name, 1, 0)
    with pytest.MonkeyPatch.context() as patch:
        killed_before(write, patch)
        with pytest.raises(Killed):
            by_gate(registry, name, 2, 1)
    now = champion(registry, name)
    assert now == (1 if write <= 4 else 2)
    before = [("promoted", 0, 1, "the gate")]
    after = [*before, ("promoted", 1, 2, "the gate")]
    assert told(registry, name) == (before if now == 1 else after)

    monkeypatch.setattr(transitions, "STALE", -1.0)
    by_gate(registry, name, 3, now)
    third = ("promoted", now, 3, "the gate")
    assert told(registry, name) == [*(before if now == 1 else after), third]
    roll_back(registry, name, who="ann", why="Wrong.")
    assert champion(registry, name) == now


def test_what_was_moved_elsewhere_is_told(registry: Registry, name: str) -> None:
    by_gate(registry, name, 1, 0)
    registry.set_alias(name, "champion", 3)
    assert told(registry, name)[-1] == ("moved elsewhere", 1, 3, "")
