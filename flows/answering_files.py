"""A file of questions is answered, part by part; a start that was cut off is gone on with from what is complete."""

from pathlib import Path
from typing import Any

from prefect import flow, runtime

from tasks.answer_collection import check_target, collect_answers
from tasks.answering import answer_part, find_asked
from tasks.core.model.devices import loaded_dtype, settled_dtype
from tasks.core.settings import Settings
from tasks.core.store.locks import at_work
from tasks.question_reading import find_questions, named_parts, read_questions


def _name() -> str:
    file: Path = runtime.flow_run.parameters["file"]
    return f"answer {file.name}"


@flow(name="answer", flow_run_name=_name, persist_result=False)
def answer_file(settings: Settings, file: Path, out: Path, model: str, max_new_tokens: int) -> dict[str, Any]:
    """Answer every question of a file with one version, and give the figures; replies are those of `freshtune ask`."""
    place = settings.workspace
    check_target(out, file)
    with at_work(place):
        found = find_questions(file)
        version = find_asked(place, settings.registry.name, model)
        questions = read_questions(place, found, settings.logs.max_unpacked_mib)
        dtype, attention = loaded_dtype(settled_dtype(settings.model.dtype)), settings.model.attention
        answered = [
            answer_part(
                place, part, version, dtype, attention, max_new_tokens, settings.evaluation.batch_tokens
            )
            for part in named_parts(found, questions)
        ]
        figures = collect_answers(place, questions, answered, version, out)
    return {"schema": 1, "status": "answered", "name": version.name, "version": version.number, **figures}
