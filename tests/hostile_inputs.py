"""Hostile inputs by number: checkpoints of every container and cards, harmed, made up, or sound but for their facts."""

from __future__ import annotations

import io
import json
import random
import struct
import tarfile
from collections.abc import Callable
from functools import cache
from typing import Any

import hostile
import numpy as np
import timm
import torch
import yaml
from safetensors.torch import save

from virb.core.paths import card_folder

Made = tuple[str, bytes]
DIMENSIONS = (0, 0, 1, 1, 2, 3, 4, 7, 16, 64, 192, 768, 1000, 1 << 14, 1 << 20, 1 << 31, (1 << 62) - 1)
WORDS = (
    "0x10", "1:30", "010", "1e400", "-.inf", ".nan", "!!int ''", "!!python/object:os.system x", "*a", "&a [*a]", "~",
    "'\\0'", '"\\0"', '"\\ud800"', "random:resnet50(layers=(9999,9999,9999,9999))",
    "random:vit_tiny_patch16_224(depth=9999)",
    "random:vit_tiny_patch16_224(embed_dim=16384, depth=256)", "random:resnet18@²", "random:", "timm:a",
    "torchvision:b",
    "https://[::1", "http://a", "plugin:x", "a.py:B", "1000000", "99999999999999999999", "[" * 20, "{a: {b: {c: 1}}}",
    "[1, 2, 3]", "true", "no", "''", "/" + "a" * 300, "~nobody/x", "../../../etc/passwd", "random:resnet18(widen=0)",
    "random:swin_tiny_patch4_window7_224(window_size=200)", "random:resnet50(cardinality=16384,base_width=16384)",
)  # fmt: skip


@cache
def sound() -> dict[str, bytes]:
    """Return small sound files of every container."""
    torch.manual_seed(2)
    options = {"embed_dim": 64, "depth": 2, "num_heads": 1, "img_size": 32, "num_classes": 0}
    state = dict(timm.create_model("vit_tiny_patch16_224", **options).state_dict())
    made = {"safetensors": save(state)}
    for kind, zipped in (("zip", True), ("legacy", False)):
        stream = io.BytesIO()
        torch.save({"state_dict": state, "epoch": 3}, stream, _use_new_zipfile_serialization=zipped)
        made[kind] = stream.getvalue()
    stream = io.BytesIO()
    np.savez(stream, **{name: value.numpy() for name, value in list(state.items())[:5]})
    made["npz"] = stream.getvalue()
    stream = io.BytesIO()
    np.save(stream, np.zeros(5))
    made["npy"] = stream.getvalue()
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in (("pickle", hostile.START + b"}."), ("storages", b"\0" * 40), ("tensors", b"\0" * 40)):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    made["tar"] = stream.getvalue()
    return made


def harmed(content: bytes, draw: random.Random) -> bytes:
    """Return a file with bits turned, or a piece lost, doubled or written anew; head and tail are hit most."""
    made = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 8))):
        size = max(1, len(made))
        place = draw.choice(
            (draw.randrange(size), draw.randrange(min(4000, size)), size - 1 - draw.randrange(min(300, size)))
        )
        length = draw.choice((1, 4, 40, 4000))
        kind = draw.randrange(5)
        if kind == 0 and made:
            made[place] ^= 1 << draw.randrange(8)
        elif kind == 1:
            del made[place : place + length]
        elif kind == 2:
            made[place:place] = made[place : place + length]
        elif kind == 3:
            made[place : place + 4] = draw.choice((b"\xff" * 4, b"\0" * 4, b"\xff\xff\xff\x7f", draw.randbytes(4)))
        elif draw.random() < 0.3:
            del made[place:]
    return bytes(made)


def any_container(draw: random.Random) -> Made:
    kind = draw.choice(sorted(sound()))
    return draw.choice((".pt", ".safetensors", ".npz", ".tar")), harmed(sound()[kind], draw)


def two_in_one(draw: random.Random) -> Made:
    one, other = (sound()[draw.choice(sorted(sound()))] for _ in range(2))
    place = draw.choice((len(one), draw.randrange(len(one))))
    return ".pt", one[:place] + draw.randbytes(draw.choice((0, 0, 4, 100))) + other + one[place:]


def pickle(draw: random.Random) -> bytes:
    """Return operations that mostly go together, with leaps of growth among them."""
    pieces: list[Callable[[], bytes]] = [
        lambda: b"N", lambda: b"K\x05", lambda: b"}", lambda: b"]", lambda: b")", lambda: b"\x8f", lambda: b"(",
        lambda: b"2", lambda: b"0", lambda: b"u", lambda: b"s", lambda: b"e", lambda: b"a", lambda: b"t", lambda: b"R",
        lambda: b"b", lambda: b"\x86", lambda: b"\x85", lambda: b"\x93", lambda: b"Q", lambda: b"\x81", lambda: b"\x90",
        lambda: b"q" + bytes([draw.randrange(8)]), lambda: b"h" + bytes([draw.randrange(8)]), lambda: b"\x94",
        lambda: hostile.text(draw.choice("ab") * draw.choice((1, 30, 5000))),
        lambda: hostile.named(draw.choice(("collections.OrderedDict", "argparse.Namespace", "torch.FloatStorage",
            "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_parameter", "os.system", "numpy.dtype",
            "torch._tensor._rebuild_from_type_v2", "builtins.bytearray", "_codecs.encode"))),
        lambda: hostile.tensor(), lambda: hostile.STORAGE, lambda: hostile.nested(draw.choice((3, 30, 200))),
        lambda: hostile.names(draw.choice((1, 50, 3000)), draw.choice((0, 20))),
        lambda: b"h\x00b" * draw.choice((1, 1000, 100_000)),
        lambda: (hostile.ORDERED + b"h\x00\x85R") * draw.choice((1, 100, 3000)),
        lambda: b"2\x86" * draw.choice((1, 50, 1000)),
        lambda: b"\x8b" + struct.pack("<i", draw.choice((1, 40, 4000, -1, 2**31 - 1))) + draw.randbytes(40),
        lambda: b"I" + b"9" * draw.choice((1, 100, 5000)) + b"\n", lambda: b"X\xff\xff\xff\x7f",
        lambda: draw.randbytes(3),
    ]  # fmt: skip
    inside = b"".join(draw.choice(pieces)() for _ in range(draw.choice((3, 12, 60))))
    first = hostile.names(draw.choice((2, 2000))) + b"q\x000" + hostile.tensor() + b"q\x010"
    return first + draw.choice((b"", b"}", b"](", hostile.ORDERED + b")R")) + inside


def made_up_zip(draw: random.Random) -> Made:
    return ".pt", hostile.zipped(pickle(draw))


def made_up_legacy(draw: random.Random) -> Made:
    return ".pth.tar", hostile.legacy(pickle(draw))


TEMPLATES = (
    "layer{a}.{n}.conv{a}.weight", "layer{a}.{n}.bn{a}.running_var", "conv1.weight", "blocks.{n}.attn.qkv.weight",
    "blocks.{n}.norm1.weight", "blocks.{n}.mlp.fc1.weight", "pos_embed", "cls_token", "patch_embed.proj.weight",
    "reg_token",
    "stages.{a}.blocks.{n}.conv_dw.weight", "blocks.{a}.{n}.conv_dw.weight", "s{a}.b{n}.conv1.conv.weight",
    "layers.{a}.blocks.{n}.attn.qkv.weight", "features.{a}.{n}.block.0.weight", "pos_embed",
    "encoder.layer.{n}.attention.attention.query.weight",
    "blocks.{n}.attn.q_bias", "blocks.{n}.gamma_1", "blocks.{n}.attn.relative_position_bias_table",
    "optimizer.state.{n}.exp_avg",
    "encoder.layers.encoder_layer_{n}.ln_1.weight", "visual.transformer.resblocks.{n}.attn.in_proj_weight",
    "x" * 300 + "{n}",
)  # fmt: skip


def odd_facts(draw: random.Random) -> Made:
    """Return a sound file whose names and shapes are nobody's; most of its tensors are empty."""
    chosen = draw.sample(TEMPLATES, draw.choice((1, 3, 8)))
    prefix = draw.choice(("", "module.", "teacher.backbone.", "a." * 50))
    shape = [draw.choice(DIMENSIONS) for _ in range(draw.choice((0, 1, 2, 4, 40)))]
    header, place = {}, 0
    for number in range(draw.choice((3, 60, 60, 900, 6000))):
        name = prefix + draw.choice(chosen).format(a=number % 4 + 1, n=number // draw.choice((1, 4, 8)))
        own = shape if draw.random() < 0.7 else [draw.choice((1, 2, 3, 8, 64)) for _ in range(draw.choice((1, 2, 4)))]
        numbers = 1
        for length in own:
            numbers *= length
        if numbers > 4096:
            own, numbers = [*own[:1], 0], 0
        header[name] = {"dtype": "F32", "shape": own, "data_offsets": [place, place + 4 * numbers]}
        place += 4 * numbers
        if place > 4 << 20:
            break
    return ".safetensors", hostile.safetensors(header, place)


def index(draw: random.Random) -> Made:
    names = {
        f"layer1.{n}.conv1.weight": draw.choice(("a.safetensors", "..", "a\0", "a" * 300, "/etc/passwd", ""))
        for n in range(9)
    }
    content = draw.choice(
        ({"weight_map": names}, {"weight_map": 3}, [], {"weight_map": {"a": ["b"]}}, {"weight_map": {}})
    )
    return ".json", draw.choice((b"", b" ", b"[" * 5000)) + json.dumps(content).encode()


@cache
def cards() -> list[tuple[str, dict[str, Any]]]:
    kinds = ("encoders", "tasks", "protocols", "datasets")
    return [
        (kind, yaml.safe_load(path.read_text(encoding="utf-8")))
        for kind in kinds
        for path in sorted(card_folder(kind).glob("*.yaml"))
    ]


def card(draw: random.Random) -> Made:
    """Return a card with some lines whose values are hostile; an encoder's is as likely as all others together."""
    some = [one for one in cards() if (one[0] == "encoders") == (draw.random() < 0.5)] or cards()
    kind, content = draw.choice(some)
    lines = [f"{key}: {json.dumps(value)}" for key, value in content.items() if key != "name"]
    for _ in range(draw.choice((1, 1, 2, 4))):
        place = draw.randrange(len(lines))
        key = draw.choice(
            (lines[place].partition(":")[0], "weights", "size", "mean", "facts", "arch", "k" * 5000, '"a\\0"')
        )
        lines[place] = f"{key}: {draw.choice(WORDS) * draw.choice((1, 1, 1, 50))}"
    text = "\n".join(["name: mine", *lines]) + "\n"
    made = text.encode("utf-8", "surrogatepass")
    return f".{kind}.yaml", harmed(made, draw) if draw.random() < 0.2 else made


MAKERS = (
    any_container,
    made_up_zip,
    card,
    odd_facts,
    two_in_one,
    made_up_legacy,
    any_container,
    card,
    odd_facts,
    index,
)


def hostile_input(number: int) -> Made:
    """Return how the file of a number is called at its end, and its bytes."""
    return MAKERS[number % len(MAKERS)](random.Random(number))
