"""Make the starter model: `python -m deployments.starter.make_starter`, about twenty minutes on one core.

A small Llama with its own byte-level tokenizer, trained on documentation that ships with Python and on a primer that
was written for this project. The same Python and torch give the same weights.
"""

import ast
import math
import pydoc_data.topics
import random
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from deployments.starter.primer import primer_texts

HERE = Path(__file__).parent
VOCABULARY, CONTEXT, BATCH, SEED = 4096, 256, 8, 17
PRIMER_TEXTS = 6000
STEPS = 2800
PEAK = 3e-3
HELD_OUT = 40  # every 40th text is for validation


@click.command()
@click.option("--steps", default=STEPS, show_default=True, help="Optimizer steps.")
@click.option(
    "--target", type=click.Path(path_type=Path), default=HERE / "base", show_default=True, help="Folder."
)
def main(steps: int, target: Path) -> None:
    """Train the starter model and save it in 16 bit."""
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    texts = list(python_texts()) + list(primer_texts(PRIMER_TEXTS, SEED))
    random.Random(SEED).shuffle(texts)  # noqa: S311 - an order, not a secret
    tokenizer = make_tokenizer(texts)
    training = [text for index, text in enumerate(texts) if index % HELD_OUT]
    model = make_model(tokenizer)
    train(model, blocks(tokenizer, training), steps)
    loss = validate(model, blocks(tokenizer, texts[::HELD_OUT]))
    report(f"validation loss {loss:.4f} nats per token, perplexity {math.exp(loss):.1f}")
    model.half().save_pretrained(target)
    tokenizer.save_pretrained(target)


def python_texts() -> Iterator[str]:
    """Give the docstrings of the standard library and the topics of its help, in a fixed order."""
    yield from (text.strip() for _, text in sorted(pydoc_data.topics.topics.items()))
    root = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(root.rglob("*.py")):
        inside = path.relative_to(root).parts
        if not {"site-packages", "test", "tests", "idlelib", "lib2to3", "__pycache__"} & set(inside):
            yield from docstrings(path)


def docstrings(path: Path) -> Iterator[str]:
    """Give the docstrings of a file that are longer than a line."""
    try:
        tree = ast.parse(path.read_bytes())
    except SyntaxError:  # templates and deliberately broken files
        return
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            text = ast.get_docstring(node) or ""
            if len(text) > 80:
                yield text


def make_tokenizer(texts: list[str]) -> Any:
    """Train a byte-level tokenizer: every text can be encoded, and comes back as it was."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<s>", "</s>", "<pad>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    inner.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token="<s>", eos_token="</s>", pad_token="<pad>", model_max_length=1024
    )


def make_model(tokenizer: Any) -> Any:
    """Make a Llama of four layers with random weights."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=128,
            intermediate_size=384,
            num_hidden_layers=4,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=1024,
            tie_word_embeddings=True,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def blocks(tokenizer: Any, texts: list[str]) -> torch.Tensor:
    """Encode texts, each with its end of sequence, as one stream cut into [blocks, CONTEXT]."""
    stream = [token for ids in tokenizer(texts)["input_ids"] for token in (*ids, tokenizer.eos_token_id)]
    return torch.tensor(stream[: len(stream) // CONTEXT * CONTEXT]).view(-1, CONTEXT)


def train(model: Any, rows: torch.Tensor, steps: int) -> None:
    """Train with AdamW, a warm-up of a twentieth and a cosine to a twentieth of the peak."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK, betas=(0.9, 0.95), weight_decay=0.05)
    began, smooth = time.monotonic(), 0.0
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate(step, steps)
        batch = rows[torch.randint(len(rows), (BATCH,))]
        loss = model(input_ids=batch, labels=batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        smooth = loss.item() if step == 0 else 0.98 * smooth + 0.02 * loss.item()
        if step % 50 == 0 or step == steps - 1:
            speed = (step + 1) * batch.numel() / (time.monotonic() - began)
            report(f"step {step + 1}/{steps}  loss {smooth:.3f}  {speed:,.0f} tokens/s  {len(rows)} blocks")


def rate(step: int, steps: int) -> float:
    """Give the learning rate of a step."""
    warm = max(steps // 20, 1)
    if step < warm:
        return PEAK * (step + 1) / warm
    return PEAK * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(steps - warm, 1))))


def validate(model: Any, rows: torch.Tensor) -> float:
    """Give the mean loss over all validation blocks, in nats per token."""
    model.eval()
    with torch.inference_mode():
        losses = [model(input_ids=row[None], labels=row[None]).loss.item() for row in rows]
    return float(sum(losses) / len(losses))


def report(line: str) -> None:
    """Say a line on standard error."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
