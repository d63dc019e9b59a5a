"""Sharding: each of several processes holds its part of a frozen base, and gathers a block only while it computes (FSDP).

Adapters stay whole on every process: they are small, and saved and resumed like those of one.
"""

from collections.abc import Iterator
from typing import Any

from tasks.core.errors import ModelError


def shard_blocks(model: Any, device: str, processes: int) -> None:
    """Move a model to a device block by block, keeping of each block's frozen weights the part of this process.

    Raises `ModelError` when the model's blocks cannot be told.
    """
    from torch import device as torch_device
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard
    from torch.distributed.tensor import DTensor

    mesh = init_device_mesh(torch_device(device).type, (processes,))
    for block in blocks_of(model):
        block.to(device)
        trained = {weight for weight in block.parameters() if weight.requires_grad}
        fully_shard(block, mesh=mesh, reshard_after_forward=True, ignored_params=trained)
    model.to(device)
    # one root, for one stream of gathering that is ahead of computing; what is not in blocks stays whole
    kept = {weight for weight in model.parameters() if not isinstance(weight, DTensor)}
    fully_shard(model, mesh=mesh, ignored_params=kept)


def blocks_of(model: Any) -> Iterator[Any]:
    """Give the blocks of a model: the one list of as many modules as it has layers."""
    from torch import nn

    count = model.config.num_hidden_layers
    lists = [
        module for module in model.modules() if isinstance(module, nn.ModuleList) and len(module) == count
    ]
    if len(lists) != 1:
        raise ModelError(
            f"The blocks of this base cannot be told: {len(lists)} lists of {count} modules.",
            cure="Set training.sharding=false, or choose another base.",
        )
    yield from lists[0]
