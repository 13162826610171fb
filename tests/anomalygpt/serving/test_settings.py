"""What is typed, what the environment says, and what is refused."""

from __future__ import annotations

import argparse
from typing import Any

import pytest

from anomalygpt.cli.demo import add_arguments, read_settings
from anomalygpt.errors import ConfigError
from anomalygpt.serving.settings import AUTH_VARIABLE, ServerSettings


def typed(*arguments: str, environment: dict[str, str] | None = None) -> ServerSettings:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return read_settings(parser.parse_args(list(arguments)), environment or {})


def test_nothing_typed_serves_this_machine_alone() -> None:
    settings = typed()
    assert settings == ServerSettings()
    assert settings.host == "127.0.0.1"
    assert settings.auth is None


def test_all_options() -> None:
    settings = typed(
        *("--model", "embedded", "other", "--host", "0.0.0.0", "--port", "80", "--auth", "a:b:c"),
        *("--max-upload-mb", "2.5", "--queue-size", "3", "--root-path", "/inspector/"),
    )
    assert settings.models == ("embedded", "other")
    assert (settings.host, settings.port) == ("0.0.0.0", 80)
    assert settings.auth == ("a", "b:c")  # a password may hold colons
    assert (settings.max_upload_mb, settings.queue_size) == (2.5, 3)
    assert settings.root_path == "/inspector"


def test_the_password_may_come_from_the_environment_and_what_is_typed_wins() -> None:
    environment = {AUTH_VARIABLE: "eva:secret"}
    assert typed(environment=environment).auth == ("eva", "secret")
    assert typed("--auth", "x:y", environment=environment).auth == ("x", "y")


@pytest.mark.parametrize("wrong", ["eva", "eva:", ":secret"])
def test_half_a_password_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigError, match="USER:PASSWORD"):
        typed("--auth", wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"port": 70000},
        {"max_upload_mb": 0.0},
        {"queue_size": 0},
        {"root_path": "inspector"},
        {"models": ()},
    ],
)
def test_what_cannot_be_served_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        ServerSettings(**wrong)
