"""Settings of the data chapter: where logs are, how they are checked, cleaned, formed and cut into tokens."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from tasks.core.settings.words import Day, Fraction, Positive, Section, version_of


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
        return version_of("presidio-analyzer") if self.redactor == "presidio" else ""

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
