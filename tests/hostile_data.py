"""Hostile inputs: whole files of every kind that a reader takes, harmed, made to claim, grown or swapped."""

from __future__ import annotations

import io
import json
import pickle
import random
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from itertools import islice, repeat
from typing import Any

import numpy as np
from fuzzing import branches
from hostile_archives import member, packed, tar
from hostile_pictures import chunk, saved
from PIL import Image

from virb.data.formats.mat import write_mat
from virb.data.formats.png16 import write_gray16, write_png16

Random = random.Random
NUMBERS = (0, 1, 127, 128, 255, 256, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 60_000_000, 40_000)
VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1e308, float("nan"), float("inf"), 10**400, "", "\0", "../../etc/passwd", "a" * 5000,
    "🎈", "\ud800", [], {}, [[]] * 50, {"a": {}}, "1e999", "-0", "²",
)  # fmt: skip


def harmed(draw: Random, whole: bytes) -> bytes:
    """Return bytes with bits flipped, pieces lost, doubled or written over, numbers replaced, or an end lost."""
    made = bytearray(whole)
    for _ in range(draw.randint(1, 4)):
        size = max(1, len(made))
        near = draw.choice((size, min(200, size), min(40, size)))
        place = draw.randrange(near) if draw.random() < 0.8 else size - 1 - draw.randrange(min(60, size))
        length, kind = draw.randint(1, 40), draw.choice(("flip", "cut", "double", "write", "end", "claim", "claim"))
        if kind == "flip" and made:
            made[place] ^= 1 << draw.randrange(8)
        elif kind == "cut":
            del made[place : place + length]
        elif kind == "double":
            made[place:place] = made[place : place + length] * draw.choice((1, 1, 500))
        elif kind == "write":
            made[place : place + length] = draw.randbytes(length)
        elif kind == "claim":
            width = draw.choice((1, 2, 4))
            number = draw.choice(NUMBERS) & ((1 << (8 * width)) - 1)
            made[place : place + width] = number.to_bytes(width, draw.choice(("little", "big")))
        elif kind == "end" and draw.random() < 0.5:
            del made[place:]
    return bytes(made)


def sealed(content: bytes) -> bytes:
    """Return a PNG file whose chunks have the checksums that they should, as far as they can be told apart."""
    made, place = content[:8], 8
    while place + 12 <= len(content):
        length = int.from_bytes(content[place : place + 4], "big")
        kind, body = content[place + 4 : place + 8], content[place + 8 : place + 8 + length]
        made += chunk(kind, body)
        place += 12 + length
    return made


def frames(kind: str, **options: Any) -> bytes:
    """Return an animation of three frames."""
    stream = io.BytesIO()
    first, *others = [Image.new("RGB", (20, 16), (90 * number, 0, 0)) for number in range(3)]
    first.save(stream, kind, save_all=True, append_images=others, **options)
    return stream.getvalue()


def raw(values: np.ndarray, kind: str, **options: Any) -> bytes:
    """Return a picture of these numbers."""
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, kind, **options)
    return stream.getvalue()


def pictures() -> dict[str, bytes]:
    """Return a whole picture of every kind."""
    words = np.arange(40 * 30, dtype=np.uint16).reshape(30, 40) * 50
    whole = {f"{kind} {mode}": saved(kind, mode) for kind, modes in {
        "JPEG": ("RGB", "L", "CMYK"), "PNG": ("1", "L", "P", "RGB", "RGBA", "LA"), "GIF": ("P", "L"),
        "BMP": ("1", "L", "P", "RGB"), "WEBP": ("RGB", "RGBA"), "TIFF": ("1", "L", "P", "RGB", "CMYK"),
        "PPM": ("1", "L", "RGB"),
    }.items() for mode in modes}  # fmt: skip
    whole |= {f"TIFF {packing}": saved("TIFF", compression=packing) for packing in
              ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")}  # fmt: skip
    whole |= {"progressive": saved("JPEG", progressive=True), "restarts": saved("JPEG", restart_marker_rows=1),
              "gray16": write_gray16(words), "png16": write_png16(np.dstack([words] * 3)),
              "float": raw(words.astype(np.float32), "TIFF"), "animated GIF": frames("GIF"),
              "animated WebP": frames("WEBP"), "animated PNG": frames("PNG"), "lossless": saved("WEBP", lossless=True),
              "many TIFFs": frames("TIFF"), "ASCII": b"P3 3 2 255\n" + b"1 2 3 " * 6,
              "float map": b"Pf\n3 2\n-1.0\n" + bytes(24),
              "texts": saved("PNG", pnginfo=None, icc_profile=bytes(200))}  # fmt: skip
    return whole


def pickles() -> dict[str, bytes]:
    """Return CIFAR's content in every protocol."""
    content = {"filenames": ["a.png"] * 4, "fine_labels": [1, 2, 3, 4], "data": np.zeros((4, 3072), np.uint8)}
    old = {**content, "fine_labels": np.array([1, 2, 3, 4])}
    return {f"{protocol} {len(one)}": pickle.dumps(one, protocol=protocol) for protocol in range(5)
            for one in (content, {**old, "more": b"x"})}  # fmt: skip


def matrices() -> dict[str, bytes]:
    """Return MATLAB files as data sets have them."""
    hands = {
        hand: np.array([[1.0, 2.0], [9.0, 2.0], [5.0, 8.0]]) for hand in ("myleft", "myright", "yourleft", "yourright")
    }
    whole = {"polygons": write_mat({"polygons": [hands] * 2}), "splits": write_mat({"trainNdxs": np.array([[1], [2]])}),
             "synsets": write_mat({"synsets": [{"ILSVRC2012_ID": 1, "WNID": "n01440764"}] * 3})}  # fmt: skip
    return whole | {f"packed {name}": content[:128] + _packed(content[128:]) for name, content in whole.items()}


def _packed(body: bytes) -> bytes:
    small = zlib.compress(body)
    return (15).to_bytes(4, "little") + len(small).to_bytes(4, "little") + small


def archives() -> dict[str, bytes]:
    """Return archives by their endings."""
    files = {"set/a.txt": b"a" * 700, "set/b/c.bin": bytes(range(256)) * 4, "set/d": b""}
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in files.items():
            made.writestr(name, content)
    members = [(member(name, size=len(content)), content) for name, content in files.items()]
    members += [(member("set/e", tarfile.LNKTYPE, link="set/a.txt"), b""), (member("set/f/", tarfile.DIRTYPE), b"")]
    whole = {"zip": stream.getvalue(), "tar": tar(members), "tar.gz": packed(members)}
    for mode in ("bz2", "xz"):
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode=f"w:{mode}", format=tarfile.PAX_FORMAT) as other:  # type: ignore[call-overload]
            for head, body in members:
                head.pax_headers = {"comment": "a" * 300}
                other.addfile(head, io.BytesIO(body))
        whole[f"tar.{mode}"] = stream.getvalue()
    return whole


def swapped(draw: Random, content: bytes) -> bytes:
    """Return JSON with one to three of its parts lost, replaced or put in the stead of others."""
    made = json.loads(content)
    for _ in range(draw.randint(1, 3)):
        places = list(branches(made))
        if not places:
            return b"[]"
        holder, key = draw.choice(places)
        kind = draw.choice(("lose", "set", "set", "swap", "wrap"))
        if kind == "lose":
            del holder[key]
        elif kind == "wrap":
            holder[key] = [holder[key]]
        else:
            other, name = draw.choice(places)
            known = name in other if isinstance(other, dict) else name < len(other)
            holder[key] = json.loads(json.dumps(other[name])) if kind == "swap" and known else draw.choice(VALUES)
    return json.dumps(made).encode("utf-8", "surrogatepass")


def worded(draw: Random, content: bytes) -> bytes:
    """Return lines lost, doubled, joined or with a word that nobody would write."""
    lines = content.split(b"\n")
    for _ in range(draw.randint(1, 3)):
        place = draw.randrange(len(lines))
        word = draw.choice((b"\0", b"", b"\xff\xfe", b"../../x", b"9" * 5000, b"nan", b"inf", b"-1",
                            b"a" * 200_000, b'"', b",,,", b"\r",
                            "²".encode(), "\u2028x".encode()))  # fmt: skip
        parts = lines[place].replace(b",", b" , ").split(b" ")
        parts[draw.randrange(len(parts))] = word
        lines[place : place + draw.randint(0, 1)] = [b" ".join(parts)] * draw.randint(0, 2)
        lines = lines or [b""]
    return b"\n".join(lines)


def one_line(content: bytes) -> bytes:
    """Return the second line of a list, or the first, or the beginning of what has no lines."""
    lines = content[:10_000].split(b"\n")
    return (lines[1] if len(lines) > 2 else lines[0])[:1000] + b"\n"


GROWN: dict[str, Callable[[bytes], bytes]] = {
    "one line again and again": lambda content: b"".join(islice(repeat(one_line(content)), 9_000_000 // (
        len(one_line(content))))),
    "odd lines": lambda content: b"".join(b"%d%s" % (at, one_line(content)[:40]) for at in range(200_000)),
    "lines that fit": lambda content: content.split(b"\n")[0] + b"\n" + b"".join(
        one_line(content).replace(b".", b"%d." % at) for at in range(9_000_000 // (8 + len(one_line(content))))),
    "short lines": lambda content: b"a\n" * 4_500_000,
    "one long line": lambda content: b"a" * 9_000_000,
    "commas": lambda content: b"," * 9_000_000,
    "nothing": lambda content: b"\0" * 9_000_000,
    "empty lists": lambda content: b"[" + b"[]," * 3_000_000 + b"[]]",
    "empty objects": lambda content: b"[" + b"{}," * 3_000_000 + b"{}]",
    "lists in lists": lambda content: b"[" * 9_000_000,
    "keys": lambda content: b"{" + b",".join(b'"%d":0' % number for number in range(800_000)) + b"}",
    "digits": lambda content: b"[" + b"9" * 9_000_000 + b"]",
}  # fmt: skip
"""What a list of nine megabytes may hold."""
