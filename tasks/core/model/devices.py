"""Devices: which one computes, in which arithmetic, and how much goes through a model at once."""

import resource
from pathlib import Path
from typing import Any

import psutil

from tasks.core.errors import ModelError

CONTAINER = Path("/sys/fs/cgroup")
GPU_NODES = tuple(map(Path, ("/dev/nvidiactl", "/dev/nvhost-ctrl-gpu", "/dev/kfd", "/dev/dxg")))  # of drivers
CPU_TOKENS = 1024
"""Padded tokens at once on a CPU: the activations of a layer stay in its caches. Of 512 to 4096, 1024 trained fastest at
each of three sizes (1.3, 4.2 and 11.6 million weights on two cores): by 42, 17 and 11 % over 4096."""

MIXED = "mixed"
"""The compute type of a CPU that multiplies bfloat16: float32, but for the products of a training with frozen weights."""
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
"""Of a number of a compute type."""
CPU_FLAGS, BFLOAT16_FLAG = Path("/proc/cpuinfo"), "avx512_bf16"

CPU_LOGITS, GPU_LOGITS = 2**20, 2**27
"""Logits in memory at once: 4 MiB in float32 on a CPU, for its caches, and 512 MiB on a GPU, for its width."""


def default_device() -> str:
    """Name the device to use: the first GPU, or the CPU."""
    import torch

    return "cuda:0" if torch.cuda.is_available() else "cpu"


def compute_dtype(dtype: str, device: str) -> Any:
    """Choose the type that a model is in by hardware: 16-bit types are 6 to 30 times slower than float32 on most CPUs."""
    import torch

    if dtype != "auto":
        return getattr(torch, loaded_dtype(dtype))
    if torch.device(device).type == "cpu":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16


def has_gpu_driver() -> bool:
    """Say whether there may be a GPU, without torch, whose import takes seconds."""
    return any(place.exists() for place in GPU_NODES)


def loaded_dtype(dtype: str) -> str:
    """Name the type that weights are loaded and scored in."""
    return "float32" if dtype == MIXED else dtype


def check_mixed(dtype: str, device: str) -> None:
    """Raise `ModelError` for mixed types on a GPU, where they would gain nothing."""
    if dtype == MIXED and device != "cpu":
        raise ModelError(
            f"model.dtype is {MIXED}, which is for CPUs, and the device is {device}.",
            cure="Set model.dtype=auto.",
        )


def multiplies_bfloat16() -> bool:
    """Say whether this CPU multiplies numbers of bfloat16 as such, in which a product takes half the time."""
    try:
        lines = CPU_FLAGS.read_text().splitlines()
    except OSError:  # no Linux
        return False
    return any(line.startswith("flags") and BFLOAT16_FLAG in line.split() for line in lines)


def settled_dtype(dtype: str) -> str:
    """Name the compute type that `dtype` means on this machine's device. Raises `ModelError` for mixed types on a GPU."""
    if dtype not in {"auto", MIXED}:
        return dtype
    device = default_device() if has_gpu_driver() else "cpu"
    check_mixed(dtype, device)
    if device == "cpu":
        return MIXED if dtype == MIXED or multiplies_bfloat16() else "float32"
    return str(compute_dtype(dtype, device)).removeprefix("torch.")


def peak_memory(device: Any) -> int:
    """Give the most bytes that this process has held on a device so far."""
    import torch

    if torch.device(device).type == "cpu":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return int(torch.cuda.max_memory_allocated(device))


def free_memory(device: Any, processes: int = 1) -> int:
    """Give the bytes that this process may use on a device; `processes` share a CPU's."""
    import torch

    if torch.device(device).type == "cpu":
        return min(int(psutil.virtual_memory().available), _left_of_container()) // processes
    return int(torch.cuda.mem_get_info(torch.device(device))[0])


def total_memory(processes: int = 1) -> int:
    """Give the bytes of the default device's memory, whoever uses them; `processes` share a CPU's."""
    if has_gpu_driver() and (device := default_device()) != "cpu":
        import torch

        return int(torch.cuda.get_device_properties(torch.device(device)).total_memory)
    return min(int(psutil.virtual_memory().total), _limit_of_container()) // processes


def _limit_of_container() -> int:
    """Give the limit of this process's container; far more than there is where none is set."""
    most = CONTAINER / "memory.max"
    text = most.read_text().strip() if most.is_file() else "max"
    return 2**63 if text == "max" else int(text)


def _left_of_container() -> int:
    """Give what the limit of this process's container leaves."""
    limit = _limit_of_container()
    return limit if limit == 2**63 else max(limit - int((CONTAINER / "memory.current").read_text()), 0)


def release_memory() -> None:
    """Give back the device's memory that nothing uses any more; a process keeps it for itself otherwise."""
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def logits_at_once(device: Any) -> int:
    """Give how many logits are computed at once on a device."""
    import torch

    return CPU_LOGITS if torch.device(device).type == "cpu" else GPU_LOGITS


def tokens_at_once(device: Any, most: int) -> int:
    """Give how many padded tokens go through a model at once on a device, of `most` that may."""
    import torch

    return min(most, CPU_TOKENS) if torch.device(device).type == "cpu" else most
