"""Base quantization: the base's layers are packed into 4 bit once, for every process that needs them."""

import shutil

from tasks.core.model.devices import release_memory
from tasks.core.model.loading import load_base
from tasks.core.model.packed_weights import save_packed
from tasks.core.receipts import BaseModel
from tasks.core.store.artifacts import MANIFEST, RECORD, Draft
from tasks.lid import step

LEFT_OUT = (MANIFEST, RECORD, "model.safetensors.index.json")
LIBRARIES = ("torch", "transformers", "bitsandbytes")


@step("base_quantization", BaseModel, libraries=LIBRARIES, tags=("gpu",))
def quantize_base(draft: Draft, base: BaseModel, double_quant: bool, dtype: str) -> BaseModel:
    """Quantize every linear layer of a base, and keep it beside its configuration and tokenizer.

    It is still the same base, and known by the same digest: how it is held is a setting of those who use it.
    """
    folder = base.folder(draft.workspace)
    held = load_base(folder, "nf4", double_quant=double_quant, dtype=dtype, packed=True)

    save_packed(held.model, draft.folder)
    del held
    release_memory()  # the trainer, a process of its own, needs the device next
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.name not in LEFT_OUT and path.suffix != ".safetensors":
            shutil.copyfile(path, draft.folder / path.name)
    return draft.seal(BaseModel, identity=base.identity, digest=base.digest)
