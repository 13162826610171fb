"""Which model is meant, and at which address."""

from __future__ import annotations

import pytest

from anomalygpt.errors import ConfigError
from anomalygpt.experts.addresses import OPENAI_URL, is_this_machine, read_address


@pytest.mark.parametrize(
    ("text", "model", "url"),
    [
        ("openai:qwen2.5vl:7b@http://localhost:11434/v1", "qwen2.5vl:7b", "http://localhost:11434/v1"),
        ("openai:Qwen/Qwen2.5-VL-7B@https://plant.example/v1/", "Qwen/Qwen2.5-VL-7B", "https://plant.example/v1"),
        ("openai:a@b@http://[::1]:80/v1", "a@b", "http://[::1]:80/v1"),
        ("openai:gpt-4o", "gpt-4o", OPENAI_URL),
        ("transformers:Qwen/Qwen2.5-VL-3B-Instruct", "Qwen/Qwen2.5-VL-3B-Instruct", None),
    ],
)  # fmt: skip
def test_model_and_address_are_told_apart(text: str, model: str, url: str | None) -> None:
    found = read_address(text)
    assert (found.model, found.url) == (model, url)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "qwen",
        "ollama:qwen@http://localhost",
        "openai:",
        "openai:@http://localhost/v1",
        "openai:model@",
        "openai:model@localhost:8000",
        "openai:model@ftp://localhost/v1",
        "openai:model@http://",
        "openai:model@http://localhost:port/v1",
        "openai:model@http://[::1/v1",
        "transformers: ",
    ],
)
def test_what_names_no_model_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="openai:"):
        read_address(text)


@pytest.mark.parametrize("url", ["http://me:s3cret@host/v1", "https://host/v1?key=s3cret"])
def test_an_address_holds_no_secret_and_none_is_repeated(url: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read_address(f"openai:model@{url}")
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1", "a.localhost"])
def test_offline_allows_this_machine(host: str) -> None:
    assert is_this_machine(host)
    shown = f"[{host}]" if ":" in host else host
    assert read_address(f"openai:m@http://{shown}:1/v1", offline=True).is_here


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "10.0.0.1", "localhost.example", "example", "127.0.0.1.example", "[::2]"]
)
def test_offline_refuses_every_other_machine(host: str) -> None:
    with pytest.raises(ConfigError, match="--offline"):
        read_address(f"openai:m@http://{host}/v1", offline=True)


def test_offline_refuses_the_usual_host_and_allows_models_in_this_process() -> None:
    with pytest.raises(ConfigError, match=r"api\.openai\.com"):
        read_address("openai:gpt-4o", offline=True)
    assert read_address("transformers:folder", offline=True).is_here
