"""Settings of the judging and publishing chapters: evaluation, judge, gate, registry, and what is kept."""

from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field

from tasks.core.settings.words import Endpoint, Fraction, Licence, PlainName, Positive, Section


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
