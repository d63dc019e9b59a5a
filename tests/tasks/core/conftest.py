"""A small training with its token rows and its plan, and a random base of every family."""

import random
from pathlib import Path

import pytest
from tiny_families import FAMILIES, save_base

from tasks.core.fitting.plan import FitPlan
from tasks.core.tokens.storing import TokenRow, save_token_rows


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    draw = random.Random(1)
    path = tmp_path_factory.mktemp("rows") / "train.arrow"
    rows = [
        TokenRow(
            str(row),
            f"{row // 3:016x}",
            "en",
            "p",
            [draw.randrange(3, 90) for _ in range(draw.randrange(8, 30))],
            4,
        )
        for row in range(60)
    ]
    save_token_rows(path, rows)
    return path


@pytest.fixture
def plan(tiny_base: Path, tokens: Path, tmp_path: Path) -> FitPlan:
    (tmp_path / "work").mkdir()
    return FitPlan(
        identity="this training",
        base=str(tiny_base),
        base_identity="base",
        tokens=str(tokens),
        output=str(tmp_path / "out"),
        work=str(tmp_path / "work"),
        pad_id=2,
        quantization="nf4",
        double_quant=True,
        dtype="auto",
        attention="sdpa",
        method="lora",
        rank=4,
        alpha=8,
        dropout=0.1,
        targets=("all-linear",),
        virtual_tokens=4,
        packed=False,
        epochs=20,
        max_steps=12,
        learning_rate=5e-3,
        schedule="cosine",
        warmup=0.1,
        weight_decay=0.01,
        clip=1.0,
        batch_tokens=300,
        batch_rows=0,
        accumulation=2,
        micro_tokens=300,
        longest=30,
        seed=0,
        validation=0.0,
        validation_steps=3,
        patience=0,
        checkpoint_steps=4,
        checkpoint_minutes=10,
        gradient_checkpointing=False,
        processes=1,
        sharding=False,
        timeout_minutes=5,
    )


@pytest.fixture(scope="session")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {family: save_base(tmp_path_factory.mktemp("base"), family) for family in FAMILIES}
