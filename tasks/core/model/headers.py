"""Headers: what a safetensors file says that it holds, without reading it."""

import json
from math import prod
from pathlib import Path

LENGTH = 8  # bytes that say how long the header is
PACKED = "U8"  # of 4-bit weights two lie in one byte


def weights_in(file: Path) -> int:
    """Count the weights in a file. Raises `ValueError` for one that is no safetensors file."""
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(LENGTH), "little")
        if length > file.stat().st_size:
            raise ValueError(f"{file.name} is no safetensors file.")
        header = json.loads(opened.read(length))
    return sum(
        prod(tensor["shape"]) * (2 if tensor["dtype"] == PACKED else 1)
        for name, tensor in header.items()
        if name != "__metadata__"
    )
