"""Markup writing: elements that open and close become lines, list marks and link targets."""

import re

BLOCKS = frozenset(
    re.findall(
        r"\S+",
        "address article aside blockquote center dd details dialog div dl dt fieldset figcaption figure "
        "footer form h1 h2 h3 h4 h5 h6 header hr li main nav ol p pre section summary table td th tr ul",
    )
)
SCHEMES = ("http://", "https://", "ftp://")
FRAME = re.compile(r"^(?:https?|ftp)://(?:www\.)?|/+$", re.IGNORECASE)


class Writer:
    """Collects text as elements open and close, in the order of the document."""

    def __init__(self, *, keep_lines: bool) -> None:
        self.keep_lines = keep_lines
        self.links: list[tuple[str, int]] = []
        self._out: list[str] = []
        self._lists: list[int] = []  # the last number given, or -1 for bullets
        self._quotes: list[int] = []  # where each began, or -1 for one that is not of a mail
        self._preformatted = 0
        self._marked = False  # a list mark was written, and no text since

    def text(self) -> str:
        """Give what was written."""
        return "".join(self._out)

    def write(self, text: str) -> None:
        """Write text; outside preformatted elements a line break is white space."""
        if self._marked and text.strip():
            self._marked = False
        self._out.append(text if self.keep_lines or self._preformatted else text.replace("\n", " "))

    def open(self, name: str, href: str = "", *, cited: bool = False) -> None:
        """Begin an element; `cited` says that a mail program quoted it."""
        if name == "br":
            self._out.append("\n")
        elif name == "li":
            self._mark()
        elif name == "a":
            self.links.append((href, len(self._out)))
        elif name in BLOCKS:
            self._break()
            if name in ("ol", "ul"):
                self._lists.append(0 if name == "ol" else -1)
            elif name == "pre":
                self._preformatted += 1
            elif name == "blockquote":
                self._quotes.append(len(self._out) if cited else -1)

    def close(self, name: str) -> None:
        """End an element."""
        if name == "a" and self.links:
            target, start = self.links.pop()
            self._out[start:] = [with_target("".join(self._out[start:]), target)]
        elif name in BLOCKS:
            if name in ("ol", "ul"):
                del self._lists[-1:]
                self._unmark()
            elif name == "pre":
                self._preformatted = max(0, self._preformatted - 1)
            elif name == "blockquote" and self._quotes:
                self._quote(self._quotes.pop())
            self._break()

    def _break(self) -> None:
        if not self._marked:
            self._out.append("\n")

    def _mark(self) -> None:
        """Begin a list item on the next line; one that holds only another list needs no mark of its own."""
        self._unmark()
        while self._out and self._out[-1].isspace():
            self._out.pop()
        mark = "- "
        if self._lists and self._lists[-1] >= 0:
            self._lists[-1] += 1
            mark = f"{self._lists[-1]}. "
        self._out.append(f"\n{mark}")
        self._marked = True

    def _unmark(self) -> None:
        if self._marked:
            self._marked = False
            while self._out.pop().isspace():
                pass

    def _quote(self, start: int) -> None:
        """Write what a mail program quoted as it would in plain text."""
        quoted = "".join(self._out[start:]).strip() if start >= 0 else ""
        if quoted:
            self._out[start:] = ["\n".join(f"> {line}" for line in quoted.split("\n"))]


def with_target(label: str, target: str) -> str:
    """Give a link's text, and in parentheses where it leads when the text does not say so."""
    bare = label.strip()
    if not target.startswith(SCHEMES) or bare == target:
        return label
    if not bare or _is_short_for(bare, target):
        return target
    return label if FRAME.sub("", target).lower() in bare.lower() else f"{label.rstrip()} ({target})"


def _is_short_for(label: str, target: str) -> bool:
    """Say whether a forum cut the address that it shows."""
    start = label.removesuffix("...").removesuffix("…")
    return start != label and "/" in start and FRAME.sub("", target).startswith(FRAME.sub("", start))
