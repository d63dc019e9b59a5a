"""Tiny tokenizers and chat templates of the shapes that bases come in, made in milliseconds from a few sentences.

The templates are written here, as short as their shape allows; they take no system turn and no tools.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

TEXTS = (
    "How do I reset the printer? Press the green button for five seconds.",
    "It still blinks. Then open the menu, choose reset, and wait.",
    "Wie setze ich den Drucker zurück? Halten Sie die grüne Taste fünf Sekunden lang.",
    "### Instruction: User: Assistant: ### Response: user assistant model [INST] [/INST]",
    "qx7ask qx7say one\ntwo\n\nthree",
)
TURN = "{% for message in messages %}"
USER = "{% if message['role'] == 'user' %}"
ELSE = "{% else %}"
END = "{% endif %}{% endfor %}"
OPEN = "{% if add_generation_prompt %}"
ALTERNATE = (
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles') }}{% endif %}"
)

CHATML = (
    TURN
    + "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    + OPEN
    + "{{ '<|im_start|>assistant\n' }}{% endif %}"
)
INST = (
    TURN
    + ALTERNATE
    + USER
    + "{{ bos_token + '[INST] ' + message['content'] | trim + ' [/INST]' }}"
    + ELSE
    + "{{ ' ' + message['content'] | trim + ' ' + eos_token }}"
    + END
)
HEADERS = (
    "{{ bos_token }}"
    + TURN
    + "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' }}"
    + "{% endfor %}"
    + OPEN
    + "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}"
    + TURN
    + ALTERNATE
    + USER
    + "{{ '[INST]' + message['content'] + '[/INST]' }}"
    + ELSE
    + "{{ message['content'] + eos_token }}"
    + END
)
GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('system') }}{% endif %}"
    + TURN
    + ALTERNATE
    + "{{ '<start_of_turn>' + ('model' if message['role'] == 'assistant' else 'user') + '\n'"
    + " + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
    + OPEN
    + "{{ '<start_of_turn>model\n' }}{% endif %}"
)
ZEPHYR = (
    TURN
    + "{{ '<|' + message['role'] + '|>\n' + message['content'] + eos_token + '\n' }}{% endfor %}"
    + OPEN
    + "{{ '<|assistant|>\n' }}{% endif %}"
)
PHI = (
    TURN
    + "{{ '<|' + message['role'] + '|>\n' + message['content'] + '<|end|>\n' }}{% endfor %}"
    + OPEN
    + "{{ '<|assistant|>\n' }}{% endif %}"
)
FALCON = (
    TURN
    + USER
    + "{{ 'User: ' + message['content'] + '\n\n' }}"
    + ELSE
    + "{{ 'Assistant: ' + message['content'] + eos_token + '\n\n' }}"
    + END
    + OPEN
    + "{{ 'Assistant:' }}{% endif %}"
)


@dataclass(frozen=True)
class Family:
    """A tokenizer and its template: the base's own, or the name of one of ours.

    `lead` is the white space that is learned before a reply, `ending` what closes one before the end of sequence.
    `lossy` tokenizers do not give white space back as it was.
    """

    make: Callable[[], Any]
    template: str
    lead: str = ""
    lossy: bool = False
    ending: str = ""


def byte_level(
    *special: str,
    bos: str | None = None,
    eos: str,
    pad: str | None = None,
    adds_bos: bool = False,
    **more: str,
) -> Any:
    """Byte-level BPE: GPT-2, Llama 3, Falcon, Phi, Qwen."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    names = [name for name in (bos, eos, pad) if name]
    _train(inner, "Bpe", names, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    return _finished(inner, special, bos=bos, eos=eos, pad=pad, adds_bos=adds_bos, **more)


def metaspace_bpe(*special: str, scheme: str = "first", adds_bos: bool = True, pad: str | None = None) -> Any:
    """BPE over words that begin with a mark, with bytes to fall back on: Llama 2, Mistral, Gemma."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    inner = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    inner.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=False)
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    inner.decoder = decoders.Sequence(steps + ([decoders.Strip(" ", 1, 0)] if scheme != "never" else []))
    _train(inner, "Bpe", ["<unk>", "<s>", "</s>"])
    return _finished(
        _with_bytes(inner), special, bos="<s>", eos="</s>", pad=pad, unk="<unk>", adds_bos=adds_bos
    )


def prepended_bpe(*special: str) -> Any:
    """The same as older conversions have it: a normalizer writes the mark before every text."""
    from tokenizers import Tokenizer, decoders, models, normalizers

    inner = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    inner.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    inner.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    _train(inner, "Bpe", ["<unk>", "<s>", "</s>"])
    return _finished(_with_bytes(inner), special, bos="<s>", eos="</s>", unk="<unk>", adds_bos=True)


def unigram() -> Any:
    """Unigram without bytes to fall back on: what it does not know is the unknown token. No beginning, no padding."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    inner = Tokenizer(models.Unigram())
    inner.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    inner.decoder = decoders.Metaspace(prepend_scheme="first")
    _train(inner, "Unigram", ["<unk>", "</s>"], unk_token="<unk>")
    return _finished(inner, (), bos=None, eos="</s>", unk="<unk>")


def word_piece() -> Any:
    """WordPiece: white space is lost, and brackets stand for beginning and end."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    inner = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    inner.decoder = decoders.WordPiece(cleanup=False)
    _train(inner, "WordPiece", ["[UNK]", "[CLS]", "[SEP]", "[PAD]"])
    return _finished(inner, (), bos="[CLS]", eos="[SEP]", pad="[PAD]", unk="[UNK]", adds_bos=True)


END_OF_TEXT = "<|endoftext|>"
FAMILIES: dict[str, Family] = {
    "byte-level, own pad, instruction": Family(
        lambda: byte_level(bos="<s>", eos="</s>", pad="<pad>"), "instruction"
    ),
    "byte-level, beginning is end is pad (GPT-2), plain": Family(
        lambda: byte_level(bos=END_OF_TEXT, eos=END_OF_TEXT, unk=END_OF_TEXT), "plain"
    ),
    "byte-level, beginning is end and added, instruction": Family(
        lambda: byte_level(bos=END_OF_TEXT, eos=END_OF_TEXT, adds_bos=True), "instruction"
    ),
    "byte-level, no beginning, end closes turns (ChatML)": Family(
        lambda: byte_level("<|im_start|>", eos="<|im_end|>", pad=END_OF_TEXT), CHATML
    ),
    "byte-level, another end than that of turns (ChatML)": Family(
        lambda: byte_level("<|im_start|>", "<|im_end|>", eos=END_OF_TEXT), CHATML, ending="<|im_end|>"
    ),
    "byte-level, beginning added and written (Llama 3)": Family(
        lambda: byte_level(
            "<|start_header_id|>",
            "<|end_header_id|>",
            bos="<|begin_of_text|>",
            eos="<|eot_id|>",
            adds_bos=True,
        ),
        HEADERS,
    ),
    "byte-level, ends differ (Phi)": Family(
        lambda: byte_level("<|user|>", "<|assistant|>", "<|end|>", eos=END_OF_TEXT), PHI, ending="<|end|>"
    ),
    "byte-level, words for turns (Falcon)": Family(lambda: byte_level(eos=END_OF_TEXT), FALCON, lead=" "),
    "byte-level, words for turns (Llama 2's on GPT-2)": Family(
        lambda: byte_level(bos="<s>", eos="</s>"), INST, lead=" "
    ),
    "byte fallback, beginning in every turn (Llama 2)": Family(metaspace_bpe, INST),
    "byte fallback, control tokens for turns (Mistral)": Family(
        lambda: metaspace_bpe("[INST]", "[/INST]"), MISTRAL
    ),
    "byte fallback, mark before every text (Zephyr)": Family(prepended_bpe, ZEPHYR, lossy=True),
    "byte fallback, mark before every text, instruction": Family(prepended_bpe, "instruction", lossy=True),
    "byte fallback, no mark, ends differ (Gemma)": Family(
        lambda: metaspace_bpe("<start_of_turn>", "<end_of_turn>", scheme="never", pad="<unk>"),
        GEMMA,
        ending="<end_of_turn>",
    ),
    "unigram, no beginning, no pad, plain": Family(unigram, "plain"),
    "word pieces, brackets for beginning and end, plain": Family(word_piece, "plain", lossy=True),
}


@cache
def tokenizer_of(name: str) -> Any:
    """Make the tokenizer of a family with its template; padded by the end of sequence where it has no pad."""
    from tasks.core.tokens.prompts import TEMPLATES, template_source, with_template

    family = FAMILIES[name]
    tokenizer = family.make()
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    ours = family.template in TEMPLATES
    source = template_source(family.template, tokenizer) if ours else family.template  # type: ignore[arg-type]
    return with_template(tokenizer, source)


def _train(inner: Any, kind: str, special: list[str], **more: Any) -> None:
    from tokenizers import trainers

    trainer = getattr(trainers, f"{kind}Trainer")
    inner.train_from_iterator(
        TEXTS, trainer(vocab_size=700, special_tokens=special, show_progress=False, **more)
    )


def _with_bytes(inner: Any) -> Any:
    """Add a token for every byte; they are no control tokens, so a trainer cannot be told of them."""
    from tokenizers import Tokenizer

    made = json.loads(inner.to_str())
    vocabulary = made["model"]["vocab"]
    vocabulary |= {f"<0x{byte:02X}>": len(vocabulary) + byte for byte in range(256)}
    return Tokenizer.from_str(json.dumps(made))


def _finished(inner: Any, special: tuple[str, ...], *, adds_bos: bool = False, **names: str | None) -> Any:
    """Give a tokenizer its control tokens, and the habit of beginning what it encodes."""
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    given = {f"{name}_token": token for name, token in names.items() if token}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, **given)
    if special:
        tokenizer.add_special_tokens({"additional_special_tokens": list(special)})
    if adds_bos:
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
            single=f"{tokenizer.bos_token} $A", special_tokens=[(tokenizer.bos_token, tokenizer.bos_token_id)]
        )
    return tokenizer
