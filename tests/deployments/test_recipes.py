"""Every recipe opens as it should, says what the planner foresees, and runs in miniature through the whole story.

Those with the starter model map columns: theirs is the data chapter; the journeys run the demo whole. A run takes half a minute
on two cores that others use too, most of it the start of the trainer and the registration (accepted: a recipe that nobody ran is a guess).
"""

import re
import shlex
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from journeys import ROOT
from miniatures import KIN, miniature, miniature_sets, real_shape
from planned import run_as_planned

from deployments.settings_reading import RECIPES, read_settings, recipe_names
from flows.retrain import check
from tasks.core.errors import ModelError
from tasks.core.fitting.memory import needed
from tasks.core.fitting.plan import FitPlan, outline
from tasks.core.model.loading import locate_base
from tasks.core.settings import Settings

HEADER = ("Purpose:", "Needs:", "Command:")
FORESEEN = re.compile(
    r"([\d.]+) GB (?:of each )?are foreseen \(not measured\), ([\d.]+) GB with a whole batch at once"
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("miniatures")


def header(recipe: str) -> dict[str, str]:
    """Give what a recipe says at its top, by word."""
    lines = (RECIPES / f"{recipe}.yaml").read_text(encoding="utf-8").splitlines()
    said = [line.removeprefix("# ").split(maxsplit=1) for line in lines if re.match(r"# [A-Z]\w+:", line)]
    return dict(said)


@pytest.mark.parametrize("recipe", recipe_names())
def test_a_recipe_opens_with_its_purpose_needs_and_a_command_of_its_own(recipe: str) -> None:
    assert tuple(header(recipe))[:3] == HEADER
    program, run, name, *arguments = shlex.split(header(recipe)["Command:"])
    assert (program, run, name) == ("freshtune", "run", recipe)
    assert ("--logs" in arguments) == (recipe != "demo")
    sets = [value for option, value in pairwise(arguments) if option == "--set"]
    given = [
        one.replace("COMMIT", 40 * "a").replace("HUB_ID", "owner/name").replace("FOLDER", "/base")
        for one in sets
    ]
    settings = read_settings(recipe, given)
    assert settings.model.base
    if recipe in KIN:
        assert read_settings(recipe).model.base == "", (
            "the doors of the registry read a recipe without its base"
        )


@pytest.mark.parametrize("recipe", sorted(KIN))
def test_a_recipe_without_its_base_says_how_to_name_one(recipe: str) -> None:
    model = read_settings(recipe).model
    with pytest.raises(ModelError, match=r"model\.base is not set") as refused:
        locate_base(model.base, model.revision)
    assert "model.revision=COMMIT" in refused.value.cure


@pytest.mark.parametrize("recipe", sorted(KIN))
def test_the_memory_that_a_recipe_needs_is_what_the_planner_foresees(recipe: str, tmp_path: Path) -> None:
    settings = read_settings(recipe)
    plan, longest = gpu_plan(settings, real_shape(recipe, tmp_path / "base")), settings.tokens.max_length
    batch = plan.batch_rows * longest or plan.batch_tokens
    told = [f"{needed(plan, tokens, longest, 0.5, 'cuda') / 1e9:.1f}" for tokens in (longest, batch)]
    found = FORESEEN.search(header(recipe)["Needs:"])
    assert found
    assert list(found.groups()) == told


def test_the_table_of_hardware_is_what_the_planner_foresees(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "hardware.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| (?:(\d) rows of )?([\d,]+)(?: tokens)? \| ([\d.]+) GB \| ([\d.]+) GB \|$", page, re.MULTILINE
    )
    assert len(rows) == 5
    twice = gpu_plan(read_settings("mistral-7b-qlora"), real_shape("mistral-7b-qlora", tmp_path / "base"))
    for count, words, *told in rows:
        length = int(words.replace(",", ""))
        plans = (twice, replace(twice, gradient_checkpointing=False))
        found = [needed(plan, int(count or 1) * length, length, 0.5, "cuda") / 1e9 for plan in plans]
        assert [f"{one:.1f}" for one in found] == told


def gpu_plan(settings: Settings, base: Path) -> FitPlan:
    """Plan a training on a GPU with bfloat16, activations computed twice; where files lie says nothing of memory."""
    plan = outline(settings.model, settings.lora, settings.training, base=base, longest=0)
    dtype = "bfloat16" if plan.dtype == "auto" else plan.dtype
    return replace(plan, gradient_checkpointing=True, dtype=dtype)


@pytest.mark.journey
@pytest.mark.parametrize("recipe", sorted(KIN))
def test_a_recipe_runs_in_miniature(recipe: str, place: Path, workspace: Path, prefect_server: None) -> None:
    settings = miniature(recipe, place, workspace)
    outcome, journal = run_as_planned(settings, perhaps=None)
    assert outcome["status"] in {"promoted", "kept"}
    assert_rows_add_up(outcome["rows"])
    assert outcome["rows"]["train"] >= settings.quality.min_examples
    assert outcome["merge"]["max_abs_diff"] < settings.evaluation.max_merge_difference
    assert outcome["model"]["name"] == f"small {recipe}"
    trained = next(step for step in journal.steps if step.name == "adapter_training")
    assert (trained.state, trained.cached) == ("Completed", False)

    told = Settings.model_validate(yaml.safe_load((Path(outcome["run_dir"]) / "settings.yaml").read_text()))
    own = read_settings(recipe)
    assert (told.lora, told.format, told.cleaning, told.gate) == (
        own.lora,
        own.format,
        own.cleaning,
        own.gate,
    )
    assert told.model.quantization == own.model.quantization
    assert told.training.sharding == own.training.sharding


@pytest.mark.parametrize("recipe", sorted({*recipe_names()} - {*KIN}))
def test_a_mapping_of_columns_gives_examples(
    recipe: str, place: Path, workspace: Path, prefect_server: None
) -> None:
    outcome = check(miniature(recipe, place, workspace))
    assert outcome["status"] == "checked"
    assert_rows_add_up(outcome["rows"])
    assert outcome["rows"]["kept"] > 0.8 * outcome["rows"]["in"]


def assert_rows_add_up(rows: dict[str, int]) -> None:
    fates = ("kept", "quarantined", "filtered", "duplicates", "over_length")
    assert rows["in"] == sum(rows.get(fate, 0) for fate in fates)


@pytest.mark.parametrize("recipe", recipe_names())
def test_a_miniature_overrides_nothing_but_sizes(recipe: str, place: Path) -> None:
    small = {one.partition("=")[0] for one in miniature_sets(recipe, place)}
    assert small <= {
        "model.base",
        "registry.name",
        "tokens.max_length",
        "training.max_steps",
        "training.validation_steps",
        "training.accumulation",
        "training.processes",
        "evaluation.generated",
        "evaluation.replies",
        "evaluation.max_new_tokens",
        "evaluation.merge_rows",
    }
