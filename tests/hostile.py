"""Hostile files: small checkpoints that would take all time or all memory, and two files in one."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable, Iterator

Case = Callable[[], bytes]
MOST = 19_000
"""A little less than the most names that are read."""
START, STOP = b"\x80\x02", b"."


def text(value: str) -> bytes:
    """Return the operation that pushes a text."""
    made = value.encode()
    return b"X" + struct.pack("<I", len(made)) + made


def number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def nested(levels: int, leaf: bytes = b"K\x01") -> bytes:
    """Return a tuple of a tuple of ..., each twice in the next: a few bytes, and 2 ** levels leaves."""
    return leaf + b"q\xffh\xff\x86" * levels


def named(dotted: str) -> bytes:
    module, _, name = dotted.rpartition(".")
    return f"c{module}\n{name}\n".encode()


STORAGE = b"(" + text("storage") + named("torch.FloatStorage") + text("0") + text("cpu") + b"K\x04tQ"


def tensor(shape: bytes = b"K\x04\x85", stride: bytes = b"K\x01\x85") -> bytes:
    """Return the operations that describe four numbers."""
    empty = named("collections.OrderedDict") + b")R"
    return (
        named("torch._utils._rebuild_tensor_v2") + b"(" + STORAGE + b"K\x00" + shape + stride + b"\x89" + empty + b"tR"
    )


def names(count: int, length: int = 0, stem: str = "k") -> bytes:
    """Return a dict of so many names."""
    filler = "x" * length
    return b"}(" + b"".join(text(f"{stem}{place}{filler}") + b"N" for place in range(count)) + b"u"


def tensors(rows: Iterator[str]) -> bytes:
    """Return a dict of one small tensor under many names."""
    return b"}" + tensor() + b"q\x010(" + b"".join(text(name) + b"h\x01" for name in rows) + b"u"


def zipped(pickle: bytes) -> bytes:
    """Return an archive as torch.save writes it around a pickle of one's own; it holds four numbers."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in (("data.pkl", START + pickle + STOP), ("data/0", bytes(16)), ("version", b"3\n")):
            archive.writestr(f"archive/{name}", content)
    return made.getvalue()


def legacy(pickle: bytes) -> bytes:
    """Return what torch.save wrote before 1.6 around a pickle of one's own."""
    head = START + b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19." + START + b"M\xe9\x03." + START + b"}."
    keys = START + b"]" + text("0") + b"a" + STOP
    return head + START + pickle + STOP + keys + struct.pack("<q", 4) + bytes(16)


def safetensors(header: object, size: int = 0) -> bytes:
    made = header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":")).encode()
    return struct.pack("<Q", len(made)) + made + bytes(size)


def many_empty(count: int) -> bytes:
    part = '{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
    return safetensors(("{" + ",".join(f'"{place}":{part}' for place in range(count)) + "}").encode())


def deep(levels: int, length: int, inside: bytes) -> bytes:
    """Return dictionaries in dictionaries under long names."""
    return b"".join(b"}" + text("n" * length) for _ in range(levels)) + inside + b"s" * levels


HUGGING_FACE = ("attention.attention.query", "output.dense", "intermediate.dense", "layernorm_before")
ORDERED = named("collections.OrderedDict")
PICKLES: dict[str, Case] = {
    "a shape that is told for ever": lambda: b"}" + text("a") + tensor(nested(60) + b"\x85") + b"s",
    "a stride that is told for ever": lambda: b"}" + text("a") + tensor(stride=nested(60) + b"\x85") + b"s",
    "a class whose module is told for ever": lambda: nested(60) + text("x") + b"\x93",
    "a class whose name is told for ever": lambda: text("os") + nested(60) + b"\x93",
    "a storage whose key is told for ever": lambda: (
        b"(" + text("storage") + named("torch.FloatStorage") + nested(60) + text("cpu") + b"K\x04tQ"
    ),
    "a storage whose count is told for ever": lambda: (
        b"(" + text("storage") + named("torch.FloatStorage") + text("0") + text("cpu") + nested(60) + b"tQ"
    ),
    "a key whose hash is reckoned for ever": lambda: b"}" + nested(60) + b"Ns",
    "a set of what is hashed for ever": lambda: b"\x8f(" + nested(60) + b"\x90",
    "a dictionary copied many times": lambda: (
        names(20_000) + b"q\x000" + ORDERED + b"q\x010](" + b"h\x01h\x00\x85R" * 100_000 + b"e"
    ),
    "pairs put into a dictionary many times": lambda: (
        b"]("
        + b"".join(b"](" + number(place) + b"Ne" for place in range(20_000))
        + b"eq\x000"
        + ORDERED
        + b"q\x010]("
        + b"h\x01h\x00\x85R" * 100_000
        + b"e"
    ),
    "a state put into an object many times": lambda: (
        names(50_000) + b"q\x000" + named("argparse.Namespace") + b")\x81" + b"h\x00b" * 1_000_000
    ),
    "a long list as a shape many times": lambda: (
        b"]("
        + b"K\x01" * 500_000
        + b"eq\x000]("
        + (named("torch._utils._rebuild_tensor_v2") + b"(" + STORAGE + b"K\x00h\x00h\x00\x89NtR") * 10_000
        + b"e"
    ),
    "a long tuple as a reference many times": lambda: (
        b"(" + b"N" * 1_000_000 + b"tq\x000](" + b"h\x00Q" * 1_000_000 + b"e"
    ),
    "long names in one another": lambda: deep(14, 300_000, tensors(f"{place}" for place in range(100_000))),
    "one long name around many": lambda: deep(1, 4_000_000, tensors(f"{place}" for place in range(100_000))),
    "many names of one tensor": lambda: tensors(f"{place}" for place in range(700_000)),
    "many networks": lambda: tensors(f"n{place}.layer1.0.conv1.weight" for place in range(MOST)),
    "many networks in one another": lambda: tensors(
        f"{'n.' * (place % 40)}layer1.{place}.conv1.weight" for place in range(MOST)
    ),
    "many numbered blocks": lambda: tensors(f"layer1.{place}.conv1.weight" for place in range(MOST)),
    "many numbers in names": lambda: tensors(
        f"layer{place % 4 + 1}.{place % 999}.conv{place % 997}.w{place % 991}.{place}" for place in range(MOST)
    ),
    "many names beside a lost one": lambda: tensors(
        f"layer{place % 4 + 1}.{place // 4}.bn{place % 3 + 1}.{999 - place % 900}" for place in range(MOST)
    ),
    "many names with dots": lambda: tensors("a." * 400 + f"{place}.conv1.weight" for place in range(2_300)),
    "many blocks of a transformer": lambda: tensors(f"blocks.{place}.attn.qkv.weight" for place in range(MOST)),
    "many blocks of Hugging Face's": lambda: tensors(
        f"encoder.layer.{place // 4}.{HUGGING_FACE[place % 4]}.weight" for place in range(MOST)
    ),
    "many sets": lambda: b"\x8f" * 8_000_000,
    "many dictionaries": lambda: b"}" * 8_000_000,
    "many dictionaries that are remembered": lambda: b"}\x94" * 4_000_000,
    "many marks": lambda: b"(" * 8_000_000,
    "many objects": lambda: named("argparse.Namespace") + b"q\x000](" + b"h\x00)R" * 1_500_000 + b"e",
    "many small states": lambda: named("argparse.Namespace") + b"q\x000](" + b"h\x00)R}K\x01Nsb" * 800_000 + b"e",
    "one object in one another": lambda: (
        named("argparse.Namespace") + b")R" + (text("k") + b"0" + b"2") * 10 + b"0" * 10
    ),
    "parameters of parameters": lambda: named("torch._tensor._rebuild_from_type_v2") + b"2NN" * 1000 + b"N\x87R" * 1000,
    "an integer of a million bytes": lambda: (
        b"}" + text("a") + b"\x8b" + struct.pack("<i", 1 << 20) + b"\x7f" * (1 << 20) + b"s"
    ),
    "a long integer in decimals": lambda: b"}" + text("a") + b"L" + b"9" * 4_000_000 + b"L\ns",
    "a tensor that is larger than any": lambda: (
        b"}" + text("a") + tensor(b"\x8a\x1f" + b"\x7f" * 31 + b"K\x00\x86", b"K\x01K\x01\x86") + b"s"
    ),
}
"""What machines of pickle stumble over, under what it does."""
