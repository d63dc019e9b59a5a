"""What MLflow serves: questions in, replies out, cleaned and with the prompt that the model was trained on.

This file is copied into every registered model, and what it imports of ours lies beside it, in the folder `code`.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import torch
from mlflow.pyfunc import PythonModel, PythonModelContext
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from tasks.core.tokens.asking import Conversation, conversation_of, prompt_ids


class SupportModel(PythonModel):
    """A merged model, or a base with its adapter beside it, behind its tokenizer's own template."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the merged model, in 32 bit on a CPU: 16-bit types are slow there.

        Raises `ValueError` when a file is not the one that was registered.
        """
        folder = context.artifacts["model"]
        _check(Path(folder).parents[1])
        device = "cuda" if torch.cuda.is_available() else "cpu"
        dtype = "auto" if device == "cuda" else torch.float32
        self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self.model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype=dtype)
        beside = Path(folder) / "adapter"  # of virtual tokens, which no weight can take in
        if beside.is_dir():
            self.model = PeftModel.from_pretrained(self.model, str(beside))
        self.model.to(device).eval()

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002 - MLflow's signature
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Answer row by row what the column `question` asks, or the last of the `messages` of a chat.

        Raises `ValueError`, without a word of the text, for what cannot be asked.
        """
        replies = [self._answer(asked, params or {}) for asked in _conversations(model_input)]
        return pd.DataFrame({"reply": replies})

    def _answer(self, asked: Conversation, params: dict[str, Any]) -> str:
        prompt = torch.tensor([prompt_ids(self.tokenizer, *asked)], device=self.model.device)
        temperature = float(params.get("temperature", 0.0))
        sampling = (
            {"temperature": temperature, "top_p": float(params.get("top_p", 1.0))} if temperature else {}
        )
        torch.manual_seed(int(params.get("seed", 0)))
        with torch.inference_mode():
            whole = self.model.generate(
                input_ids=prompt,
                attention_mask=torch.ones_like(prompt),
                max_new_tokens=int(params.get("max_new_tokens", 100)),
                do_sample=bool(temperature),
                eos_token_id=self.tokenizer.eos_token_id,
                pad_token_id=self.tokenizer.pad_token_id,
                **sampling,
            )
        reply = whole[0, prompt.shape[1] :]
        return str(self.tokenizer.decode(reply, skip_special_tokens=True)).strip()


def _conversations(rows: pd.DataFrame) -> list[Conversation]:
    """Give what each row asks: a chat as MLflow's own clients send it, or one question."""
    if "messages" in rows:
        return [conversation_of(messages) for messages in rows["messages"]]
    if "question" in rows:
        cells = ([cell] if isinstance(cell, str) else cell for cell in rows["question"])
        return [(question, ()) for cell in cells for question in cell]  # `inputs` come in one cell, a list
    raise ValueError("Give messages, or a column question.")


def _check(package: Path) -> None:
    """Compare every file of the package with the list that lies in it."""
    for name, known in json.loads((package / "files.json").read_bytes()).items():
        with (package / name).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != known:
                raise ValueError(f"The file {name} is not the one that was registered; restore it.")


mlflow.models.set_model(SupportModel())
