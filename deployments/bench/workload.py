"""What is trained in the bench: a base of a given shape with random weights, and rows of ids that it can learn from.

Rows are log-normal in length, about 145 tokens in the mean, a third of them the prompt. Replies draw from few tokens of
the vocabulary, unevenly: that is what there is to learn.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VOCABULARY, PAD, END, WIDTH = 4096, 0, 2, 512
LEARNING_RATE = 1e-2
BATCH_TOKENS = 5_600  # as many optimizer steps as of 32 rows each
STARTER = Path(__file__).parents[1] / "starter" / "base"


@dataclass(frozen=True)
class Shape:
    """The shape of a Llama model."""

    hidden: int
    layers: int
    intermediate: int

    @property
    def layer_weights(self) -> int:
        """Count the weights of the linear layers in all blocks."""
        return self.layers * self.hidden * (4 * self.hidden + 3 * self.intermediate)


@dataclass(frozen=True)
class Row:
    """A row of ids, whose reply begins after `prompt_length`; a score asks for id and group."""

    row_id: str
    group: str
    ids: list[int]
    prompt_length: int


@dataclass(frozen=True)
class Work:
    """What every recipe is given: base, rows, a folder to write to, adapter and rate; and the longest time, if there is one."""

    base: Path
    rows: Sequence[Row]
    scratch: Path
    rank: int = 8
    targets: tuple[str, ...] = ("q_proj", "v_proj")
    learning_rate: float = LEARNING_RATE
    dropout: float = 0.0
    schedule: str = "cosine"
    warmup_steps: int = 0
    batch_tokens: int = BATCH_TOKENS
    batch_rows: int = 0
    epochs: int = 1
    steps: int = 0
    seconds: float = 0.0

    @property
    def tokens(self) -> int:
        """Count the real tokens of one pass."""
        return sum(len(row.ids) for row in self.rows)


Timed = tuple[float, Any]  # seconds, and the trained model
Recipe = Callable[[Work], Timed]


def make_base(folder: Path, shape: Shape) -> Path:
    """Save a random base, with the starter's tokenizer for those who insist on one."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.hidden // 64,
        num_key_value_heads=shape.hidden // 64,
        max_position_embeddings=2 * WIDTH,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=END,
        pad_token_id=PAD,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(str(STARTER)).save_pretrained(folder)
    return folder


def make_rows(count: int, seed: int) -> list[Row]:
    """Draw rows, the same for one seed."""
    draw = random.Random(seed)  # noqa: S311 - a workload, not a secret
    rows = []
    for number in range(count):
        length = min(max(int(draw.lognormvariate(4.8, 0.65)), 16), WIDTH)
        prompt = max(length // 3, 1)
        ids = [draw.randrange(3, VOCABULARY) for _ in range(prompt)]
        ids += [3 + int(draw.paretovariate(0.6)) % 200 for _ in range(length - prompt - 1)]
        rows.append(Row(str(number), "", [*ids, END], prompt))
    return rows


def held_out_loss(model: Any, rows: Sequence[Row]) -> float:
    """Score rows by the product's own craft, in the arithmetic of the training: nats per reply token."""
    from tasks.core.judging.scoring import score_rows

    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):  # else bitsandbytes scores other weights, or fails
            module.support_avx512bf16_for_cpu = False
    scores = score_rows(model, rows, 8192, PAD)
    return sum(score.loss_sum for score in scores) / sum(score.tokens for score in scores)
