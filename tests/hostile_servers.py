"""A server that sends bytes as they are, and answers that no honest one would give."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import repeat

OK = b"HTTP/1.1 200 OK\r\n"
BODY = b"\r\n" + b"content"


@contextmanager
def answering(answer: Callable[[], Iterator[bytes]]) -> Iterator[tuple[str, list[bytes]]]:
    """Run a server that gives this answer to whatever is asked; yield its address and what was asked."""
    asked: list[bytes] = []

    class Raw(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            lines = []
            while (line := self.rfile.readline(65_536)) not in (b"\r\n", b"\n", b""):
                lines.append(line)
            asked.append(b"".join(lines))
            try:
                for part in answer():
                    self.wfile.write(part)
            except OSError:  # nobody listens any more
                return

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads, allow_reuse_address = True, True

    with Server(("127.0.0.1", 0), Raw) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()
        thread.join()


def headed(*lines: bytes, status: bytes = OK, body: bytes = BODY) -> bytes:
    """Return an answer with these header lines."""
    return status + b"".join(line + b"\r\n" for line in lines) + body


def moved(place: bytes, code: int = 302) -> bytes:
    """Return an answer that leads elsewhere."""
    return headed(b"Location: " + place, status=b"HTTP/1.1 %d Found\r\n" % code, body=b"\r\n")


def coded(code: int, *lines: bytes) -> bytes:
    """Return an empty answer of a code."""
    return headed(*lines, status=b"HTTP/1.1 %d Odd\r\n" % code, body=b"\r\n")


_CODES = (100, 101, 103, 200, 201, 202, 203, 204, 205, 207, 226, 299, 300, 304, 305, 306, 400, 416, 418, 451, 499, 500,
          599, 600, 999)  # fmt: skip
CHUNKED = b"Transfer-Encoding: chunked"
ANSWERS: dict[str, bytes] = {
    "nothing": b"",
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "a page without a head": b"<html>\n" * 100,
    "a status that is no number": b"HTTP/1.1 abc OK\r\n\r\n",
    "a status of four digits": b"HTTP/1.1 2000 OK\r\n\r\n",
    "a status below nothing": b"HTTP/1.1 -20 OK\r\n\r\n",
    "another protocol": b"HTTP/9.9 200 OK\r\n\r\ncontent",
    "a status line of a megabyte": b"HTTP/1.1 200 " + b"a" * (1 << 20) + b"\r\n\r\n",
    "a head of a megabyte": headed(b"A: " + b"a" * (1 << 20)),
    "a thousand heads": headed(*[b"A: a"] * 1000),
    "a length beyond every disk": headed(b"Content-Length: " + b"9" * 18),
    "a piece of a negative size": headed(CHUNKED, body=b"\r\n-5\r\ncontent\r\n0\r\n\r\n"),
    "a piece of no size": headed(CHUNKED, body=b"\r\n\r\ncontent"),
    "a piece of a size in words": headed(CHUNKED, body=b"\r\nseven\r\ncontent\r\n0\r\n\r\n"),
    "a piece of a size of other digits": headed(CHUNKED, body="\r\n٧\r\ncontent\r\n0\r\n\r\n".encode()),
    "a piece of a size of a thousand digits": headed(CHUNKED, body=b"\r\n" + b"f" * 1000 + b"\r\ncontent"),
    "a piece of a size without end": headed(CHUNKED, body=b"\r\n" + b"0" * (1 << 20)),
    "a piece that is cut": headed(CHUNKED, body=b"\r\nff\r\ncontent"),
    "pieces that nothing ends": headed(CHUNKED, body=b"\r\n7\r\ncontent\r\n"),
    "an address without end of its number": moved(b"http://[::1"),
    "an address with a port in words": moved(b"http://127.0.0.1:http/"),
    "an address with a port beyond all": moved(b"http://127.0.0.1:99999/"),
    "an address with a port below nothing": moved(b"http://127.0.0.1:-1/"),
    "an address of no host": moved(b"http:///data.zip"),
    "an address of a long host": moved(b"http://" + b"a" * 300 + b".example/"),
    "an address of a host in no letters": moved("http://\u2100\xff..example/".encode()),
    "an address with a line in it": moved(b"http://127.0.0.1:9/a\r\n b"),
    "an address of nothing": moved(b""),
    "an address in the file system": moved(b"file:///etc/passwd"),
    "an address on the same machine's disk": moved(b"//etc/passwd\\"),
    "an address of data": moved(b"data:text/plain,content"),
    "an address in brackets": moved(b"http://[v1.a]/"),
    "an address of a megabyte": moved(b"/" + b"a" * 60_000, 307),
    "itself": moved(b"/data.zip", 308),
    "a part of another file": headed(b"Content-Range: bytes 5-11/12", status=b"HTTP/1.1 206 Partial\r\n"),
    "a part of a size in other digits": headed("Content-Range: bytes 0-6/²".encode("latin1"),
                                               status=b"HTTP/1.1 206 Partial\r\n"),
    "a part of a size of many digits": headed(b"Content-Range: bytes 0-6/" + b"9" * 5000,
                                              status=b"HTTP/1.1 206 Partial\r\n"),
    "a part of an unknown whole": headed(b"Content-Range: bytes 0-6/*", status=b"HTTP/1.1 206 Partial\r\n"),
    "a part without its place": headed(status=b"HTTP/1.1 206 Partial\r\n"),
    "a later in odd digits": headed("Retry-After: ²".encode("latin1"), status=b"HTTP/1.1 503 Busy\r\n"),
    "a later of many digits": headed(b"Retry-After: " + b"9" * 5000, status=b"HTTP/1.1 503 Busy\r\n"),
    "a later by a date": headed(b"Retry-After: Fri, 31 Feb 2999", status=b"HTTP/1.1 429 Busy\r\n"),
    "a wish for a password": headed(b"WWW-Authenticate: \xff", status=b"HTTP/1.1 401 No\r\n"),
    **{f"an empty {code}": coded(code) for code in _CODES},
    "an end of nothing": coded(416, b"Content-Range: bytes */0"),
    "a whole of nothing": headed(b"Content-Length: 0", body=b"\r\n"),
    "an end of bytes below nothing": coded(416, b"Content-Range: bytes */-1"),
}  # fmt: skip
"""Answers of which no file comes."""

TAKEN: dict[str, bytes] = {
    "a head without a name": headed(b": a", b"\0: \0", b"a"),
    "a length of five thousand digits": headed(b"Content-Length: " + b"9" * 5000),
    "a length in other digits": headed("Content-Length: ²".encode("latin1")),
    "a length in words": headed(b"Content-Length: seven"),
    "a length below nothing": headed(b"Content-Length: -7"),
    "two lengths": headed(b"Content-Length: 7", b"Content-Length: 7"),
    "a version of another script": headed('ETag: "\u00e9\u2603"'.encode(), b"Content-Length: 7"),
    "a version with a line in it": headed(b'ETag: "a\r\n b"', b"Content-Length: 7"),
    "a version of fifty thousand letters": headed(b'ETag: "' + b"a" * 50_000 + b'"', b"Content-Length: 7"),
    "a whole as a part": headed(b"Content-Range: bytes 0-6/7", status=b"HTTP/1.1 206 Partial\r\n"),
    "pieces with notes": headed(CHUNKED, body=b"\r\n7;a=b\r\ncontent\r\n0\r\nA: b\r\n\r\n"),
    "pieces and a wrong length": headed(CHUNKED, b"Content-Length: 99", body=b"\r\n7\r\ncontent\r\n0\r\n\r\n"),
    "an answer that comes later": b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + headed(b"Content-Length: 7"),
}
"""Odd answers that bring the file all the same."""

ENDLESS: dict[str, Callable[[], Iterator[bytes]]] = {
    "answers that an answer will come": lambda: repeat(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a redirect with a page": lambda: _then(b"HTTP/1.1 302 Found\r\nLocation: /data.zip\r\n\r\n"),
    "an error with a page": lambda: _then(b"HTTP/1.1 404 Gone\r\n\r\n"),
    "a piece of a negative size": lambda: _then(headed(CHUNKED, body=b"\r\n-5\r\n")),
    "a status line": lambda: _then(b"HTTP/1.1 200 "),
    "a head": lambda: _then(OK + b"A: "),
    "the size of a piece": lambda: _then(headed(CHUNKED, body=b"\r\n")),
}
"""Answers without end."""


def _then(begin: bytes) -> Iterator[bytes]:
    yield begin
    yield from repeat(b"0" * 65_536)
