"""The settings of a run, as one frozen tree; every field is documented where it is defined.

From this tree derive the YAML recipes, `--set section.field=value`, the Prefect UI's parameter form, the
logged MLflow params and the reference table in the docs.
"""

import re
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any, ClassVar, Generic, Literal, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator


def _version(package: str) -> str:
    """Give the version of an extra; nothing where it is not installed, which is told where it is used."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _plain(name: str) -> str:
    if not re.fullmatch(r"[^\W_][\w .-]{0,199}", name):
        raise ValueError("use letters, digits, spaces and . _ - only, a letter or a digit first")
    return name


def _commit(revision: str) -> str:
    if revision and not re.fullmatch(r"[0-9a-f]{40}", revision):
        raise ValueError("give a commit, 40 hexadecimal digits; branches and tags move, so they pin nothing")
    return revision


def _licence(name: str) -> str:
    if name and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,63}", name):
        raise ValueError("give the SPDX name of a licence, as apache-2.0, or one of your own without spaces")
    return name


def _day(text: str) -> str:
    if text:
        try:
            date.fromisoformat(text)
        except ValueError:
            raise ValueError("give a day as YYYY-MM-DD") from None
    return text


def _endpoint(url: str) -> str:
    if url:
        try:
            parts = urlsplit(url)
            known = parts.scheme in {"http", "https"} and parts.hostname and (parts.port or 1)
        except ValueError:
            known = False
        if not known:
            raise ValueError("give an address that begins with http:// or https://, such as https://HOST/v1")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("leave out users, passwords and ?…; a key goes into FRESHTUNE_JUDGE_KEY")
    return url


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[int, Field(gt=0)]
Day = Annotated[str, AfterValidator(_day)]
PlainName = Annotated[str, AfterValidator(_plain)]
Licence = Annotated[str, AfterValidator(_licence)]
Commit = Annotated[str, AfterValidator(_commit)]
Endpoint = Annotated[str, AfterValidator(_endpoint)]
Place = Annotated[Path, AfterValidator(_absolute), Field(validate_default=True)]
Rank = Annotated[int, Field(ge=1, le=1024)]
Rate = Annotated[float, Field(gt=0, lt=1)]
Epochs = Annotated[float, Field(gt=0)]
Targets = Annotated[tuple[str, ...], Field(min_length=1)]
Number = TypeVar("Number", bound=float)


class Section(BaseModel):
    """A frozen part of the tree that refuses fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
    unkeyed: ClassVar[frozenset[str]] = frozenset()
    """Fields that shape no result, and so are in no cache key."""

    def in_key(self) -> dict[str, Any]:
        """Give what counts for cache keys."""
        return self.model_dump(mode="json", exclude=set(self.unkeyed))


class Fields(Section):
    """Which columns of the logs mean what; a value with braces, `{subject}: {body}`, is a template of columns."""

    id: str = "conversation_id"
    """Column that names the conversation."""
    created: str = "created"
    """Column with the time of the question, or of the message; may be absent from the logs."""
    language: str = "language"
    """Column with the language code; may be absent from the logs."""
    product: str = "product"
    """Column with the product; may be absent from the logs."""
    requester: str = "requester"
    """Column that names who asked; rows of one requester never straddle the split."""
    agent: str = "agent"
    """Column that names who answered; may be absent from the logs."""
    question: tuple[str, ...] = ("subject", "body")
    """Columns or templates that together are the question, joined by an empty line."""
    reply: str = "reply"
    """Column or template of the reply that the model learns."""


class Turns(Section):
    """How a log that holds whole conversations says who speaks; what is empty is detected and shown."""

    column: str = ""
    """Column that holds the list of turns (shape `turns`)."""
    role: str = ""
    """Key of a turn, or column of a message, that says who speaks."""
    text: str = ""
    """Key of a turn, or column of a message, with what is said."""
    time: str = ""
    """Key of a turn, or column of a message, that orders them; without one the order of the file counts."""
    requester: tuple[str, ...] = (
        "user",
        "customer",
        "requester",
        "human",
        "client",
        "end-user",
        "enduser",
        "guest",
    )
    """Roles (values, or keys of a turn) that mean who asked; case does not matter."""
    agent: tuple[str, ...] = ("assistant", "agent", "support", "responder", "gpt", "bot", "operator", "staff")
    """Roles (values, or keys of a turn) that mean who answers; others (system, notes) are left out and counted."""
    take: Literal["last", "every", "accepted"] = "last"
    """Which replies become examples: the last, every one with its history, or the one marked as accepted."""
    accepted: str = "accepted"
    """Key of a turn that is true on the accepted answer (for `take: accepted`)."""


class Outcome(Section):
    """How a conversation ended, where the log says so: columns, filters and weights. An empty name is no column."""

    solved: str = ""
    """Column that is true where the reply solved the question."""
    votes: str = ""
    """Column with the number of helpful votes."""
    csat: str = ""
    """Column with the customer's satisfaction, a number."""
    reopened: str = ""
    """Column that is true where the conversation was opened again."""
    only_solved: bool = False
    """Filter what is not known to be solved."""
    min_votes: int | None = None
    """Filter what has fewer votes; what has none stated is kept."""
    min_csat: float | None = None
    """Filter what has a lower satisfaction; what has none stated is kept."""
    drop_reopened: bool = False
    """Filter what was opened again."""
    solved_weight: Annotated[float, Field(gt=0, le=100)] = 1.0
    """Weight of a solved conversation in training; others weigh 1."""
    vote_weight: Annotated[float, Field(ge=0, le=100)] = 0.0
    """Added to the weight for each doubling of (votes + 1)."""


class LogsSettings(Section):
    """Where the logs are and what shape they have."""

    paths: tuple[str, ...] = ()
    """Files, folders, globs or URLs; relative to the recipe's folder in a recipe, to the current folder on the command line."""
    format: Literal["auto", "jsonl", "json", "csv", "tsv", "parquet"] = "auto"
    """File format; `auto` goes by the ending, also before `.gz` and `.zst`."""
    shape: Literal["auto", "columns", "turns", "messages"] = "auto"
    """A row is a question with its reply, a whole conversation, or one message; `auto` detects it and says so."""
    fields: Fields = Fields()
    """Which columns mean what."""
    turns: Turns = Turns()
    """Who speaks, in the shapes `turns` and `messages`."""
    outcome: Outcome = Outcome()
    """How conversations ended."""
    max_unpacked_mib: Positive = 65536
    """Most MiB that one compressed file may unpack to; more than a hundredfold is refused before."""


class QualitySettings(Section):
    """When the data is too bad to train on."""

    on_failure: Literal["quarantine", "stop"] = "quarantine"
    """What a row does that breaks a `warning` expectation: go to quarantine, or stop the run. `critical` always stops."""
    max_quarantined: Fraction = 0.3
    """Largest share of rows that may go to quarantine before the run stops."""
    min_examples: Positive = 100
    """Fewest training examples; with fewer, LoRA does not pay."""
    suites: str = ""
    """Folder with expectation suites of your own; a suite of the same name replaces the bundled one."""


class CleaningSettings(Section):
    """What cleaning removes."""

    quoted_mail: bool = True
    """Cut the history that mail programs quote below or above a message."""
    signatures: bool = True
    """Cut signatures and lines like `Sent from my phone`."""
    greetings: bool = False
    """Cut a salutation at the beginning and a parting at the end of a reply."""
    prompt_styles: bool = True
    """Take `Human:`, `### Response:` and the like off the beginning of a text."""
    redact: bool = True
    """Replace personal data and secrets by placeholders such as `<EMAIL_1>`, the same within a conversation."""
    redactor: Literal["patterns", "presidio"] = "patterns"
    """Who finds personal data: our checked patterns, or these and Microsoft Presidio (extra `presidio`)."""
    known_names: bool = True
    """Replace the names of requester and agent, known from the log's own columns, where they occur in the text."""
    detect_language: bool = True
    """Identify the language of rows whose log does not say it; texts under 60 characters abstain."""
    languages: tuple[str, ...] = ()
    """Language codes kept (`en` also keeps `en-US`); empty keeps all, and rows of unknown language are kept."""
    min_question_chars: Positive = 10
    """Shortest question kept, in characters after cleaning."""
    min_reply_chars: Positive = 20
    """Shortest reply kept, in characters after cleaning."""
    drop_acknowledgements: bool = True
    """Filter replies that only thank or confirm."""
    drop_counter_questions: bool = False
    """Filter replies that only ask back."""
    duplicates: Literal["off", "exact", "near"] = "near"
    """Keep the first of equal, or of nearly equal, conversations."""
    near_threshold: Annotated[float, Field(ge=0.5, le=1.0)] = 0.85
    """Share of three-word shingles (Jaccard) from which two conversations are nearly equal."""

    @property
    def redactor_version(self) -> str:
        """Give the version of Presidio where it is asked."""
        return _version("presidio-analyzer") if self.redactor == "presidio" else ""

    def in_key(self) -> dict[str, Any]:
        """Give what counts for cache keys, with the version of Presidio where it is asked."""
        return super().in_key() | ({"presidio": self.redactor_version} if self.redactor == "presidio" else {})


class FormatSettings(Section):
    """How a conversation becomes an example, and which examples are held out."""

    template: Literal["instruction", "plain", "chat"] = "instruction"
    """Prompt template; `chat` is the base's own."""
    split: Literal["requester", "conversation", "time"] = "requester"
    """Hold out by who asked, by conversation, or the newest by time (`held_out_from`)."""
    held_out: Annotated[float, Field(gt=0.0, le=0.5)] = 0.1
    """Share of requesters (or conversations) whose rows are held out for evaluation."""
    held_out_from: Day = ""
    """For `split: time`: hold out what was created on this day or later, as YYYY-MM-DD."""
    salt: str = "freshtune"
    """Salt of the split; the same salt holds out the same requesters in every run."""
    max_per_requester: Annotated[int, Field(ge=0)] = 0
    """Most rows that one requester may have in training; 0 is no limit."""

    @model_validator(mode="after")
    def _insist_on_a_day(self) -> Self:
        if self.split == "time" and not self.held_out_from:
            raise ValueError(
                "`split: time` needs `held_out_from`, the first day that is held out, as YYYY-MM-DD"
            )
        return self


class TokensSettings(Section):
    """How long an example may be."""

    max_length: Annotated[int, Field(ge=16, le=131072)] = 512
    """Most tokens in one example."""
    over_length: Literal["drop", "keep_reply", "split"] = "drop"
    """A longer one is dropped; or loses the beginning of its prompt; or its reply is taught in pieces. No reply is cut."""


class ModelSettings(Section):
    """The base model."""

    base: str = ""
    """A local folder, or a hub id with `revision`."""
    revision: Commit = ""
    """Commit of the hub id; required for one."""
    quantization: Literal["none", "nf4", "int8"] = "nf4"
    """How the frozen base is held while training."""
    double_quant: bool = True
    """Quantize the quantization constants too (nf4)."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Compute type; `auto` is bfloat16 on a GPU that has it and float32 on a CPU."""
    attention: Literal["auto", "sdpa", "eager"] = "auto"
    """Attention implementation; `auto` is sdpa where the family has it."""

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
        {"checkpoint_steps", "checkpoint_minutes", "timeout_minutes"}
    )

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

    Everything else is as the other sections say, `lora.alpha` too. What `lora.method` does not use is not tried.
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
    """Fewest training rows that the champion was not trained on; 0 asks for none."""
    min_new_share: Fraction = 0.0
    """Smallest share of today's training rows that these are; 0 asks for none."""
    max_days: Annotated[float, Field(ge=0)] = 0
    """Days after which a champion is old, and less that is new will do; 0 is never."""
    min_drift: Fraction = 0.0
    """Less that is new will do, too, where it differs from the champion's rows by more than this: the Jensen-Shannon divergence of
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


class EvaluationSettings(Section):
    """How models are compared."""

    unkeyed: ClassVar[frozenset[str]] = frozenset({"golden", "earlier_rows", "harness", "harness_limit"})

    batch_tokens: Positive = 8192
    """Tokens in one scoring batch, padding included."""
    generated: Annotated[int, Field(ge=0, le=10000)] = 24
    """Held-out questions that each model answers, for figures of its replies."""
    replies: Annotated[int, Field(ge=0, le=100)] = 3
    """Of those, how many are shown with the answers of base and challenger, for people to read."""
    max_new_tokens: Positive = 80
    """Longest generated reply."""
    golden: str = ""
    """YAML file of questions that every model is asked, with what their replies must hold; empty is none. A relative path is
    relative to the recipe's folder in a recipe, to the current folder on the command line."""
    earlier_rows: Annotated[int, Field(ge=0, le=100000)] = 512
    """Most held-out rows of the champion's own dataset, by smallest row id, that challenger and champion are compared on when
    today's logs do not hold them any more; it tells what a model forgets when logs rotate. 0 asks none."""
    harness: tuple[str, ...] = ()
    """Tasks of EleutherAI's lm-eval (extra `lm-eval`) that base and challenger are asked, for people to read: names, or YAML
    files of tasks of your own, whose data may lie beside them. Named ones fetch their data from a hub. Relative as `golden`."""
    harness_limit: Annotated[int, Field(ge=0)] = 0
    """Most examples of each of these tasks; 0 asks all."""
    merge_rows: Positive = 16
    """Held-out rows on which merged model and adapter are compared."""
    max_merge_difference: Annotated[float, Field(gt=0)] = 0.05
    """Largest logit difference allowed between them."""
    min_merge_match: Fraction = 0.99
    """Smallest share of tokens on which both would choose the same one."""


class JudgeSettings(Section):
    """A language model elsewhere that says whose replies are better, the challenger's or the champion's; off without `url`."""

    url: Endpoint = ""
    """Base of an OpenAI-compatible server, such as https://HOST/v1; empty is off. **Texts leave the machine for it**: held-out
    questions as they were cleaned, and both models' replies, all redacted once more by our patterns; no ids, no replies of the
    team. Its key is read from FRESHTUNE_JUDGE_KEY, never from a setting."""
    model: str = ""
    """Name of the model there."""
    pairs: Annotated[int, Field(ge=1, le=10000)] = 24
    """Most questions whose replies are compared, each in both orders; at most as many as evaluation.generated writes."""
    timeout_seconds: Annotated[float, Field(gt=0, le=3600)] = 60
    """Longest wait for one answer."""

    def in_key(self) -> dict[str, Any]:
        """Give what counts for cache keys: who is asked, and how many pairs."""
        parts = urlsplit(self.url)
        return {"host": f"{parts.hostname}:{parts.port or ''}", "model": self.model, "pairs": self.pairs}


class GateSettings(Section):
    """When a challenger becomes champion."""

    unkeyed: ClassVar[frozenset[str]] = frozenset({"wait_minutes"})

    mode: Literal["auto", "ask", "never"] = "auto"
    """Promote at once, ask a person, or never."""
    wait_minutes: Annotated[int, Field(ge=0)] = 1440
    """For `mode: ask`, how long a run at a Prefect server waits for its form; later, and in a run with a server of its own, a
    person says it in the shell."""
    min_gain: Annotated[float, Field(ge=0)] = 0.01
    """Smallest gain in held-out loss per token, in nats, that the confidence interval must exclude; another seed alone may gain
    half of it."""
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    """Confidence of that interval."""
    max_slice_loss: Annotated[float, Field(ge=0)] = 0.1
    """Largest loss against the champion (the base, as long as there is none) of any language, product, length, month or outcome,
    or on earlier rows, in nats per token; a larger one, beyond noise and of five requesters at least, keeps the challenger out."""
    max_general_loss: Annotated[float, Field(ge=0)] = 0.5
    """Largest loss against the base on general text, in English or German or both, in nats per token; a larger one, beyond noise,
    keeps the challenger out. The default lets perplexity grow by two thirds, which is damage rather than a change of tone; with 0
    the loss is only shown. It says nothing of a base that never foresaw such text (near the logarithm of its vocabulary)."""
    min_golden: Fraction = 0.0
    """Smallest share of the golden cases that the challenger must pass; above 0, it may not pass fewer than the champion beyond
    noise either. With 0 they are only shown, but for critical ones: a challenger that fails one is kept out."""
    judge: bool = False
    """Keep a challenger out whose replies the judge likes less than the champion's (the base's, as long as there is none), beyond
    noise at `confidence`; and one of whose pairs no answer could be read. Without it the judge's word is only shown."""


class RegistrySettings(Section):
    """Where versions are registered."""

    name: PlainName = "support-assistant"
    """Name of the registered model."""
    experiment: PlainName = "freshtune"
    """MLflow experiment of the runs."""
    licence: Licence = ""
    """Licence that the model card states, as an SPDX name (`apache-2.0`); empty states none."""


class RetentionSettings(Section):
    """What `freshtune clean` leaves in the workspace, beside the champion, the versions around it, and their lineage."""

    keep_runs: Positive = 20
    """The last runs, with every artifact that they used."""


WHOLE = "pissa takes singular values out of weights in full precision; set model.quantization=none, or lora.method=lora"
SHARDED = {
    ("full", ""): "only a frozen base is shared among processes; set lora.method=lora",
    ("", "int8"): "8-bit weights cannot be parted; set model.quantization=nf4",
}
FROZEN = "quantized weights cannot be trained; set model.quantization=none, or lora.method=lora"
IMPOSSIBLE = {
    ("pissa", "nf4"): WHOLE,
    ("pissa", "int8"): WHOLE,
    ("full", "nf4"): FROZEN,
    ("full", "int8"): FROZEN,
    (
        "dora",
        "int8",
    ): "dora's magnitudes cannot be computed on 8-bit weights; set model.quantization=nf4, or lora.method=lora",
}


class Settings(Section):
    """Everything that shapes a run."""

    workspace: Place = Path(".freshtune")
    """Folder of all files: store, runs, databases."""
    logs: LogsSettings = LogsSettings()
    quality: QualitySettings = QualitySettings()
    cleaning: CleaningSettings = CleaningSettings()
    format: FormatSettings = FormatSettings()
    tokens: TokensSettings = TokensSettings()
    model: ModelSettings = ModelSettings()
    lora: LoraSettings = LoraSettings()
    training: TrainingSettings = TrainingSettings()
    sweep: SweepSettings = SweepSettings()
    worth: WorthSettings = WorthSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    judge: JudgeSettings = JudgeSettings()
    gate: GateSettings = GateSettings()
    registry: RegistrySettings = RegistrySettings()
    retention: RetentionSettings = RetentionSettings()

    @model_validator(mode="after")
    def _refuse_what_cannot_be_right(self) -> Self:
        reason = IMPOSSIBLE.get((self.lora.method, self.model.quantization))
        if reason:
            raise ValueError(
                f"lora.method is {self.lora.method} and model.quantization is {self.model.quantization}: {reason}"
            )
        for (method, quantization), cure in SHARDED.items() if self.training.sharding else ():
            if self.lora.method == method or self.model.quantization == quantization:
                raise ValueError(f"training.sharding is true: {cure}, or training.sharding=false")
        if self.training.sharding and self.training.processes == 1:
            raise ValueError(
                "training.sharding is true and training.processes is 1: there is nobody to share with; set as many processes "
                "as there are GPUs"
            )
        if self.lora.method == "prefix" and self.training.gradient_checkpointing:
            raise ValueError(
                "lora.method is prefix and training.gradient_checkpointing is true: a prefix is lost where activations are "
                "recomputed; set training.gradient_checkpointing=false, or lora.method=prompt"
            )
        return self

    @model_validator(mode="after")
    def _refuse_a_bar_for_what_is_not_asked(self) -> Self:
        if self.gate.min_golden and not self.evaluation.golden:
            raise ValueError(
                "gate.min_golden is set and evaluation.golden is empty: name the file of cases, or set gate.min_golden=0"
            )
        return self

    @model_validator(mode="after")
    def _refuse_a_judge_that_cannot_be_asked(self) -> Self:
        written = max(self.evaluation.generated, self.evaluation.replies)
        if self.gate.judge and not self.judge.url:
            raise ValueError("gate.judge is true and judge.url is empty: set judge.url, or gate.judge=false")
        if self.judge.url and not self.judge.model:
            raise ValueError("judge.url is set and judge.model is empty: name the model that is asked")
        if self.judge.url and self.judge.pairs > written:
            raise ValueError(
                f"judge.pairs is {self.judge.pairs} and only {written} replies are written: set evaluation.generated to as many"
            )
        return self
