"""A server on this machine that speaks as OpenAI's does, and fails as servers fail."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "tiny-eyes"


@dataclass(frozen=True)
class Act:
    """What the server does with one request.

    Attributes:
        pieces: of the answer.
        status: of the reply; with another than 200 `pieces` are its message.
        headers: besides the usual ones.
        pause: seconds before each piece.
        ends: False breaks the connection off after the pieces.
        likely: tokens and their probabilities, at the first place of an answer.
        refuses: names of options that it does not know, and refuses with 400.
    """

    pieces: tuple[str, ...] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    pause: float = 0.0
    ends: bool = True
    likely: Mapping[str, float] = field(default_factory=dict)
    refuses: tuple[str, ...] = ()


@dataclass
class Heard:
    """A request as it came."""

    path: str
    headers: dict[str, str]  # names in small letters
    body: dict[str, Any]

    @property
    def texts(self) -> list[str]:
        """What was said, text by text, of all messages."""
        return [text for message in self.body["messages"] for text in _texts(message["content"])]

    @property
    def pictures(self) -> int:
        """How many pictures came along."""
        contents = [
            m["content"] for m in self.body["messages"] if not isinstance(m["content"], str)
        ]
        return sum(part["type"] == "image_url" for parts in contents for part in parts)


def _texts(content: str | list[dict[str, Any]]) -> list[str]:
    if isinstance(content, str):
        return [content]
    return [part["text"] for part in content if part["type"] == "text"]


class ChatServer:
    """The server; it acts by `acts` in turn, and then always by the last one.

    Attributes:
        url: for clients.
        heard: requests for answers so far.
        broken: set once a client has gone while it was answered.
    """

    def __init__(self, acts: Sequence[Act]) -> None:
        self._acts, self._lock = list(acts), threading.Lock()
        self.heard: list[Heard] = []
        self.broken = threading.Event()
        handler = type("Handler", (_Handler,), {"chat": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/v1"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def next_act(self, heard: Heard) -> Act:
        """How to answer what was heard."""
        with self._lock:
            self.heard.append(heard)
            return self._acts.pop(0) if len(self._acts) > 1 else self._acts[0]

    def kill(self) -> None:
        """Stop; whoever asks now finds nobody."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@contextmanager
def serving(*acts: Act) -> Iterator[ChatServer]:
    """A server for as long as the block lasts."""
    server = ChatServer(acts or [Act(("Fine.",))])
    try:
        yield server
    finally:
        server.kill()


class _Handler(BaseHTTPRequestHandler):
    chat: ChatServer  # whose requests these are
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._json(200, {"object": "list", "data": [{"id": MODEL, "object": "model"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        act = self.chat.next_act(
            Heard(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
        )
        refused = [name for name in act.refuses if name in body]
        if refused:
            self._fault(400, f"Unsupported parameter: '{refused[0]}'", {})
        elif act.status != 200:
            self._fault(act.status, "".join(act.pieces), act.headers)
        else:
            with suppress(BrokenPipeError, ConnectionResetError):
                (self._stream if body.get("stream") else self._whole)(act)
                return
            self.chat.broken.set()

    def _fault(self, status: int, message: str, headers: Mapping[str, str]) -> None:
        self._json(status, {"error": {"message": message, "type": "fault"}}, headers)

    def _json(self, status: int, value: Any, headers: Mapping[str, str] = {}) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        for name, text in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _whole(self, act: Act) -> None:
        time.sleep(act.pause)
        choice: dict[str, Any] = {
            "index": 0,
            "message": {"role": "assistant", "content": "".join(act.pieces)},
            "finish_reason": "stop",
        }
        if act.likely:
            top = [
                {"token": token, "logprob": math.log(share), "bytes": None}
                for token, share in act.likely.items()
            ]
            choice["logprobs"] = {"content": [{**top[0], "top_logprobs": top}]}
        self._json(200, {**_head("chat.completion"), "choices": [choice], "usage": _usage(act)})

    def _stream(self, act: Act) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for piece in act.pieces:
            time.sleep(act.pause)
            self._event({"delta": {"content": piece}, "finish_reason": None})
        if act.ends:
            self._event({"delta": {}, "finish_reason": "stop"})
            tail = {**_head("chat.completion.chunk"), "choices": [], "usage": _usage(act)}
            self.wfile.write(f"data: {json.dumps(tail)}\n\ndata: [DONE]\n\n".encode())
        self.close_connection = True

    def _event(self, choice: dict[str, Any]) -> None:
        chunk = {**_head("chat.completion.chunk"), "choices": [{"index": 0, **choice}]}
        self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
        self.wfile.flush()


def _head(kind: str) -> dict[str, Any]:
    return {"id": "chat-1", "object": kind, "created": 0, "model": MODEL}


def _usage(act: Act) -> dict[str, int]:
    return {"prompt_tokens": 7, "completion_tokens": len(act.pieces), "total_tokens": 7}
