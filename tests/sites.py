"""A real server on this machine that cuts, lies, changes its mind and redirects, for the tests of fetching."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from virb.core.errors import VirbError
from virb.core.progress import Silent

CONTENT = bytes(range(256)) * 2000


MD5, SHA256 = hashlib.md5(CONTENT).hexdigest(), hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Site:
    """A server's behaviour: one answer per request, the last one for ever; and what was asked of it."""

    address: str = ""
    content: bytes = CONTENT
    tag: str | None = '"one"'
    answers: list[Callable[[Handler], None]] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{self.address}/data.zip"


class Handler(BaseHTTPRequestHandler):
    """Answers as its site says; by default like any good server, with ranges."""

    site: Site

    def do_GET(self) -> None:
        site = self.site
        site.asked.append(dict(self.headers.items()))
        answer = site.answers[min(len(site.asked), len(site.answers)) - 1] if site.answers else good
        answer(self)

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def head(self, code: int, length: int | None, **more: str) -> None:
        self.send_response(code)
        if length is not None:
            self.send_header("Content-Length", str(length))
        if self.site.tag:
            self.send_header("ETag", self.site.tag)
        for name, value in more.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()


def good(handler: Handler) -> None:
    """Honour ranges as the standard says."""
    send(handler, len(handler.site.content))


def send(handler: Handler, until: int) -> None:
    """Answer with ranges, but cut the connection at a byte of the file."""
    content, wanted = handler.site.content, re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
    condition = handler.headers.get("If-Range")
    start = int(wanted[1]) if wanted and condition in (None, handler.site.tag) else 0
    if start > len(content) or (start and start == len(content)):
        handler.head(416, 0, Content_Range=f"bytes */{len(content)}")
        return
    if start:
        handler.head(206, len(content) - start, Content_Range=f"bytes {start}-{len(content) - 1}/{len(content)}")
    else:
        handler.head(200, len(content))
    handler.wfile.write(content[start:until])


def cut(until: int) -> Callable[[Handler], None]:
    return lambda handler: send(handler, until)


def status(code: int, **more: str) -> Callable[[Handler], None]:
    return lambda handler: handler.head(code, 0, **more)


def whole(handler: Handler) -> None:
    """Ignore ranges."""
    handler.head(200, len(handler.site.content))
    handler.wfile.write(handler.site.content)


def whole_but_cut(handler: Handler) -> None:
    """Ignore ranges and cut the connection halfway, always."""
    handler.head(200, len(handler.site.content))
    handler.wfile.write(handler.site.content[: len(handler.site.content) // 2])


def unmeasured(handler: Handler) -> None:
    handler.head(200, None)
    handler.wfile.write(handler.site.content)


def redirect(place: str) -> Callable[[Handler], None]:
    return lambda handler: handler.head(302, 0, Location=place)


class Notes(Silent):
    """Keeps what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


def part_of(place: Path) -> Path:
    return place.with_name(place.name + ".part")


def alone(place: Path) -> bool:
    """Tell whether nothing but the file itself is left."""
    return [path.name for path in place.parent.iterdir()] == [place.name]


def assert_three_parts(error: VirbError) -> None:
    assert error.found
    assert error.expected
    assert error.remedy
