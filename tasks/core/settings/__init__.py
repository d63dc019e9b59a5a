"""The settings of a run, as one frozen tree; every field is documented where it is defined.

From this tree derive the YAML recipes, `--set section.field=value`, the Prefect UI's parameter form, the
logged MLflow params and the reference table in the docs.
"""

from pathlib import Path
from typing import Self

from pydantic import model_validator

from tasks.core.settings.data import (
    CleaningSettings,
    Fields,
    FormatSettings,
    LogsSettings,
    Outcome,
    QualitySettings,
    TokensSettings,
    Turns,
)
from tasks.core.settings.judging import (
    EvaluationSettings,
    GateSettings,
    JudgeSettings,
    RegistrySettings,
    RetentionSettings,
)
from tasks.core.settings.training import (
    EpochRange,
    Held,
    LoraSettings,
    ModelSettings,
    Range,
    RankRange,
    RateRange,
    SweepSettings,
    TrainingSettings,
    WorthSettings,
)
from tasks.core.settings.words import Place, Section

__all__ = [
    "CleaningSettings",
    "EpochRange",
    "EvaluationSettings",
    "Fields",
    "FormatSettings",
    "GateSettings",
    "Held",
    "JudgeSettings",
    "LogsSettings",
    "LoraSettings",
    "ModelSettings",
    "Outcome",
    "QualitySettings",
    "Range",
    "RankRange",
    "RateRange",
    "RegistrySettings",
    "RetentionSettings",
    "Section",
    "Settings",
    "SweepSettings",
    "TokensSettings",
    "TrainingSettings",
    "Turns",
    "WorthSettings",
]

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


GOES_ON = ("lora", "rslora", "dora")
"""Methods whose adapters a training can go on with."""


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
    def _refuse_a_start_that_cannot_be(self) -> Self:
        if self.training.start == "champion" and self.lora.method not in GOES_ON:
            raise ValueError(
                f"training.start is champion and lora.method is {self.lora.method}: only a training of {', '.join(GOES_ON)} can go "
                "on; set lora.method=lora, or training.start=base"
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
