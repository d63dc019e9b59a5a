"""Versions as GGUF files: every weight and fact is in them, or they are not written; llama.cpp reads them as the model does."""

import json
import random
import sys
import unicodedata
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from families import FAMILIES, byte_level, metaspace_bpe, prepended_bpe, tokenizer_of
from tiny_families import FAMILIES as BASES
from tiny_families import save_base

from tasks.core.errors import ModelError, SettingsError
from tasks.core.export.architectures import architecture_of
from tasks.core.export.byte_level import AS_IT_IS, CUTS
from tasks.core.export.comparison import compare_with_llama_cpp
from tasks.core.export.gguf_export import Exported, export_gguf
from tasks.core.export.gguf_files import check_file, write_file
from tasks.core.export.llama_cpp_child import read_with_llama_cpp
from tasks.core.export.vocabularies import vocabulary_of
from tasks.core.export.weights import Weight, weights_of
from tasks.core.tokens.prompts import template_source, with_template

PLAIN = "byte-level, own pad, instruction"
LLAMA_3 = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
LINEAR = {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0}
SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama, tied": ("llama", {}),
    "llama, untied, biases": (
        "llama",
        {"tie_word_embeddings": False, "attention_bias": True, "mlp_bias": True},
    ),
    "llama, wide heads": ("llama", {"head_dim": 32}),
    "llama, frequencies scaled": ("llama", {"rope_parameters": LLAMA_3}),
    "llama, positions scaled": ("llama", {"rope_parameters": LINEAR}),
    "mistral, a window": ("mistral", {"sliding_window": 160}),
    "qwen2": ("qwen2", {}),
    "qwen2, positions scaled": ("qwen2", {"rope_parameters": LINEAR}),
    "qwen3, wide heads": ("qwen3", {"head_dim": 32, "tie_word_embeddings": True}),
}
needs_llama_cpp = pytest.mark.skipif(
    find_spec("llama_cpp") is None, reason="llama-cpp-python is not installed: nothing to compare with"
)


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be on a machine without llama.cpp."""
    monkeypatch.setitem(sys.modules, "llama_cpp", None)


def merged(folder: Path, kind: str, tokenizer: Any = None, shard: str = "1GB", **changes: Any) -> Path:
    """Save a random model of an architecture with a tokenizer, and a few rows of embeddings more than that has tokens."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    tokenizer = tokenizer or tokenizer_of(PLAIN)
    torch.manual_seed(0)
    sizes = BASES.get(kind, BASES["qwen2"]) | {"max_position_embeddings": 512}
    config = AutoConfig.for_model(kind, **(sizes | {"vocab_size": len(tokenizer) + 5} | changes))
    model = AutoModelForCausalLM.from_config(config)
    for weight in model.parameters():  # what begins as zeros or ones tells little apart
        weight.data += 0.1 * torch.randn_like(weight)
    model.save_pretrained(folder, max_shard_size=shard)
    tokenizer.save_pretrained(folder)
    return folder


def exported(folder: Path, target: Path, kind: Any = "f16") -> tuple[Exported, Any]:
    told = export_gguf(folder, target, kind, {"general.basename": "support-assistant"})
    return told, gguf.GGUFReader(target)


def change_weights(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def remade(tokenizer: Any, change: Callable[[dict[str, Any]], None]) -> Any:
    """Give a tokenizer whose parts were changed."""
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    made = json.loads(tokenizer.backend_tokenizer.to_str())
    change(made)
    names = {name: token for name, token in tokenizer.special_tokens_map.items() if isinstance(token, str)}
    inner = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(made)), **names)
    return with_template(inner, template_source("instruction", inner))


def cut_by(steps: list[dict[str, Any]], *, ignores: bool, composes: bool = False) -> Any:
    def change(made: dict[str, Any]) -> None:
        made["pre_tokenizer"] = {
            "type": "Sequence",
            "pretokenizers": [
                one | ({"trim_offsets": True} if one["type"] == "ByteLevel" else {}) for one in steps
            ],
        }
        made["model"]["ignore_merges"] = ignores
        made["normalizer"] = {"type": "NFC"} if composes else None

    return remade(byte_level(bos="<s>", eos="</s>", pad="<pad>"), change)


def every_pair(made: dict[str, Any]) -> None:
    """Merge as a conversion from sentencepiece does: all pairs of a token, the tokens in their order."""
    vocabulary = made["model"]["vocab"]
    added = {one["content"] for one in made["added_tokens"]}
    tokens = sorted((one for one in vocabulary if len(one) > 1 and one not in added), key=vocabulary.get)
    made["model"]["merges"] = [
        [token[:end], token[end:]]
        for token in tokens
        for end in range(len(token) - 1, 0, -1)
        if token[:end] in vocabulary and token[end:] in vocabulary
    ]


TOKENIZERS: dict[str, Callable[[], Any]] = {
    **{
        name: (lambda steps=steps, ignores=ignores: cut_by(steps, ignores=ignores))
        for steps, ignores, name in CUTS
    },
    "composed": lambda: cut_by(CUTS[-1][0], ignores=False, composes=True),
    "mark first": lambda: remade(prepended_bpe(), every_pair),
    "no mark first": lambda: remade(metaspace_bpe(scheme="never"), every_pair),
}


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("kind", ["f16", "f32"])
def test_a_file_holds_every_weight_where_llama_cpp_looks_for_it(kind: str, tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    folder = merged(tmp_path / "model", "llama")
    told, reader = exported(folder, tmp_path / "out.gguf", kind)
    ours = load_file(folder / "model.safetensors")
    theirs = {one.name: one.data for one in reader.tensors}
    layer = (
        "attn_norm",
        "attn_q",
        "attn_k",
        "attn_v",
        "attn_output",
        "ffn_norm",
        "ffn_gate",
        "ffn_up",
        "ffn_down",
    )
    names = [f"blk.{place}.{part}.weight" for place in range(2) for part in layer]
    assert set(theirs) == {"token_embd.weight", "output_norm.weight", *names}  # the head is the embedding
    assert told.weights == len(ours) == len(theirs)
    assert told.compared is None
    wide = np.float16 if kind == "f16" else np.float32
    same = ours["model.layers.1.mlp.down_proj.weight"].astype(wide)
    assert theirs["blk.1.ffn_down.weight"].dtype == wide
    assert np.array_equal(theirs["blk.1.ffn_down.weight"], same)
    assert theirs["blk.0.attn_norm.weight"].dtype == np.float32
    keys = ours["model.layers.0.self_attn.k_proj.weight"].astype(wide)  # two heads, sixteen wide
    moved = theirs["blk.0.attn_k.weight"]
    assert np.array_equal(moved[:4], keys[[0, 8, 1, 9]])
    assert np.array_equal(moved[16:20], keys[[16, 24, 17, 25]])


@pytest.mark.usefixtures("alone")
def test_a_file_says_how_its_model_computes(tmp_path: Path) -> None:
    folder = merged(tmp_path / "model", "mistral", sliding_window=96, rms_norm_eps=1e-5)
    told, reader = exported(folder, tmp_path / "out.gguf")
    facts = {name: field.contents() for name, field in reader.fields.items()}
    tokenizer = tokenizer_of(PLAIN)
    wanted = {
        "general.architecture": "llama",
        "general.basename": "support-assistant",
        "general.file_type": 1,
        "llama.context_length": 96,  # as far as the window reaches
        "llama.attention.sliding_window": 96,
        "llama.embedding_length": 64,
        "llama.feed_forward_length": 96,
        "llama.block_count": 2,
        "llama.attention.head_count": 4,
        "llama.attention.head_count_kv": 2,
        "llama.rope.dimension_count": 16,
        "llama.rope.freq_base": 10000.0,
        "llama.vocab_size": len(tokenizer) + 5,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.bos_token_id": tokenizer.bos_token_id,
        "tokenizer.ggml.eos_token_id": tokenizer.eos_token_id,
        "tokenizer.ggml.padding_token_id": tokenizer.pad_token_id,
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.ggml.add_eos_token": False,
        "tokenizer.chat_template": tokenizer.chat_template,
    }
    assert {name: facts.get(name) for name in wanted} == wanted
    assert facts["llama.attention.layer_norm_rms_epsilon"] == pytest.approx(1e-5)
    assert facts["tokenizer.ggml.tokens"][-1] == f"[PAD{len(tokenizer) + 4}]"
    assert facts["tokenizer.ggml.token_type"][:3] == [3, 3, 3]
    assert facts["tokenizer.ggml.token_type"][-5:] == [5] * 5
    assert told.context == 96
    assert any(one.name == "output.weight" for one in reader.tensors)  # a head of its own


@pytest.mark.usefixtures("alone")
def test_what_changes_answers_and_is_in_no_weight_is_told(tmp_path: Path) -> None:
    folder = merged(tmp_path / "model", "llama")
    told, _ = exported(folder, tmp_path / "plain.gguf")
    assert told.limits == ()
    path = folder / "generation_config.json"
    more = {"repetition_penalty": 1.05, "no_repeat_ngram_size": 0, "top_k": 20}
    path.write_text(json.dumps(json.loads(path.read_bytes()) | more))
    told, _ = exported(folder, tmp_path / "out.gguf")
    assert told.limits == (
        "The registered model is served with repetition_penalty=1.05, which is not in the file.",
    )


@pytest.mark.usefixtures("alone")
def test_frequencies_are_divided_as_llama_3_does(tmp_path: Path) -> None:
    _, reader = exported(merged(tmp_path / "model", "llama", rope_parameters=LLAMA_3), tmp_path / "out.gguf")
    (factors,) = [one.data for one in reader.tensors if one.name == "rope_freqs.weight"]
    assert factors.dtype == np.float32
    assert factors.shape == (8,)
    assert factors[0] == 1.0  # quick waves stay
    assert factors[-1] == pytest.approx(8.0)  # slow ones are stretched
    assert np.all(np.diff(factors) >= 0)


@pytest.mark.usefixtures("alone")
def test_shards_come_out_as_one_file(tmp_path: Path) -> None:
    whole, _ = exported(merged(tmp_path / "whole", "qwen2"), tmp_path / "whole.gguf")
    folder = merged(tmp_path / "parts", "qwen2", shard="100KB")
    assert len(list(folder.glob("*.safetensors"))) > 2
    parts, reader = exported(folder, tmp_path / "parts.gguf")
    assert parts.weights == whole.weights
    other = {one.name: one.data for one in gguf.GGUFReader(tmp_path / "whole.gguf").tensors}
    assert all(np.array_equal(one.data, other[one.name]) for one in reader.tensors)


@pytest.mark.parametrize("family", sorted(set(BASES) - {"llama", "mistral", "qwen2"}))
def test_another_architecture_is_refused(family: str, tmp_path: Path) -> None:
    folder = save_base(tmp_path / "model", family)
    with pytest.raises(
        ModelError, match=f"its architecture {family.split(maxsplit=1)[0]} is none of llama, mistral"
    ) as refused:
        export_gguf(folder, tmp_path / "out.gguf", "f16", {})
    assert "--what merged" in refused.value.cure
    assert not (tmp_path / "out.gguf").exists()


@pytest.mark.parametrize(
    ("kind", "changes", "words"),
    [
        ("llama", {"hidden_act": "gelu"}, "its activation is gelu"),
        (
            "llama",
            {"rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}},
            r"\(dynamic\)",
        ),
        ("llama", {"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4, "factor": 2.0}}, r"\(yarn\)"),
        ("qwen2", {"rope_parameters": LLAMA_3}, r"\(llama3\)"),
        (
            "llama",
            {"rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.5}},
            "only 0.5 of each head",
        ),
        ("qwen2", {"head_dim": 32}, "not as wide together"),
        ("qwen3", {"attention_bias": True}, "has biases"),
    ],
)
def test_what_llama_cpp_computes_otherwise_is_refused(
    kind: str, changes: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=words):
        architecture_of(merged(tmp_path / "model", kind, **changes))


@pytest.mark.usefixtures("alone")
def test_what_is_in_no_weight_or_in_none_that_is_known_is_refused(tmp_path: Path) -> None:
    folder, norm = merged(tmp_path / "model", "llama"), "model.norm.weight"

    def refused(words: str) -> None:
        with pytest.raises(ModelError, match=words):
            export_gguf(folder, tmp_path / "out.gguf", "f16", {})

    change_weights(folder, lambda tensors: tensors.update({"model.norm.bias": tensors[norm].clone()}))
    refused(r"its weight model\.norm\.bias \[64\] is none of the architecture's")
    change_weights(folder, lambda tensors: (tensors.pop("model.norm.bias"), tensors.pop(norm)))
    refused(r"its weight model\.norm\.weight is not in its files")
    (folder / "adapter").mkdir()
    refused("its virtual tokens are in no weight")
    assert not (tmp_path / "out.gguf").exists()


@pytest.mark.usefixtures("alone")
def test_numbers_that_do_not_fit_are_refused_and_nothing_is_left_behind(tmp_path: Path) -> None:
    folder, name = merged(tmp_path / "model", "llama"), "model.layers.1.mlp.up_proj.weight"
    place = tmp_path / "files"
    change_weights(folder, lambda tensors: tensors[name][3].fill_(1e5))
    with pytest.raises(ModelError, match="numbers that do not fit 16 bit") as refused:
        export_gguf(folder, place / "out.gguf", "f16", {})
    assert name in refused.value.message
    assert "--type f32" in refused.value.cure
    assert list(place.iterdir()) == []
    export_gguf(folder, place / "out.gguf", "f32", {})
    change_weights(folder, lambda tensors: tensors[name][3].fill_(float("nan")))
    with pytest.raises(ModelError, match="numbers that are none"):
        export_gguf(folder, place / "again.gguf", "f32", {})
    assert [one.name for one in place.iterdir()] == ["out.gguf"]


@pytest.mark.usefixtures("alone")
def test_any_byte_that_is_not_as_it_was_written_is_noticed(tmp_path: Path) -> None:
    folder, path = merged(tmp_path / "model", "llama"), tmp_path / "out.gguf"
    architecture = architecture_of(folder)
    facts = {"general.architecture": "llama"} | architecture.facts
    weights = weights_of(folder, architecture, "f16")
    write_file(path, facts, weights)
    check_file(path, facts, weights)
    whole, reader = path.read_bytes(), gguf.GGUFReader(path)
    inside = [range(one.data_offset, one.data_offset + one.n_bytes) for one in reader.tensors]
    draw = random.Random(3)
    places = [draw.randrange(reader.tensors[0].field.offset) for _ in range(30)]  # what is told of the model
    places += [draw.choice(draw.choice(inside)) for _ in range(30)]
    for place in places:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(ModelError, match=r"out\.gguf did not come out as it was written"):
            check_file(path, facts, weights)
    for length in (0, 3, 100, inside[0].start, len(whole) // 2, inside[-1].stop - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelError, match=r"out\.gguf did not come out as it was written"):
            check_file(path, facts, weights)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["model", "out.gguf"]


def test_a_mistake_costs_no_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = tmp_path / "there.gguf"
    there.write_text("something")
    for target, words in ((there, "is there already"), (tmp_path / "model.bin", "is no name of a GGUF file")):
        with pytest.raises(SettingsError, match=words):
            export_gguf(tmp_path / "no-such-model", target, "f16", {})
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(SettingsError, match=r"pip install 'freshtune\[gguf\]'"):
        export_gguf(tmp_path / "no-such-model", tmp_path / "out.gguf", "f16", {})
    assert there.read_text() == "something"


REFUSED = {
    "byte fallback, beginning in every turn (Llama 2)": "marks spaces",  # before the first word only
    "byte fallback, control tokens for turns (Mistral)": "marks spaces",
    "byte fallback, mark before every text (Zephyr)": "not among its merges",  # learned from texts
    "byte fallback, mark before every text, instruction": "not among its merges",
    "byte fallback, no mark, ends differ (Gemma)": "not among its merges",
    "unigram, no beginning, no pad, plain": "does not merge pairs",
    "word pieces, brackets for beginning and end, plain": "does not merge pairs",
}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_tokenizer_is_written_or_refused_with_the_reason(name: str) -> None:
    tokenizer = tokenizer_of(name)
    if name in REFUSED:
        with pytest.raises(ModelError, match=REFUSED[name]):
            vocabulary_of(tokenizer, len(tokenizer))
        return
    facts = vocabulary_of(tokenizer, len(tokenizer)).facts
    assert facts["tokenizer.ggml.pre"] == "gpt-2"
    assert facts["tokenizer.ggml.add_bos_token"] == (tokenizer("a")["input_ids"][0] == tokenizer.bos_token_id)
    assert facts["tokenizer.ggml.tokens"] == tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda made: made["added_tokens"][1].update(lstrip=True), "takes the white space around it"),
        (lambda made: made["added_tokens"][1].update(single_word=True), "takes the white space around it"),
        (lambda made: made["model"].update(ignore_merges=True), "no name for"),
        (lambda made: made["pre_tokenizer"].update(add_prefix_space=True), "no name for"),
        (lambda made: made.update(pre_tokenizer=AS_IT_IS | {"trim_offsets": True}), "no name for"),
        (lambda made: made.update(normalizer={"type": "Lowercase"}), "changes a text"),
        (lambda made: made["model"].update(dropout=0.1), "leaves out merges"),
        (lambda made: made.update(post_processor=writes("</s>", "<s>")), "something else around a text"),
    ],
)
def test_a_tokenizer_that_cuts_otherwise_is_refused(change: Callable[[Any], None], words: str) -> None:
    tokenizer = remade(tokenizer_of(PLAIN), change)
    with pytest.raises(ModelError, match=words):
        vocabulary_of(tokenizer, len(tokenizer))


def writes(*tokens: str) -> dict[str, Any]:
    ids = {"<s>": 0, "</s>": 1}
    return {
        "type": "TemplateProcessing",
        "single": [
            *({"SpecialToken": {"id": one, "type_id": 0}} for one in tokens),
            {"Sequence": {"id": "A", "type_id": 0}},
        ],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {one: {"id": one, "ids": [ids[one]], "tokens": [one]} for one in tokens},
    }


def test_added_tokens_that_overlap_and_tokens_without_a_row_are_refused() -> None:
    tokenizer = with_template(byte_level("<a|b>", "b>long", bos="<s>", eos="</s>"), "{{ eos_token }}")
    with pytest.raises(ModelError, match="may begin inside another"):
        vocabulary_of(tokenizer, len(tokenizer))
    tokenizer = tokenizer_of(PLAIN)
    with pytest.raises(
        ModelError, match=f"has a token {len(tokenizer) - 1}, and the model {len(tokenizer) - 1:,} rows"
    ):
        vocabulary_of(tokenizer, len(tokenizer) - 1)
    unbegun = with_template(byte_level(eos="</s>"), "{{ bos_token }}{{ messages[0]['content'] }}")
    with pytest.raises(ModelError, match="writes a beginning of sequence"):
        vocabulary_of(unbegun, len(unbegun))


@pytest.mark.parametrize("name", TOKENIZERS)
def test_a_known_way_of_cutting_has_its_name(name: str) -> None:
    tokenizer = TOKENIZERS[name]()
    told = vocabulary_of(tokenizer, len(tokenizer) + 3)
    pre = {"composed": "qwen2", "mark first": "default", "no mark first": "default"}.get(name, name)
    assert told.facts["tokenizer.ggml.pre"] == pre
    assert bool(told.limits) == (name == "composed")
    assert told.facts.get("tokenizer.ggml.add_space_prefix") == {
        "mark first": True,
        "no mark first": False,
    }.get(name)


def texts_of_all_kinds(count: int) -> list[str]:
    draw = random.Random(7)
    letters = [
        *"abcdXYZ 's're \n\r\t.,!?'-_=#019",
        *"äößéÀ€“”–…🙂👩‍👧▁",
        *map(chr, range(0x370, 0x600)),
        *"你好、。ひカ한글",
    ]
    words = ["  ", "\n\n", " the", "printer", " button", "DON'T", "   x", "</s>", "<s>", "<0x0A>", " 12345"]
    return [
        "".join(draw.choice(letters if draw.random() < 0.7 else words) for _ in range(draw.randrange(1, 40)))
        for _ in range(count)
    ]


@needs_llama_cpp
@pytest.mark.parametrize("name", TOKENIZERS)
def test_llama_cpp_cuts_texts_as_the_tokenizer_does(name: str, tmp_path: Path) -> None:
    tokenizer, texts = TOKENIZERS[name](), texts_of_all_kinds(500)
    if name == "composed":
        texts = [unicodedata.normalize("NFC", text) for text in texts]
    facts = {"general.architecture": "llama"} | vocabulary_of(tokenizer, len(tokenizer) + 3).facts
    folder = merged(tmp_path / "model", "llama", vocab_size=len(tokenizer) + 3)
    write_file(
        tmp_path / "out.gguf",
        facts | architecture_of(folder).facts,
        [Weight("x", (1,), "f32", values=(1.0,))],
    )
    reading = read_with_llama_cpp(tmp_path / "out.gguf", texts, [], end=1, most=1)
    assert reading.bare == [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    assert reading.framed == [tokenizer(text)["input_ids"] for text in texts]


@needs_llama_cpp
@pytest.mark.parametrize("name", SHAPES)
def test_llama_cpp_answers_as_the_registered_model_does(name: str, tmp_path: Path) -> None:
    kind, changes = SHAPES[name]
    told, _ = exported(merged(tmp_path / "model", kind, **changes), tmp_path / "out.gguf", "f32")
    assert told.compared is not None
    assert told.compared.texts > 10
    assert (told.compared.answers, told.compared.ties) == (4, 0)


@needs_llama_cpp
def test_llama_cpp_is_asked_of_a_tokenizer_with_marks_and_of_logits_without_penalties(tmp_path: Path) -> None:
    tokenizer = TOKENIZERS["mark first"]()
    assert tokenizer("a")["input_ids"][0] == tokenizer.bos_token_id
    folder = merged(tmp_path / "model", "mistral", tokenizer, sliding_window=256)
    path = folder / "generation_config.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {"repetition_penalty": 9.0}))
    told, _ = exported(folder, tmp_path / "out.gguf", "f32")
    assert told.compared is not None
    assert (told.compared.answers, told.compared.ties) == (4, 0)


@needs_llama_cpp
def test_a_file_that_llama_cpp_reads_otherwise_is_noticed(tmp_path: Path) -> None:
    tokenizer = tokenizer_of(PLAIN)
    folder = merged(tmp_path / "model", "llama")
    architecture = architecture_of(folder)
    facts = (
        {"general.architecture": "llama"}
        | architecture.facts
        | vocabulary_of(tokenizer, architecture.rows).facts
    )
    weights = weights_of(folder, architecture, "f16")
    merges: Any = facts["tokenizer.ggml.merges"]
    assert sum(1 for one in weights if one.heads) == 4
    unmoved = [
        Weight(one.name, one.shape, one.kind, one.file, one.key) if one.heads else one for one in weights
    ]
    wrong: list[tuple[dict[str, Any], list[Weight], str]] = [
        (facts, unmoved, "answers the fixed question"),
        (facts | {"tokenizer.ggml.add_bos_token": True}, weights, "cuts the fixed text 0"),
        (facts | {"tokenizer.ggml.merges": merges[: len(merges) // 2]}, weights, "cuts the fixed text"),
        (facts | {"tokenizer.ggml.pre": "no such"}, weights, "llama.cpp does not read the file"),
        (facts, weights[1:], "llama.cpp does not read the file"),
    ]
    for place, (told, these, words) in enumerate(wrong):
        file = tmp_path / f"{place}.gguf"
        write_file(file, told, these)
        with pytest.raises(ModelError, match=words):
            compare_with_llama_cpp(file, folder, tokenizer, architecture.context)
    write_file(tmp_path / "right.gguf", facts, weights)
    assert compare_with_llama_cpp(tmp_path / "right.gguf", folder, tokenizer, architecture.context).texts > 10
