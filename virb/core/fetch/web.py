"""Fetch: requests and answers. Web addresses only, certificates checked, and failures that pass told from others."""

from __future__ import annotations

import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

from virb.core.errors import DataError


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
        raise Cut(str(error.reason)) from error
    except (HTTPException, OSError) as error:
        raise Cut(str(error) or type(error).__name__) from error


def validator_of(headers: Any) -> str:
    """Return a strong ETag, else the time of change: what If-Range may name."""
    tag = str(headers.get("ETag", ""))
    return tag if tag.startswith('"') else str(headers.get("Last-Modified", ""))


def content_range(headers: Any) -> tuple[int | None, int | None]:
    """Return first byte and size of the whole file, as far as the header tells them."""
    found = re.fullmatch(r"bytes\s+(?:(\d+)-\d+|\*)/(\d+|\*)", str(headers.get("Content-Range", "")).strip())
    if not found:
        return None, None
    return int(found[1]) if found[1] else None, int(found[2]) if found[2] != "*" else None


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a server elsewhere, but never from https to what anyone on the way could change."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        old, new = urlsplit(req.full_url).scheme, urlsplit(newurl).scheme
        if new not in ("http", "https") or (old == "https" and new != "https"):
            raise DataError(
                f"{req.full_url} leads to {newurl}",
                "an address that begins with https:" if old == "https" else "a web address",
                "fetch the file by hand if you trust that address",
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def opener() -> urllib.request.OpenerDirector:
    """Return what opens web addresses and nothing else: no files, no ftp; certificates are always checked."""
    made = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=ssl.create_default_context()),
        urllib.request.HTTPDefaultErrorHandler(),
        _Redirects(),
        urllib.request.HTTPErrorProcessor(),
    ):
        made.add_handler(handler)
    return made
