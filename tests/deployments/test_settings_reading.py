"""Recipes and the command line: precedence, and all mistakes at once."""

from pathlib import Path

import pytest

from deployments.settings_reading import read_settings
from tasks.core.errors import SettingsError


def test_the_command_line_wins_over_the_recipe(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("training: {epochs: 2, seed: 5}\nlogs: {paths: [here.jsonl]}\n")
    settings = read_settings(str(recipe), ["training.epochs=7", "lora.targets=[q_proj]"])
    assert (settings.training.epochs, settings.training.seed, settings.lora.targets) == (7, 5, ("q_proj",))
    assert settings.logs.paths == (str(tmp_path / "here.jsonl"),)
    assert read_settings(str(recipe), logs=["a.jsonl"]).logs.paths == (str(Path.cwd() / "a.jsonl"),)


def test_golden_cases_lie_beside_their_recipe_or_where_the_command_is_given(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("evaluation: {golden: golden.yaml}\n")
    assert read_settings(str(recipe)).evaluation.golden == str(tmp_path / "golden.yaml")
    given = read_settings(str(recipe), ["evaluation.golden=other.yaml"])
    assert given.evaluation.golden == str(Path.cwd() / "other.yaml")
    assert read_settings(str(recipe), ["evaluation.golden="]).evaluation.golden == ""


def test_tasks_of_ones_own_lie_beside_their_recipe_and_names_stay_names(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("evaluation: {harness: [mine/task.yaml, hellaswag]}\n")
    assert read_settings(str(recipe)).evaluation.harness == (
        str(tmp_path / "mine" / "task.yaml"),
        "hellaswag",
    )
    given = read_settings(str(recipe), ["evaluation.harness=[other.yml]"])
    assert given.evaluation.harness == (str(Path.cwd() / "other.yml"),)


def test_the_guides_recipe_is_the_guide_to_the_letter() -> None:
    settings = read_settings("guide", ["model.revision=" + 40 * "a", "model.base=a/b"])
    lora, training = settings.lora, settings.training
    assert (lora.method, lora.rank, lora.alpha, lora.dropout) == ("lora", 8, 16, 0.05)
    assert lora.targets == ("q_proj", "v_proj")
    assert (training.batch_rows, training.accumulation, training.max_steps) == (4, 8, 1000)
    assert (training.learning_rate, training.warmup * training.max_steps) == (2e-4, 50)
    assert (training.schedule, training.checkpoint_steps) == ("linear", 500)
    assert (settings.model.quantization, settings.model.dtype) == ("nf4", "float16")
    assert (settings.format.template, settings.evaluation.max_new_tokens) == ("instruction", 100)


@pytest.mark.parametrize(
    ("method", "quantization", "cure"),
    [
        ("pissa", "nf4", "model.quantization=none"),
        ("pissa", "int8", "model.quantization=none"),
        ("full", "nf4", "lora.method=lora"),
        ("full", "int8", "model.quantization=none"),
        ("dora", "int8", "model.quantization=nf4"),
    ],
)
def test_pairs_that_cannot_be_right_are_refused_with_the_cure(
    method: str, quantization: str, cure: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings("demo", [f"lora.method={method}", f"model.quantization={quantization}"])
    assert f"- lora.method is {method} and model.quantization is {quantization}: " in refused.value.message
    assert cure in refused.value.message


@pytest.mark.parametrize(
    ("sets", "cure"),
    [
        (["lora.method=full", "model.quantization=none"], "set lora.method=lora"),
        (["model.quantization=int8"], "set model.quantization=nf4"),
        (["training.processes=1"], "as many processes as there are GPUs"),
    ],
)
def test_what_cannot_be_shared_is_refused(sets: list[str], cure: str) -> None:
    with pytest.raises(SettingsError, match="sharding is true") as refused:
        read_settings("demo", ["training.processes=2", "training.sharding=true", *sets])
    assert cure in refused.value.message


def test_a_method_that_cannot_go_on_is_refused() -> None:
    assert read_settings("demo", ["training.start=champion", "lora.method=dora"]).training.replay == 0.3
    with pytest.raises(
        SettingsError, match=r"training\.start is champion and lora\.method is pissa"
    ) as refused:
        read_settings("demo", ["training.start=champion", "lora.method=pissa", "model.quantization=none"])
    assert "set lora.method=lora, or training.start=base" in refused.value.message
    with pytest.raises(SettingsError, match=r"training\.replay is 1\.1"):
        read_settings("demo", ["training.replay=1.1"])


def test_a_prefix_is_not_trained_where_activations_are_recomputed() -> None:
    with pytest.raises(SettingsError, match="a prefix is lost") as refused:
        read_settings("demo", ["lora.method=prefix", "training.gradient_checkpointing=true"])
    assert "lora.method=prompt" in refused.value.message


def test_all_mistakes_are_told_at_once_with_value_limit_and_cure() -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings("demo", ["training.epochs=-1", "lora.rnak=4", "model.quantization=fp4", "modle.base=x"])
    message = caught.value.message
    assert "4 settings are wrong" in message
    assert "training.epochs is -1" in message
    assert "did you mean rank?" in message
    assert "'nf4'" in message
    assert "did you mean model?" in message
    assert "?." not in message


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("epochs=2", "epochs is not a setting; did you mean training.epochs?"),
        ("lora.epochs=2", "lora.epochs is not a setting; did you mean training.epochs?"),
        ("epohcs=2", "epohcs is not a setting; did you mean training.epochs?"),
        ("requester=who", "requester is not a setting; did you mean logs.fields.requester?"),
        ("logs.fields.zzz=2", "logs.fields.zzz is not a setting; there are: id, "),
    ],
)
def test_a_setting_is_found_in_whichever_section_it_is(given: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings("demo", [given])
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("training: {epochs: 1, epochs: 2}", "epochs appears twice"),
        ("training: [", "line 1"),
        ("- a list", "not a mapping"),
        ("training: 5", "training is 5"),
        ("model: {base: mistralai/Mistral-7B-v0.1}", "without model.revision"),
        ("model: {base: mistralai/Mistral-7B-v0.1, revision: main}", "revision is 'main': give a commit"),
        ("model: {base: a/b/c, revision: " + 40 * "a" + "}", "neither a folder nor a hub id"),
        ("model: {base: /no/such/folder, revision: " + 40 * "a" + "}", "leave one out"),
        ("registry: {name: 'support/assistant'}", "name is 'support/assistant': use letters"),
        ("x: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
    ],
)
def test_a_bad_recipe_is_told_in_a_sentence(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(SettingsError, match=words):
        read_settings(str(tmp_path / "bad.yaml"))


def test_an_unknown_recipe_lists_those_there_are() -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings("dmeo")
    assert "demo" in caught.value.cure


@pytest.mark.parametrize("text", ["training.epochs", "=3", "training.epochs=[", "training=3"])
def test_a_bad_set_is_told(text: str) -> None:
    with pytest.raises(SettingsError):
        read_settings("demo", [text])


def test_a_url_of_logs_stays_as_it_is(tmp_path: Path) -> None:
    recipe = tmp_path / "own.yaml"
    recipe.write_text("logs: {paths: ['s3://bucket/*.jsonl', here.jsonl]}\n")
    assert read_settings(str(recipe)).logs.paths == ("s3://bucket/*.jsonl", str(tmp_path / "here.jsonl"))
    given = read_settings(str(recipe), logs=["memory://logs/one.jsonl", "there.jsonl"]).logs.paths
    assert given == ("memory://logs/one.jsonl", str(Path.cwd() / "there.jsonl"))
