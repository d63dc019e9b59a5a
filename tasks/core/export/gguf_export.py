"""The export to GGUF: a merged model with its tokenizer as one file, whole or not at all, and read back before it is there."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from tasks.core.errors import SettingsError
from tasks.core.export.architectures import Architecture, Fact, architecture_of
from tasks.core.export.comparison import Comparison, compare_with_llama_cpp
from tasks.core.export.extras import gguf_library, has_llama_cpp
from tasks.core.export.gguf_files import ARCHITECTURE, check_file, write_file
from tasks.core.export.refusing import cannot_say
from tasks.core.export.vocabularies import vocabulary_of
from tasks.core.export.weights import WeightType, weights_of
from tasks.core.model.loading import load_tokenizer
from tasks.core.model.merge_proof import ADAPTER
from tasks.core.store.artifacts import disk_full
from tasks.core.store.digests import digest_file
from tasks.core.store.syncing import sync

CHANGING_ANSWERS = ("repetition_penalty", "no_repeat_ngram_size", "suppress_tokens", "bad_words_ids")
FILE_TYPES = {"f32": 0, "f16": 1}  # how llama.cpp numbers what most weights are in


@dataclass(frozen=True)
class Exported:
    """A file that was written, what it holds, what to know when it is fed, and how llama.cpp reads it, if it was asked."""

    architecture: str
    context: int
    weights: int
    size: int
    sha256: str
    limits: tuple[str, ...]
    compared: Comparison | None

    def to_json(self) -> dict[str, object]:
        """Give the facts by name; `compared` is null where llama.cpp was not asked."""
        return asdict(self) | {"limits": list(self.limits)}


def export_gguf(folder: Path, target: Path, kind: WeightType, labels: Mapping[str, str]) -> Exported:
    """Write the merged model in `folder` into the new file `target`, with `labels` among its facts.

    Matrices are in the type `kind`, vectors in 32 bit. Every fact and weight is read back and compared, and, where llama.cpp is
    installed, token ids and greedy answers too; what differs is not left behind.

    Raises `SettingsError` when something is at `target`, it does not end with `.gguf`, or the package gguf is missing;
    `ModelError` when the model cannot be told exactly or the file does not come out so; `DiskFull`.
    """
    _insist_on_place(target)
    if (folder / ADAPTER).is_dir():
        raise cannot_say("its virtual tokens are in no weight")
    architecture, tokenizer = architecture_of(folder), load_tokenizer(folder)
    vocabulary = vocabulary_of(tokenizer, architecture.rows)
    weights = weights_of(folder, architecture, kind)
    facts = _general(architecture, kind) | dict(labels) | architecture.facts | vocabulary.facts
    with _aside(target) as file:
        write_file(file, facts, weights)
        check_file(file, facts, weights)
        asked = has_llama_cpp()
        return Exported(
            architecture=architecture.name,
            context=architecture.context,
            weights=len(weights),
            size=file.stat().st_size,
            sha256=digest_file(file),
            limits=(*vocabulary.limits, *_left_out(folder)),
            compared=compare_with_llama_cpp(file, folder, tokenizer, architecture.context) if asked else None,
        )


def _insist_on_place(target: Path) -> None:
    gguf_library()
    if target.exists():
        raise SettingsError(f"{target} is there already.", cure="Give a file that is not there yet.")
    if target.suffix != ".gguf":
        raise SettingsError(f"{target} is no name of a GGUF file.", cure="Let it end with .gguf.")


def _general(architecture: Architecture, kind: WeightType) -> dict[str, Fact]:
    return {
        ARCHITECTURE: architecture.name,
        "general.type": "model",
        "general.file_type": FILE_TYPES[kind],
    }


def _left_out(folder: Path) -> list[str]:
    """Tell what changes the registered model's greedy answers and is in none of its weights."""
    path = folder / "generation_config.json"
    told = json.loads(path.read_bytes()) if path.is_file() else {}
    return [
        f"The registered model is served with {name}={told[name]}, which is not in the file."
        for name in CHANGING_ANSWERS
        if told.get(name) not in (None, 0, 1, [])
    ]


@contextmanager
def _aside(target: Path) -> Iterator[Path]:
    """Give a file to write, which becomes `target` when all went well and is removed otherwise; `DiskFull` says that it was that."""
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f"{target.name}.writing")
    try:
        yield aside
        sync(aside)
        aside.rename(target)
        sync(target.parent)
    except OSError as error:
        full = disk_full(error, target.parent)
        if full is None:
            raise
        raise full from error
    finally:
        aside.unlink(missing_ok=True)
