"""Fetch: requests and answers. Web addresses only, certificates checked, and failures that pass told from others."""

from __future__ import annotations

import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from virb.core.errors import DataError, VirbError

_LONGEST = 200
"""Letters of what a server says that are repeated, and of a version that is kept."""
_INTERIM = 20
"""Answers that say to wait for the answer."""


class Cut(Exception):
    """A failure that may pass by itself: the server is busy, the line was cut, the file has changed."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


@contextmanager
def network(url: str, remedy: str) -> Iterator[None]:
    """Tell failures of the line, which may pass, from answers that will stay the same."""
    try:
        yield
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise DataError(
                f"{url}: the server's certificate cannot be trusted: {error.reason.verify_message}",
                "a certificate that this machine can check",
                "set the clock, install the system's certificates, or name those of your network in $SSL_CERT_FILE; "
                f"or {remedy}",
            ) from error
        raise Cut(str(error.reason)[:_LONGEST]) from error
    except VirbError:
        raise
    except Exception as error:  # what a server answers is parsed in many places, and not all of them expect the worst
        raise Cut(str(error)[:_LONGEST] or type(error).__name__) from error


def validator_of(headers: Any) -> str:
    """Return a strong ETag, else the time of change: what If-Range may name."""
    tag = str(headers.get("ETag", ""))
    return plain(tag if tag.startswith('"') else str(headers.get("Last-Modified", "")))


def plain(text: str) -> str:
    """Return a text that can stand in a header, or nothing."""
    return text if len(text) <= _LONGEST and text.isascii() and text.isprintable() else ""


def number(text: object) -> int | None:
    """Return a header's number of bytes or seconds; what only looks like one is none."""
    return int(str(text)) if re.fullmatch(r"[0-9]{1,18}", str(text)) else None


def content_range(headers: Any) -> tuple[int | None, int | None]:
    """Return first byte and size of the whole file, as far as the header tells them."""
    text = str(headers.get("Content-Range", "")).strip()
    found = re.fullmatch(r"bytes\s+(?:([0-9]{1,18})-[0-9]{1,18}|\*)/([0-9]{1,18}|\*)", text)
    return (number(found[1]), number(found[2])) if found else (None, None)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a server elsewhere, but never from https to what anyone on the way could change."""

    def http_error_302(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> Any:
        """Follow, without the page that says where to: the library would read it to its end, if it has one."""
        fp.close()
        return super().http_error_302(req, fp, code, msg, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        old, new = urlsplit(req.full_url).scheme, urlsplit(newurl).scheme
        if new not in ("http", "https") or (old == "https" and new != "https"):
            raise DataError(
                f"{req.full_url} leads to {newurl[:_LONGEST]}",
                "an address that begins with https:" if old == "https" else "a web address",
                "fetch the file by hand if you trust that address",
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Answer(HTTPResponse):
    """An answer whose parts end, and whose pieces have a length."""

    interim = 0

    def _read_status(self) -> Any:
        self.interim += 1
        if self.interim > _INTERIM:
            raise HTTPException("the server says again and again that its answer will come")
        return super()._read_status()  # type: ignore[misc]

    def _read_next_chunk_size(self) -> int:
        """Return the length of the next piece; one below nothing would be read to the end, if there is one."""
        size: int = super()._read_next_chunk_size()  # type: ignore[misc]
        if size < 0:
            raise HTTPException(f"the server sends a piece of {size} bytes")
        return size

    def _read_and_discard_trailer(self) -> None:
        """Take no notice of what follows the last piece: the line is not used again."""


class _Plain(HTTPConnection):
    response_class = _Answer


class _Safe(HTTPSConnection):
    response_class = _Answer


class _Http(urllib.request.HTTPHandler):
    def http_open(self, req: Any) -> Any:
        return self.do_open(_Plain, req)


class _Https(urllib.request.HTTPSHandler):
    def https_open(self, req: Any) -> Any:
        return self.do_open(_Safe, req, context=self._context)  # type: ignore[attr-defined]


def opener() -> urllib.request.OpenerDirector:
    """Return what opens web addresses and nothing else: no files, no ftp; certificates are always checked."""
    made = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        _Http(),
        _Https(context=ssl.create_default_context()),
        urllib.request.HTTPDefaultErrorHandler(),
        _Redirects(),
        urllib.request.HTTPErrorProcessor(),
    ):
        made.add_handler(handler)
    return made
