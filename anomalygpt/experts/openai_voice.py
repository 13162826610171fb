"""Voices on servers that speak as OpenAI's: vLLM, Ollama, LM Studio, llama.cpp, hosted ones."""

from __future__ import annotations

import base64
import io
import math
import os
import re
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from PIL import Image

from anomalygpt.errors import ConfigError, ExpertError, MissingExtraError
from anomalygpt.experts.addresses import OPENAI_URL, Address
from anomalygpt.experts.voice import Message, Usage
from anomalygpt.language.generation import GenerationOptions
from anomalygpt.proxies import unusable_proxy

KEY_VARIABLE = "ANOMALYGPT_EXPERT_KEY"
OPENAI_VARIABLE = "OPENAI_API_KEY"
CONNECT_SECONDS = 10.0
MOST_LIKELY = 20  # next tokens whose probabilities a server is asked for: none tells more
_LONGEST_REASON = 200
# What a server may not know, and answers go on without: (its name, what replaces it).
_OPTIONAL = ("max_tokens", "stream_options", "seed", "temperature", "top_p", "logprobs")


class OpenAIVoice:
    """A model on a server. Nothing is sent to any other host: redirects are not followed, and
    what the environment says about OpenAI's organizations and addresses is left aside."""

    def __init__(
        self,
        address: Address,
        *,
        key: str | None = None,
        timeout: float = 120.0,
        retries: int = 2,
        sees: bool = True,
    ) -> None:
        """
        Args:
            address: from `read_address`.
            key: what the server asks for; None reads it from the environment, see `key_for`.
            timeout: seconds without a sign of life, after which the server counts as gone.
            retries: after a refused connection, 429 or a fault of the server, each after a longer
                wait, or the one that the server asks for; never once words have come.
            sees: False for a model that reads text alone; nobody can ask a server.

        Raises:
            MissingExtraError: the package openai is not installed.
            ConfigError: the address names no server, or a number is out of its range.
        """
        if address.url is None:
            raise ConfigError(f"{address.model} has no address; name it as openai:MODEL@URL")
        if not (math.isfinite(timeout) and timeout > 0) or retries < 0:
            raise ConfigError(f"timeout is above 0 and retries from 0 on, got {timeout}, {retries}")
        self.address, self.sees, self._timeout = address, sees, timeout
        self._key = key if key is not None else key_for(address)
        self._client = _client(address, self._key, timeout, retries)
        self._without: set[str] = set()  # what the server has refused to know
        self._usage = Usage()
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The model's name, as the server was asked for it."""
        return self.address.model

    @property
    def usage(self) -> Usage:
        """Tokens as the server counts them."""
        with self._lock:
            return self._usage + Usage()

    def stream(self, messages: Sequence[Message], options: GenerationOptions) -> Iterator[str]:
        """See `Voice.stream`. Closing the iterator closes the connection."""
        wanted = {
            "max_tokens": options.max_new_tokens,
            "temperature": options.temperature,
            "top_p": options.top_p if options.top_p < 1 else None,
            "seed": options.seed,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        with self._plain_errors(), self._asked(messages, wanted) as chunks:
            finished = False
            for chunk in chunks:
                self._count(getattr(chunk, "usage", None))
                for choice in chunk.choices:
                    finished |= choice.finish_reason is not None
                    if choice.delta is not None and choice.delta.content:
                        yield choice.delta.content
            if not finished:
                raise ExpertError(
                    f"{self.name} broke off in the middle of an answer; ask again, and look at the "
                    "server's own log"
                )
        self._count(None, requests=1)

    def choose(self, messages: Sequence[Message], words: Sequence[str]) -> list[float] | None:
        """See `Voice.choose`; read off the likeliest next tokens, where the server tells them."""
        if "logprobs" in self._without:
            return None
        wanted = {"max_tokens": 1, "temperature": 0.0, "logprobs": True}
        with self._plain_errors():
            answer = self._asked(messages, {**wanted, "top_logprobs": MOST_LIKELY})
        self._count(answer.usage, requests=1)
        told = answer.choices[0].logprobs if answer.choices else None
        if told is None or not told.content:
            return None
        places = {word.casefold(): place for place, word in enumerate(words)}
        mass = [0.0] * len(words)
        for token in told.content[0].top_logprobs:
            first = re.match(r"\W*(\w+)", token.token)
            if first is not None and first[1].casefold() in places:
                mass[places[first[1].casefold()]] += math.exp(token.logprob)
        total = sum(mass)
        return [each / total for each in mass] if total > 0 else None

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def _asked(self, messages: Sequence[Message], wanted: Mapping[str, Any]) -> Any:
        """What the server answers; again without what it says that it does not know."""
        import openai

        spoken = [_message(message) for message in messages]
        while True:
            options = {k: v for k, v in wanted.items() if v is not None and k not in self._without}
            if "max_tokens" in self._without and "max_tokens" in wanted:
                options["max_completion_tokens"] = wanted["max_tokens"]
            if "logprobs" in self._without:
                options.pop("top_logprobs", None)
            try:
                return self._client.chat.completions.create(
                    model=self.address.model, messages=spoken, **options
                )
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                refused = [name for name in _OPTIONAL if name in options and name in str(error)]
                if not refused:
                    raise
                self._without.update(refused)

    def _count(self, usage: Any, requests: int = 0) -> None:
        told = Usage(
            requests,
            getattr(usage, "prompt_tokens", None) or 0,
            getattr(usage, "completion_tokens", None) or 0,
        )
        with self._lock:
            self._usage += told

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        """What goes wrong, as one sentence that says what to do and holds no key."""
        import openai

        try:
            yield
        except ExpertError:
            raise
        except openai.APIStatusError as error:
            raise ExpertError(self._refusal(error.status_code, error)) from None
        except (openai.APITimeoutError, _transport().TimeoutException):
            raise ExpertError(
                f"{self.name} at {self.address.host} gave no sign of life for {self._timeout:g} s; "
                "ask again, allow more with --expert-timeout, or take a smaller model"
            ) from None
        except openai.APIConnectionError as error:
            raise ExpertError(
                f"no server answers at {self.address.url} ({self._reason(error)}); start it, or "
                "correct the address"
            ) from None
        except (openai.OpenAIError, _transport().HTTPError, ValueError) as error:
            raise ExpertError(
                f"{self.name} at {self.address.host} broke off or answered in a form that is not "
                f"OpenAI's ({self._reason(error)}); ask again, and look at the server's own log"
            ) from None

    def _refusal(self, status: int, error: Exception) -> str:
        said, host = self._reason(error), self.address.host
        if 300 <= status < 400:
            return (
                f"{host} sends {self.name} to another address ({status}), which is not followed; "
                "name the address itself"
            )
        if status in (401, 403):
            variable = KEY_VARIABLE if self.address.url != OPENAI_URL else OPENAI_VARIABLE
            which = "the key was refused" if self._key else "a key is asked for"
            return f"{host}: {which} ({status}); set {variable} in the environment to a valid one"
        if status == 404:
            return f"{self.address.url} has no model {self.name!r} ({said}); {self._has()}"
        if status == 413 or "context" in said.lower():
            return (
                f"{self.name} cannot read that much ({said}); begin a new chat, or hand over less: "
                "--evidence words"
            )
        if status == 429:
            return f"{host} allows no more requests for now ({said}); wait, then ask again"
        if status >= 500:
            return f"{host} has a fault of its own ({status}: {said}); ask again in a moment"
        return (
            f"{self.name} refused the request ({status}: {said}); where it reads no pictures, add "
            "--evidence words"
        )

    def _has(self) -> str:
        """The models that the server names, as advice."""
        try:
            names = [model.id for model in self._client.models.list().data][:8]
        except Exception:  # whatever it is, the first error is the one to be told
            names = []
        if not names:
            return "look at the address, which usually ends in /v1"
        return self._redacted(f"it has {', '.join(map(str, names))}")

    def _reason(self, error: Exception) -> str:
        """What an error says, in one short line."""
        cause = error.__cause__ if type(error).__name__ == "APIConnectionError" else None
        body = getattr(error, "body", None)
        said = body.get("message") if isinstance(body, dict) else None
        text = " ".join(str(said or cause or error).split()) or type(error).__name__
        return self._redacted(text)[:_LONGEST_REASON]

    def _redacted(self, text: str) -> str:
        return text.replace(self._key, "…") if self._key else text


def key_for(address: Address, environment: Mapping[str, str] | None = None) -> str:
    """The key for a server, from the environment; "" where there is none.

    ANOMALYGPT_EXPERT_KEY goes to the server that the user names, OPENAI_API_KEY to OpenAI's own
    alone: who runs a model elsewhere does not want it to have that one.
    """
    variables = os.environ if environment is None else environment
    found = variables.get(KEY_VARIABLE, "")
    if not found and address.url == OPENAI_URL:
        found = variables.get(OPENAI_VARIABLE, "")
    return found.strip()


def picture_url(picture: Image.Image) -> str:
    """A picture as it goes to a server: PNG in a data URL."""
    file = io.BytesIO()
    picture.convert("RGB").save(file, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"


def _message(message: Message) -> dict[str, Any]:
    if all(isinstance(part, str) for part in message.parts):
        # A list of texts is more than some servers for text-only models can read.
        return {"role": message.role, "content": "\n\n".join(map(str, message.parts))}
    parts: list[dict[str, Any]] = []
    for part in message.parts:
        if isinstance(part, str):
            parts.append({"type": "text", "text": part})
        else:
            parts.append({"type": "image_url", "image_url": {"url": picture_url(part)}})
    return {"role": message.role, "content": parts}


def _client(address: Address, key: str, timeout: float, retries: int) -> Any:
    try:
        import openai
    except ImportError:
        raise MissingExtraError(
            "models on a server need the package openai; pip install 'anomalygpt[experts]'"
        ) from None
    if not address.is_here and (reason := unusable_proxy()):
        raise ConfigError(reason)
    limits = openai.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS))
    http = openai.DefaultHttpxClient(
        follow_redirects=False,
        timeout=limits,
        # A proxy is for the way out; a server on this machine is not behind it.
        trust_env=not address.is_here,
    )
    unsaid: Any = {"OpenAI-Organization": openai.Omit(), "OpenAI-Project": openai.Omit()}
    return openai.OpenAI(
        api_key=key or "none",  # the client wants one, local servers read none
        base_url=address.url,
        timeout=limits,
        max_retries=retries,
        default_headers=unsaid,
        http_client=http,
    )


def _transport() -> Any:
    """What carries the client's words: its errors come through in the middle of an answer. It was
    another package before version 3."""
    import openai

    names = (base.__module__.partition(".")[0] for base in openai.DefaultHttpxClient.__mro__)
    return sys.modules[next(name for name in names if name != "openai")]
