"""What the documents tell to type."""

import re

BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
OURS = re.compile(r"(?:\.venv/bin/)?freshtune (.*)")


def shown_commands(text: str) -> list[str]:
    """Give the commands of Freshtune's that a document shows in its blocks, without the program's place and remarks."""
    lines = [line for block in BLOCK.findall(text) for line in block.splitlines()]
    return [shown[1].partition(" #")[0].strip() for line in lines if (shown := OURS.match(line))]
