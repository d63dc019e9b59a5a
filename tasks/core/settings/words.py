"""What settings are made of: sections, and values that say what is wrong with them."""

import re
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def version_of(package: str) -> str:
    """Give the version of an extra; nothing where it is not installed, which is told where it is used."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _plain(name: str) -> str:
    if not re.fullmatch(r"[^\W_][\w .-]{0,199}", name):
        raise ValueError("use letters, digits, spaces and . _ - only, a letter or a digit first")
    return name


def _commit(revision: str) -> str:
    if revision and not re.fullmatch(r"[0-9a-f]{40}", revision):
        raise ValueError("give a commit, 40 hexadecimal digits; branches and tags move, so they pin nothing")
    return revision


def _licence(name: str) -> str:
    if name and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,63}", name):
        raise ValueError("give the SPDX name of a licence, as apache-2.0, or one of your own without spaces")
    return name


def _day(text: str) -> str:
    if text:
        try:
            date.fromisoformat(text)
        except ValueError:
            raise ValueError("give a day as YYYY-MM-DD") from None
    return text


def _endpoint(url: str) -> str:
    if url:
        try:
            parts = urlsplit(url)
            known = parts.scheme in {"http", "https"} and parts.hostname and (parts.port or 1)
        except ValueError:
            known = False
        if not known:
            raise ValueError("give an address that begins with http:// or https://, such as https://HOST/v1")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("leave out users, passwords and ?…; a key goes into FRESHTUNE_JUDGE_KEY")
    return url


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[int, Field(gt=0)]
Day = Annotated[str, AfterValidator(_day)]
PlainName = Annotated[str, AfterValidator(_plain)]
Licence = Annotated[str, AfterValidator(_licence)]
Commit = Annotated[str, AfterValidator(_commit)]
Endpoint = Annotated[str, AfterValidator(_endpoint)]
Place = Annotated[Path, AfterValidator(_absolute), Field(validate_default=True)]
Rank = Annotated[int, Field(ge=1, le=1024)]
Rate = Annotated[float, Field(gt=0, lt=1)]
Epochs = Annotated[float, Field(gt=0)]
Targets = Annotated[tuple[str, ...], Field(min_length=1)]
Number = TypeVar("Number", bound=float)


class Section(BaseModel):
    """A frozen part of the tree that refuses fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
    unkeyed: ClassVar[frozenset[str]] = frozenset()
    """Fields that shape no result, and so are in no cache key."""

    def in_key(self) -> dict[str, Any]:
        """Give what counts for cache keys."""
        return self.model_dump(mode="json", exclude=set(self.unkeyed))
