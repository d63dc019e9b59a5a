"""The settings of a run, as one frozen tree; every field is documented where it is defined.

From this tree derive the YAML recipes, `--set section.field=value`, the Prefect UI's parameter form, the
logged MLflow params and the reference table in the docs.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[int, Field(gt=0)]


class Section(BaseModel):
    """A frozen part of the tree that refuses fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Fields(Section):
    """Which columns of the logs mean what; lists are joined with an empty line."""

    id: str = "conversation_id"
    """Column that names the conversation."""
    created: str = "created"
    """Column with the time of the question; may be absent from the logs."""
    language: str = "language"
    """Column with the language code; may be absent from the logs."""
    product: str = "product"
    """Column with the product; may be absent from the logs."""
    requester: str = "requester"
    """Column that names who asked; rows of one requester never straddle the split."""
    agent: str = "agent"
    """Column that names who answered; may be absent from the logs."""
    question: tuple[str, ...] = ("subject", "body")
    """Columns that together are the question."""
    reply: str = "reply"
    """Column with the reply that the model learns."""


class LogsSettings(Section):
    """Where the logs are and what shape they have."""

    paths: tuple[str, ...] = ()
    """Files or globs; relative to the recipe's folder in a recipe, to the current folder on the command line."""
    format: Literal["auto", "jsonl", "csv"] = "auto"
    """File format; `auto` goes by the ending."""
    fields: Fields = Fields()
    """Which columns mean what."""


class QualitySettings(Section):
    """When the data is too bad to train on."""

    on_failure: Literal["quarantine", "stop"] = "quarantine"
    """What a row does that breaks a critical expectation: go to quarantine, or stop the run."""
    max_quarantined: Fraction = 0.3
    """Largest share of rows that may go to quarantine before the run stops."""
    min_examples: Positive = 100
    """Fewest training examples; with fewer, LoRA does not pay."""


class CleaningSettings(Section):
    """What cleaning removes."""

    redact: bool = True
    """Replace e-mail addresses, phone and card numbers, IBANs, IP addresses and secrets by placeholders."""
    min_question_chars: Positive = 10
    """Shortest question kept, in characters after cleaning."""
    min_reply_chars: Positive = 20
    """Shortest reply kept, in characters after cleaning."""
    languages: tuple[str, ...] = ()
    """Language codes kept (`en` also keeps `en-US`); empty keeps all."""
    drop_duplicates: bool = True
    """Keep the first of conversations whose cleaned question and reply are equal."""


class FormatSettings(Section):
    """How a conversation becomes an example, and which examples are held out."""

    template: Literal["instruction", "plain", "chat"] = "instruction"
    """Prompt template; `chat` is the base's own."""
    held_out: Annotated[float, Field(gt=0.0, le=0.5)] = 0.1
    """Share of requesters whose rows are held out for evaluation."""
    salt: str = "freshtune"
    """Salt of the split; the same salt holds out the same requesters in every run."""


class TokensSettings(Section):
    """How long an example may be."""

    max_length: Annotated[int, Field(ge=16, le=131072)] = 512
    """Most tokens in one example."""
    over_length: Literal["drop", "cut_prompt"] = "drop"
    """What happens to a longer one: dropped and counted, or its question cut at the front; a reply is never cut."""


class ModelSettings(Section):
    """The base model."""

    base: str = ""
    """A local folder, or a hub id with `revision`."""
    revision: str = ""
    """Commit of the hub id; required for one."""
    quantization: Literal["none", "nf4", "int8"] = "nf4"
    """How the frozen base is held while training."""
    double_quant: bool = True
    """Quantize the quantization constants too (nf4)."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Compute type; `auto` is bfloat16 on a GPU that has it and float32 on a CPU."""
    attention: Literal["sdpa", "eager"] = "sdpa"
    """Attention implementation."""

    def without_source(self) -> "ModelSettings":
        """Give what shapes the loading; where the base is from is told by its receipt."""
        return self.model_copy(update={"base": "", "revision": ""})


class LoraSettings(Section):
    """The adapter."""

    method: Literal["lora", "rslora", "dora"] = "lora"
    """Kind of adapter."""
    rank: Annotated[int, Field(ge=1, le=1024)] = 16
    """Rank of the update."""
    alpha: Annotated[float, Field(gt=0)] = 32
    """Scale of the update: alpha / rank."""
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Dropout on the adapter's input."""
    targets: tuple[str, ...] = ("all-linear",)
    """Names of the layers that get an adapter, or `all-linear`."""


class TrainingSettings(Section):
    """The optimisation."""

    epochs: Annotated[float, Field(gt=0)] = 3
    """Passes over the training rows."""
    max_steps: Annotated[int, Field(ge=0)] = 0
    """Most optimizer steps; 0 leaves it to `epochs`."""
    learning_rate: Annotated[float, Field(gt=0, lt=1)] = 2e-4
    """Peak learning rate."""
    warmup: Fraction = 0.03
    """Share of steps over which the rate rises; then it falls along a cosine."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """AdamW's decay."""
    clip: Annotated[float, Field(gt=0)] = 1.0
    """Largest gradient norm."""
    batch_tokens: Positive = 4096
    """Tokens in one micro-batch, padding included."""
    accumulation: Positive = 1
    """Micro-batches in one optimizer step."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Seed of adapter, order and dropout."""
    checkpoint_steps: Positive = 50
    """Optimizer steps between checkpoints."""
    gradient_checkpointing: bool = False
    """Recompute activations: slower, needs less memory."""
    processes: Positive = 1
    """Training processes (one a GPU)."""
    timeout_minutes: Positive = 1440
    """Longest training time before the child is stopped."""


class EvaluationSettings(Section):
    """How models are compared."""

    batch_tokens: Positive = 8192
    """Tokens in one scoring batch, padding included."""
    replies: Annotated[int, Field(ge=0, le=100)] = 3
    """Held-out questions answered by base and challenger, for people to read."""
    max_new_tokens: Positive = 80
    """Longest generated reply."""
    merge_rows: Positive = 16
    """Held-out rows on which merged model and adapter are compared."""
    max_merge_difference: Annotated[float, Field(gt=0)] = 0.05
    """Largest logit difference allowed between them."""
    min_merge_match: Fraction = 0.99
    """Smallest share of tokens on which both would choose the same one."""


class GateSettings(Section):
    """When a challenger becomes champion."""

    mode: Literal["auto", "ask", "never"] = "auto"
    """Promote at once, leave it for a person, or never."""
    min_gain: Annotated[float, Field(ge=0)] = 0.0
    """Smallest gain in held-out loss per token, in nats, that the confidence interval must exclude."""
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    """Confidence of that interval."""
    resamples: Annotated[int, Field(ge=200)] = 2000
    """Bootstrap resamples."""


class RegistrySettings(Section):
    """Where versions are registered."""

    name: str = "support-assistant"
    """Name of the registered model."""
    experiment: str = "freshtune"
    """MLflow experiment of the runs."""


class Settings(Section):
    """Everything that shapes a run."""

    workspace: Path = Path(".freshtune")
    """Folder of all files: store, runs, databases."""
    logs: LogsSettings = LogsSettings()
    quality: QualitySettings = QualitySettings()
    cleaning: CleaningSettings = CleaningSettings()
    format: FormatSettings = FormatSettings()
    tokens: TokensSettings = TokensSettings()
    model: ModelSettings = ModelSettings()
    lora: LoraSettings = LoraSettings()
    training: TrainingSettings = TrainingSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    gate: GateSettings = GateSettings()
    registry: RegistrySettings = RegistrySettings()
