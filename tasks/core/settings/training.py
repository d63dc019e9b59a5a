"""Settings of the training chapter: base, adapter, loop, sweep, and when a training is worth it."""

from typing import Annotated, Any, ClassVar, Generic, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from tasks.core.settings.words import Commit, Epochs, Fraction, Number, Positive, Rank, Rate, Section, Targets

Held = Literal["none", "nf4", "int8"]
"""How a base is held; `none` is as its files have it, in the compute type."""


class ModelSettings(Section):
    """The base model."""

    base: str = ""
    """A local folder, or a hub id with `revision`."""
    revision: Commit = ""
    """Commit of the hub id; required for one."""
    quantization: Literal[Held, "auto"] = "nf4"
    """How the frozen base is held while training; `auto` is `none` where its weights take at most half of the device's memory, or
    nothing else can be right, and `nf4` elsewhere."""
    double_quant: bool = True
    """Quantize the quantization constants too (nf4)."""
    dtype: Literal["auto", "float32", "mixed", "bfloat16", "float16"] = "auto"
    """Compute type; `auto` is bfloat16 on a GPU that has it, and float32 on a CPU, or `mixed` on one that multiplies bfloat16:
    float32, but for the products of a training with frozen weights; on other CPUs it is many times slower."""
    attention: Literal["auto", "sdpa", "eager"] = "auto"
    """Attention implementation; `auto` is sdpa where the family has it."""

    @property
    def held_as(self) -> Held:
        """Give the quantization, once it is settled. Raises `ValueError` before."""
        if self.quantization == "auto":
            raise ValueError("model.quantization is not settled yet.")
        return self.quantization

    def without_source(self) -> "ModelSettings":
        """Give what shapes the loading; where the base is from is told by its receipt."""
        return self.model_copy(update={"base": "", "revision": ""})


class LoraSettings(Section):
    """The adapter, or what is trained in its place."""

    method: Literal["lora", "rslora", "dora", "pissa", "prefix", "prompt", "full"] = "lora"
    """What is trained: low-rank updates (`pissa` begins in the base's largest singular values, and is saved as LoRA of twice the
    rank), `virtual_tokens` before every conversation, as attention sees them (`prefix`) or as embeddings (`prompt`), or all
    weights (`full`)."""
    rank: Rank = 16
    """Rank of the update."""
    alpha: Annotated[float, Field(gt=0)] = 32
    """Scale of the update: alpha / rank."""
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Dropout on the adapter's input."""
    targets: tuple[str, ...] = ("all-linear",)
    """Names of the layers that get an adapter, `attention` for all of those there, or `all-linear`."""
    virtual_tokens: Annotated[int, Field(ge=1, le=1024)] = 16
    """Virtual tokens of `prefix` and `prompt`."""

    def in_key(self) -> dict[str, Any]:
        """Give what counts for cache keys: the fields that the method uses."""
        virtual = {"method", "virtual_tokens"}
        used = {"full": {"method"}, "prefix": virtual, "prompt": virtual}
        fields = used.get(self.method, set(type(self).model_fields) - {"virtual_tokens"})
        return self.model_dump(mode="json", include=fields)


class TrainingSettings(Section):
    """The optimisation."""

    unkeyed: ClassVar[frozenset[str]] = frozenset(
        {"start", "replay", "checkpoint_steps", "checkpoint_minutes", "timeout_minutes"}
    )

    start: Literal["base", "champion"] = "base"
    """Train a new adapter on all rows, or go on with the champion's: on the rows that are new to it, and `replay` of those that it
    knows. Where that cannot be, it is trained from the base, and the run says why."""
    replay: Fraction = 0.3
    """Share of rows that the champion knows in what is trained (`start: champion`), as far as there are as many; 1 takes all."""
    epochs: Epochs = 3.0
    """Passes over the training rows."""
    max_steps: Annotated[int, Field(ge=0)] = 0
    """Most optimizer steps; 0 leaves it to `epochs`."""
    learning_rate: Rate = 2e-4
    """Peak learning rate."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """How the rate falls after its rise: along a cosine to a tenth of the peak, in a line to zero, or not."""
    warmup: Fraction = 0.03
    """Share of steps over which the rate rises."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """AdamW's decay."""
    clip: Annotated[float, Field(gt=0)] = 1.0
    """Largest gradient norm."""
    batch_tokens: Positive = 4096
    """Tokens in one batch, padding included; rows of similar lengths go together."""
    batch_rows: Annotated[int, Field(ge=0)] = 0
    """Rows in one batch, drawn whatever their lengths, as most other trainers do it; 0 leaves it to `batch_tokens`."""
    accumulation: Positive = 1
    """Batches in one optimizer step."""
    micro_tokens: Annotated[int, Field(ge=0)] = 0
    """Tokens that go through the model at once, in pieces of a batch; 0 leaves it to the device and its memory."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Seed of adapter, order and dropout."""
    validation: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """Share of the training requesters (or conversations) whose rows are watched; the weights that do best there are kept."""
    validation_steps: Positive = 50
    """Optimizer steps between looks at the watched rows."""
    patience: Annotated[int, Field(ge=0)] = 0
    """Looks in a row without a lower loss that end the training; 0 goes on to the end."""
    checkpoint_steps: Positive = 50
    """Most optimizer steps between checkpoints."""
    checkpoint_minutes: Annotated[float, Field(gt=0)] = 10.0
    """Most minutes between checkpoints."""
    gradient_checkpointing: bool = False
    """Recompute activations: slower, needs less memory."""
    processes: Positive = 1
    """Training processes (one a GPU)."""
    sharding: bool = False
    """Share the frozen base among the processes (FSDP), for one that no single GPU holds; slower where one does."""
    timeout_minutes: Positive = 1440
    """Longest training time before the child is stopped."""


class Range(Section, Generic[Number]):
    """Any value from `low` to `high`, drawn by its logarithm; of whole numbers, a whole one."""

    low: Number
    high: Number

    @model_validator(mode="after")
    def _insist_on_an_order(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low is {self.low:g} and high is {self.high:g}: low must be lower")
        return self


class RankRange(Range[Rank]):
    """Ranks."""


class RateRange(Range[Rate]):
    """Learning rates."""


class EpochRange(Range[Epochs]):
    """Passes over the training rows."""


def _kind_of_dimension(value: Any) -> str:
    return "range" if isinstance(value, dict | Range) else "choices"


SOME = Field(min_length=1)
EITHER = Discriminator(_kind_of_dimension)
CHOICES, RANGE = Tag("choices"), Tag("range")


class SweepSettings(Section):
    """What `freshtune sweep` tries: for each of four settings a list of choices, or a range `{low: …, high: …}`.

    Everything else is as the other sections say, `lora.alpha` too. What `lora.method` does not use is not tried, nor, with
    `training.start: champion`, another shape than the champion's adapter has.
    """

    unkeyed: ClassVar[frozenset[str]] = frozenset({"trials"})

    trials: Annotated[int, Field(ge=1, le=1000)] = 12
    """Most settings that are tried; the recipe's own are the first, where they are among the choices."""
    rank: Annotated[Annotated[tuple[Rank, ...], SOME, CHOICES] | Annotated[RankRange, RANGE], EITHER] = (
        8,
        16,
        32,
    )
    """Of `lora.rank`."""
    learning_rate: Annotated[
        Annotated[tuple[Rate, ...], SOME, CHOICES] | Annotated[RateRange, RANGE], EITHER
    ] = RateRange(low=5e-5, high=5e-3)
    """Of `training.learning_rate`."""
    targets: Annotated[tuple[Targets, ...], SOME] = (("all-linear",), ("attention",))
    """Of `lora.targets`; each choice is a list, as there."""
    epochs: Annotated[Annotated[tuple[Epochs, ...], SOME, CHOICES] | Annotated[EpochRange, RANGE], EITHER] = (
        1.0,
        2.0,
        3.0,
    )
    """Of `training.epochs`; `training.max_steps` limits trials too."""
    startup: Annotated[int, Field(ge=1)] = 5
    """Trials that are drawn at random before what was learned decides; until as many are complete, none is stopped early."""
    pruning: bool = True
    """Stop a trial whose loss, at a look at the watched rows (`training.validation_steps`), is above the median of the others."""


class WorthSettings(Section):
    """When a training is worth it; a run in which it is not ends as `skipped` before anything is trained.

    Without a least number or share and without a budget, nothing is asked, and whatever there is is trained on.
    """

    min_new_rows: Annotated[int, Field(ge=0)] = 0
    """Fewest training rows that neither the champion nor what was tried since was trained on; 0 asks for none."""
    min_new_share: Fraction = 0.0
    """Smallest share of today's training rows that these are; 0 asks for none."""
    max_days: Annotated[float, Field(ge=0)] = 0
    """Days after which a champion, or what was tried since, is old, and less that is new will do; 0 is never."""
    min_drift: Fraction = 0.0
    """Less that is new will do, too, where it differs from the rows of then by more than this: the Jensen-Shannon divergence of
    language, product or length, in bits from 0 to 1, if it is beyond chance (p < 0.01); 0 never looks at it."""
    max_trainings: Annotated[int, Field(ge=0)] = 0
    """Most trainings that this workspace ends within `budget_days`, beyond which none is begun, whatever is new; those of today's
    own data do not count. 0 is no limit."""
    budget_days: Annotated[float, Field(gt=0)] = 7
    """Days that `max_trainings` is for."""

    @property
    def asks(self) -> bool:
        """Say whether anything is asked of a training."""
        return bool(self.min_new_rows or self.min_new_share or self.max_trainings)
