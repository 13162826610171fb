"""Finds what the user named: a path on this machine, or a name on the Hugging Face hub."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import huggingface_hub
from huggingface_hub import constants, errors

from anomalygpt.errors import SourceError
from anomalygpt.proxies import unusable_proxy

Kind = Literal["file", "folder"]

HUB_FOLDER = re.compile(r"[\w][\w.-]*/[\w][\w.-]*")
HUB_FILE = re.compile(r"([\w][\w.-]*/[\w][\w.-]*)/([\w][\w./-]*)")
# What a model folder may consist of; pictures and logs of a hub repository are not fetched.
PATTERNS = ("*.json", "*.safetensors", "*.bin", "*.model", "*.jinja", "*.txt")
# One short question to the hub decides between a download, the cache and an error. The download
# functions themselves retry for half a minute before they give up.
PROBE_SECONDS = 5.0


def resolve(source: str | Path, *, kind: Kind, what: str) -> Path:
    """The file or folder on this machine, after a download if need be.

    Args:
        source: a path; or `org/name` (folder) or `org/name/path/to/file` (file) on the hub.
            Downloads show their progress and go on where they were interrupted.
        kind: "file" or "folder".
        what: what is looked for, in the words of the message, such as "the ImageBind weights".

    Raises:
        SourceError: there is no such path and no such hub name, access is closed, or the hub
            cannot be reached; the message says what to put where.
    """
    path = Path(source).expanduser()
    if path.exists():
        if path.is_dir() != (kind == "folder"):
            found = "a folder" if path.is_dir() else "a file"
            raise SourceError(f"{path} is {found}, expected a {kind} with {what}")
        return path
    name = _hub_name(source, kind)
    if name is None:
        form = "org/name" if kind == "folder" else "org/name/path/to/file"
        raise SourceError(
            f"{path} does not exist; give the {kind} with {what} on this machine, or a name on "
            f"the Hugging Face hub such as {form}"
        )
    return _fetch(*name, what)


def _hub_name(source: str | Path, kind: Kind) -> tuple[str, str | None] | None:
    """Repository and file, if the source can be a hub name at all."""
    text = source.as_posix() if isinstance(source, Path) else source
    if ".." in text:
        return None
    if kind == "folder":
        return (text, None) if HUB_FOLDER.fullmatch(text) else None
    match = HUB_FILE.fullmatch(text)
    # "weights/v1/model.pth" beside an existing folder "weights" is a slip in a local path.
    if match is None or Path(text.split("/")[0]).is_dir():
        return None
    return match[1], match[2]


def _fetch(repository: str, file: str | None, what: str) -> Path:
    """Download, or take from the cache when the hub does not answer."""
    wanted = f"{repository}/{file}" if file else repository
    local = f"the file {Path(file).name}" if file else "the folder with its weights and config.json"
    advice = f"or put {local} on this machine and give its path"
    online = not constants.HF_HUB_OFFLINE
    try:
        names = _files_on_hub(repository) if online else None
    except errors.GatedRepoError as error:
        raise SourceError(
            f"{what}: {wanted} is closed to this account; ask for access on its hub page and log "
            f"in with `hf auth login`, {advice}"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise SourceError(
            f"{what}: there is neither a path {wanted} on this machine nor such a name on the "
            f"Hugging Face hub; correct it, {advice}"
        ) from error
    # Whatever else goes wrong on the way to the hub (DNS, proxy, TLS, time), the cache may help.
    except Exception:
        names = None
    if file and names is not None and file not in names:
        raise SourceError(f"{what}: {repository} has no file {file}; correct the name, {advice}")
    try:
        return _download(repository, file, names)
    except Exception as error:
        state = "could not be downloaded" if names is not None else "is not on this machine"
        reason = "" if names is not None else " and the Hugging Face hub cannot be reached"
        raise SourceError(f"{what}: {wanted} {state}{reason}; {_go_online()}, {advice}") from error


def _go_online() -> str:
    return unusable_proxy() or "go online"


@contextmanager
def soon_offline() -> Iterator[None]:
    """Within it, libraries that fetch weights by name take them from the cache or give up at once
    when the hub does not answer; by themselves they ask it for a minute, with a line each time."""
    former = constants.HF_HUB_OFFLINE, logging.root.manager.disable
    if not _hub_answers():
        constants.HF_HUB_OFFLINE = True
        logging.disable(logging.ERROR)  # the error that follows says it better, and once
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = former[0]
        logging.disable(former[1])


def _hub_answers() -> bool:
    if constants.HF_HUB_OFFLINE:
        return False
    try:
        # Whatever it says: an error of the hub's own comes from the hub.
        huggingface_hub.get_session().head(constants.ENDPOINT, timeout=PROBE_SECONDS)
    except Exception:  # DNS, proxy, TLS, time: requests and httpx name them differently
        return False
    return True


def fetching_error(weights: str, error: Exception) -> SourceError:
    """Weights that a library should fetch by name, and cannot: what to do."""
    return SourceError(
        f"{weights} cannot be fetched ({unusable_proxy() or type(error).__name__}); get the "
        "weight file on a machine with network access and pass it with --encoder-weights FILE"
    )


def _files_on_hub(repository: str) -> list[str]:
    info = huggingface_hub.HfApi().model_info(repository, timeout=PROBE_SECONDS)
    return [entry.rfilename for entry in info.siblings or []]


def _download(repository: str, file: str | None, names: Sequence[str] | None) -> Path:
    """Fetch one file or a whole model; `names` is None when only the cache is left."""
    cached_only = names is None
    if file:
        return Path(huggingface_hub.hf_hub_download(repository, file, local_files_only=cached_only))
    # The same weights often lie there twice; the older format is then left out.
    doubled = any(name.endswith(".safetensors") for name in names or ())
    return Path(
        huggingface_hub.snapshot_download(
            repository,
            local_files_only=cached_only,
            allow_patterns=list(PATTERNS),
            ignore_patterns=["*.bin", "*.bin.index.json"] if doubled else None,
        )
    )
