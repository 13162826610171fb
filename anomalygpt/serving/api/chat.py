"""/v1/chat/completions and /v1/models, as OpenAI's clients know them."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from anomalygpt.errors import AnomalyGPTError
from anomalygpt.language.generation import GenerationOptions
from anomalygpt.records.keys import Key
from anomalygpt.serving.api.access import Inspector, Reader
from anomalygpt.serving.api.conversations import Conversation, Going
from anomalygpt.serving.api.messages import conversation_of
from anomalygpt.serving.api.photos import checked, json_of
from anomalygpt.serving.api.problems import Problem, openai_error, problem_of
from anomalygpt.serving.api.service import Service, in_thread, service_of

router = APIRouter(tags=["chat"])
MOST_TOKENS, USUAL_TOKENS = 512, 128


class ChatIn(BaseModel):
    """A conversation; parameters that are not named here are left aside."""

    model_config = ConfigDict(extra="ignore")

    model: str = Field(max_length=200, examples=["embedded"])
    messages: list[dict[str, Any]] = Field(min_length=1, max_length=200)
    stream: bool = False
    stream_options: dict[str, Any] | None = None
    n: int | None = None
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    seed: int | None = None
    product: str | None = Field(None, min_length=1, max_length=64, description="its name or id")
    description: str | None = Field(None, max_length=300, description="a sentence about the part")

    def options(self) -> GenerationOptions:
        """How the answer is written."""
        most = self.max_completion_tokens or self.max_tokens or USUAL_TOKENS
        return GenerationOptions(
            max_new_tokens=min(most, MOST_TOKENS),
            temperature=self.temperature or 0.0,
            top_p=self.top_p or 1.0,
            seed=None if self.seed is None else abs(self.seed),
        )


@router.get("/v1/models")
async def list_models(request: Request, key: Reader) -> dict[str, Any]:
    """The models that may be asked."""
    service = service_of(request)
    return {"object": "list", "data": [_model(name) for name in service.settings.models]}


@router.get("/v1/models/{name:path}")
async def get_model(request: Request, key: Reader, name: str) -> dict[str, Any]:
    """One of them."""
    _check_model(service_of(request), name)
    return _model(name)


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": _BEGUN, "owned_by": "anomalygpt"}


_BEGUN = int(time.time())


def _check_model(service: Service, name: str) -> None:
    """
    Raises:
        Problem: there is no such model.
    """
    if name not in service.settings.models:
        there = ", ".join(service.settings.models)
        raise Problem(404, "model-not-found", f"there is no model {name!r} here; there is {there}")


@router.post("/v1/chat/completions")
async def complete(request: Request, key: Inspector) -> Response:
    """Answer the last question about the last photo; `"stream": true` sends the words one by one.

    The first picture is the part, further ones are good parts; or `"product"` names them. The
    answer's member `anomalygpt` has the finding.
    """
    service = service_of(request)
    wanted = checked(ChatIn, await json_of(request))
    if wanted.n not in (None, 1):
        raise Problem(400, "one-answer", f"one answer is given, n is {wanted.n}; leave it out")
    _check_model(service, wanted.model)
    options = wanted.options()

    def begin() -> tuple[Conversation, Going]:
        talked = conversation_of(
            service,
            key.name,
            wanted.messages,
            model=wanted.model,
            product=wanted.product,
            description=wanted.description,
        )
        return talked, service.talks.take(talked, options)

    talked, going = await in_thread(service.slow, begin)
    answer = Answer(service, key, wanted, talked, going)
    if wanted.stream:
        lines = answer.streamed(options)
        return StreamingResponse(lines, media_type="text/event-stream")
    return JSONResponse(await in_thread(service.slow, answer.whole, options))


class Answer:
    """One answer on its way out."""

    def __init__(
        self, service: Service, key: Key, wanted: ChatIn, talked: Conversation, going: Going
    ) -> None:
        self._service, self._wanted = service, wanted
        self._talked, self._going = talked, going
        self._id, self._at = f"chatcmpl-{uuid4().hex}", int(time.time())

    def whole(self, options: GenerationOptions) -> dict[str, Any]:
        """All of it at once.

        Raises:
            AnomalyGPTError: what `Engine.ask` raises.
        """
        text = "".join(self._service.talks.answer(self._talked, self._going, options))
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        return {
            **self._head("chat.completion"),
            "choices": [choice],
            "usage": self._usage(text),
            "anomalygpt": self._finding(),
        }

    async def streamed(self, options: GenerationOptions) -> AsyncIterator[str]:
        """Events as they come; an error is the last one."""
        asked = (self._wanted.stream_options or {}).get("include_usage") is True
        usage = {"usage": None} if asked else {}
        pieces = self._service.talks.answer(self._talked, self._going, options)
        text = ""
        try:
            first = self._chunk({"role": "assistant", "content": ""})
            yield _event({**first, **usage, "anomalygpt": self._finding()})
            while piece := await in_thread(self._service.slow, next, pieces, ""):
                text += piece
                yield _event({**self._chunk({"content": piece}), **usage})
            yield _event({**self._chunk({}, "stop"), **usage})
            if asked:
                last = {**self._head("chat.completion.chunk"), "choices": []}
                counted = await in_thread(self._service.quick, self._usage, text)
                yield _event({**last, "usage": counted})
            yield "data: [DONE]\n\n"
        except AnomalyGPTError as error:
            yield _event(openai_error(problem_of(error)))
        finally:  # whoever has left is not answered on
            pieces.close()  # type: ignore[attr-defined]

    def _chunk(self, delta: dict[str, Any], end: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": end, "logprobs": None}
        return {**self._head("chat.completion.chunk"), "choices": [choice]}

    def _head(self, kind: str) -> dict[str, Any]:
        model = self._talked.request.model
        return {"id": self._id, "object": kind, "created": self._at, "model": model}

    def _usage(self, text: str) -> dict[str, int]:
        """Tokens of the texts, as the model's tokenizer counts; pictures are not in them."""
        said = [*(each for turn in self._talked.turns for each in turn), self._talked.question]
        model = self._talked.request.model
        asked, told = (
            sum(self._service.engine.count_tokens(model, each) for each in texts)
            for texts in (said, [text])
        )
        return {"prompt_tokens": asked, "completion_tokens": told, "total_tokens": asked + told}

    def _finding(self) -> dict[str, Any]:
        found, entry = self._going.talk.inspection, self._going.entry
        return {
            "inspection": None if entry is None else entry.id,
            "is_anomalous": found.is_anomalous,
            "anomaly_probability": found.anomaly_probability,
            "anomaly_score": found.anomaly_score,
            "cautions": list(found.cautions),
            "regions": [region.to_dict() for region in found.regions],
        }


def _event(value: dict[str, Any]) -> str:
    return f"data: {json.dumps(value)}\n\n"
