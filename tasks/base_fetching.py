"""Base fetching: the files of the base model come into the store, from a folder or from a hub."""

import os
import shutil
from pathlib import Path

from tasks.core.errors import FreshtuneError, ModelError, ServiceError
from tasks.core.model.loading import check_base, locate_base
from tasks.core.receipts import BaseModel, BaseSource
from tasks.core.settings import ModelSettings
from tasks.core.store.artifacts import Draft, disk_full
from tasks.core.store.digests import digest_files, digest_folder
from tasks.lid import step

WANTED = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja")


def find_base(model: ModelSettings) -> BaseSource:
    """Say where the base comes from, and identify it: a folder by its bytes, a hub id by its revision.

    Raises `ModelError` when there is no such folder or it cannot be a base.
    """
    folder = locate_base(model.base, model.revision)
    if folder is None:
        identity = f"{model.base}@{model.revision}"
        return BaseSource(identity=identity, repository=model.base, revision=model.revision)
    return BaseSource(identity=digest_files(digest_folder(folder)), folder=folder)


@step("base_fetching", BaseModel, retries=2)
def fetch_base(draft: Draft, source: BaseSource) -> BaseModel:
    """Bring the base's files into the store, where no one changes them under a running training."""
    folder = source.folder or _download(source, draft.work)
    check_base(folder)
    for path in sorted(folder.rglob("*")):
        if path.is_file() and any(path.match(pattern) for pattern in WANTED):
            _take(path, draft.folder / path.relative_to(folder), ours=source.folder is None)
    return draft.seal(BaseModel, identity=source.identity)


def _take(path: Path, target: Path, *, ours: bool) -> None:
    """Bring one file in: a download is moved; a user's file is copied, as a link would change with it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if ours:
        path.rename(target)
    else:
        shutil.copyfile(path, target)


def _download(source: BaseSource, work: Path) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    where = f"{source.repository} at revision {source.revision}"
    try:
        return Path(
            snapshot_download(
                source.repository,
                revision=source.revision,
                local_dir=work / "hub",
                allow_patterns=list(WANTED),
                token=os.environ.get("HF_TOKEN") or False,
            )
        )
    except GatedRepoError as error:
        raise ModelError(
            f"The base {where} is gated: the hub gives it to those who accepted its licence.",
            cure="Accept it on the base's page, and set HF_TOKEN to a token of yours.",
        ) from error
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise ModelError(
            f"The hub has no base {where}, or keeps it private.",
            cure="Check model.base and model.revision; for a private one set HF_TOKEN.",
        ) from error
    except FreshtuneError:  # a signal's
        raise
    except Exception as error:  # the errors of its HTTP client and of hf-xet have no common class
        raise disk_full(error, work) or ServiceError(
            f"The base {where} could not be downloaded ({type(error).__name__}).",
            cure="Check the network, or give model.base a local folder.",
        ) from error
