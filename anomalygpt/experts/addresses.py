"""Which model a person means, and at which address; nothing is ever sent anywhere else."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from anomalygpt.errors import ConfigError

KINDS = ("openai", "transformers")
# The only host to which OPENAI_API_KEY is sent; see `openai_voice`.
OPENAI_URL = "https://api.openai.com/v1"
_EXAMPLES = "openai:qwen2.5vl@http://localhost:11434/v1 or transformers:Qwen/Qwen2.5-VL-3B-Instruct"


@dataclass(frozen=True)
class Address:
    """A model, and where it is.

    Attributes:
        kind: "openai", a server that speaks as OpenAI's does, or "transformers", in this process.
        model: its name; for "transformers" a hub name, a folder, or a GGUF file.
        url: of the server, without a slash at the end; None for "transformers".
    """

    kind: str
    model: str
    url: str | None = None

    @property
    def host(self) -> str:
        """The server's name alone; "" where there is none."""
        return urlsplit(self.url or "").hostname or ""

    @property
    def is_here(self) -> bool:
        """Whether nothing that is said to the model leaves this machine."""
        return self.url is None or is_this_machine(self.host)


def read_address(text: str, *, offline: bool = False) -> Address:
    """The model that `--expert` names.

    Args:
        text: openai:MODEL@URL or transformers:NAME.
        offline: True refuses servers on other machines.

    Raises:
        ConfigError: the text is neither, has a password in it, or the server is elsewhere.
    """
    kind, colon, rest = text.partition(":")
    if not colon or kind not in KINDS or not rest.strip():
        raise ConfigError(f"an expert is named as {_EXAMPLES}; got {text!r}")
    if kind == "transformers":
        return Address(kind, rest.strip())
    model, at, url = rest.rpartition("@")
    url = url.strip() if at else OPENAI_URL
    model = (model if at else rest).strip()
    parts = _split(url)
    if parts is None or not model:
        # The text may hold a password: it is not repeated.
        raise ConfigError(
            f"an expert on a server is named as openai:MODEL@URL, such as {_EXAMPLES.split()[0]}; "
            "the model or the address is missing, or the address is none"
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigError(
            f"the address of {model} must be plain, without user, password or query; a key is "
            "read from the environment, see docs/experts.md"
        )
    found = Address(kind, model, url.rstrip("/"))
    if offline and not found.is_here:
        raise ConfigError(
            f"{found.host} is not this machine, and --offline allows no other; leave --offline "
            "out, or name a server at localhost"
        )
    return found


def is_this_machine(host: str) -> bool:
    """Whether a host's name or address stands for the machine that asks."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port  # a number, or an error
    except ValueError:
        return None
    return parts if parts.scheme in ("http", "https") and parts.hostname else None
