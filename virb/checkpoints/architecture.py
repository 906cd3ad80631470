"""Checkpoints: the names and shapes of tensors to the timm model they fill, without reading a number.

What shapes do not show is taken by convention and said so: the heads of a ViT (64 wide, but for the names below),
the activation, the padding, the stride of a 3 x 3 stem.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch

from virb.architectures import Architecture, Value, create
from virb.checkpoints.naming import Family
from virb.checkpoints.tables import BLOCKS, SKETCHES, Sketch

Shapes = Mapping[str, tuple[int, ...]]
TRIED = 6
"""How many neighbours in a table are compared: each is built without numbers, in some 0.1 s."""
DEEPEST = 256
CLASSIFIER = {f"{name}.{kind}" for name in ("fc", "head", "head.fc", "classifier") for kind in ("weight", "bias")}
"""What may stand beside a model's own tensors without speaking for another model."""

_RESNETS: dict[tuple[str, tuple[int, ...]], str] = {
    ("basic", (2, 2, 2, 2)): "resnet18", ("basic", (3, 4, 6, 3)): "resnet34",
    ("bottleneck", (2, 2, 2, 2)): "resnet26", ("bottleneck", (3, 4, 6, 3)): "resnet50",
    ("bottleneck", (3, 4, 23, 3)): "resnet101", ("bottleneck", (3, 8, 36, 3)): "resnet152",
}  # fmt: skip
_WIDE = {
    ("resnet50", 1, 128): "wide_resnet50_2", ("resnet101", 1, 128): "wide_resnet101_2",
    ("resnet50", 32, 4): "resnext50_32x4d", ("resnet101", 32, 4): "resnext101_32x4d",
    ("resnet101", 32, 8): "resnext101_32x8d", ("resnet101", 32, 16): "resnext101_32x16d",
    ("resnet101", 32, 32): "resnext101_32x32d", ("resnet101", 64, 4): "resnext101_64x4d",
}  # fmt: skip
_VITS = {
    (256, 10): "xsmall", (192, 12): "tiny", (384, 12): "small", (512, 12): "medium", (768, 12): "base",
    (1024, 24): "large", (1280, 32): "huge", (1408, 40): "giant", (1664, 48): "gigantic", (1536, 40): "giant",
}  # fmt: skip


@dataclass(frozen=True)
class Hints:
    """What the file around the tensors tells of a ViT that shapes do not."""

    clip: bool = False
    quickgelu: bool = False
    heads: int | None = None


@lru_cache(maxsize=64)
def shapes_of(text: str) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a model's backbone tensors; it is built without numbers."""
    with torch.device("meta"):
        model = create(text)
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def infer(family: Family, shapes: Shapes, hints: Hints) -> Architecture | None:
    """Return the architecture that tensors under timm's names belong to, or the nearest; None if there is none."""
    if family == "resnet":
        return _resnet(shapes)
    if family == "vit":
        return _vit(shapes, hints)
    return _from_table(family, shapes)


def problems(wanted: Shapes, found: Shapes) -> int:
    """Return how many tensors are missing or of another shape."""
    return sum(found.get(name) != shape for name, shape in wanted.items() if not name.endswith("num_batches_tracked"))


def _usual(values: Iterable[Any]) -> Any:
    """Return the most frequent value: one odd tensor does not make another architecture."""
    counted = Counter(values).most_common(1)
    return counted[0][0] if counted else None


def _depths(pattern: str, names: Iterable[str]) -> tuple[int, ...]:
    """Return how many blocks each stage has, by the numbers that occur."""
    blocks = {(int(found[1]), found[2]) for name in names if (found := re.match(pattern, name))}
    stages = sorted({stage for stage, _ in blocks})
    return tuple(sum(stage == other for other, _ in blocks) for stage in stages)


def _resnet(shapes: Shapes) -> Architecture | None:
    depths = _depths(r"layer([1-4])\.(\d+)\.", shapes)
    kind = "bottleneck" if any(".conv3." in name for name in shapes) else "basic"
    name = _RESNETS.get((kind, depths))
    options: dict[str, Value] = {}
    if name is None:
        if len(depths) != 4 or sum(depths) > DEEPEST:
            return None
        name = _nearest_resnet(kind, depths)
        options["layers"] = depths
    middle = [
        (int(found[1]), shape)
        for key, shape in shapes.items()
        if (found := re.fullmatch(r"layer([1-4])\.\d+\.conv2\.weight", key)) and len(shape) == 4 and shape[1]
    ]
    groups = _usual(shape[0] // shape[1] for _, shape in middle) or 1
    width = _usual(shape[0] // groups // 2 ** (stage - 1) for stage, shape in middle) or 64
    if kind == "bottleneck" and (groups, width) != (1, 64):
        known = _WIDE.get((name, groups, width)) if "layers" not in options else None
        name = known or name
        if known is None:
            options |= {"cardinality": groups, "base_width": width}
    return Architecture(name, options | _stem(shapes))


def _nearest_resnet(kind: str, depths: tuple[int, ...]) -> str:
    rows = {other: name for (known, other), name in _RESNETS.items() if known == kind}
    return rows[min(rows, key=lambda other: sum(abs(a - b) for a, b in zip(other, depths, strict=True)))]


def _stem(shapes: Shapes) -> dict[str, Value]:
    options: dict[str, Value] = {}
    if shapes.get("conv1.weight", ())[2:] == (3, 3):
        options["stem"] = "cifar"
    elif any(re.match(r"conv1\.\d\.", name) for name in shapes):
        first, second = (shapes.get(f"conv1.{place}.weight", (0,))[0] for place in (0, 3))
        options |= {"stem_type": "deep_tiered" if second > first > 0 else "deep", "stem_width": second or first or 32}
    if any(re.match(r"layer\d\.0\.downsample\.1\.weight", name) and len(shapes[name]) == 4 for name in shapes):
        options["avg_down"] = True
    return options


def _from_table(family: Family, shapes: Shapes) -> Architecture | None:
    table, (depths, width) = SKETCHES[family], _sketch(family, shapes)
    if not depths or not width:
        return None

    def distance(name: str) -> float:
        other, wide = table[name]
        if len(other) != len(depths):
            return math.inf
        return sum(abs(a - b) for a, b in zip(other, depths, strict=True)) + abs(math.log(wide / width))

    least, best = math.inf, None
    for name in sorted(table, key=distance)[:TRIED]:
        wanted = shapes_of(name)
        faults, beside = problems(wanted, shapes), len(shapes.keys() - wanted.keys() - CLASSIFIER)
        if faults + beside < least:
            least, best = faults + beside, Architecture(name)
        if not least:
            break
    return best


def _sketch(family: Family, shapes: Shapes) -> Sketch:
    """Return what the tables tell models apart by."""
    depths = _depths(BLOCKS[family], shapes)
    places = {name: int(found[1]) for name in shapes if (found := re.match(BLOCKS[family], name))}
    last = max(places.values(), default=0)
    lengths = [shapes[name][0] for name, stage in places.items() if stage == last and shapes[name]]
    return depths, max(lengths, default=0)


def _vit(shapes: Shapes, hints: Hints) -> Architecture | None:
    wanted = _features(shapes)
    if wanted is None:
        return None
    hints = Hints(hints.clip or bool(wanted["pre_norm"]), hints.quickgelu, hints.heads)
    name = next(name for name in _names(wanted, hints) if _exists(name))
    own = _features(shapes_of(name)) or {}
    options = {key: value for key, value in wanted.items() if own.get(key) != value}
    if own["embed_dim"] != wanted["embed_dim"]:  # no name of timm's: heads 64 wide, as nearly all have
        options["num_heads"] = max(1, int(str(wanted["embed_dim"])) // 64)
    if hints.heads:
        options["num_heads"] = hints.heads
    return Architecture(name, options)


def _names(wanted: Mapping[str, Value], hints: Hints) -> Iterable[str]:
    """Yield timm's names from the most to the least fitting; the last always exists."""
    size = _VITS.get((int(str(wanted["embed_dim"])), int(str(wanted["depth"]))), "tiny")
    patch = wanted["patch_size"]
    if hints.clip:
        kinds = ["clip_quickgelu", "clip"] if hints.quickgelu else ["clip"]
        for kind in kinds:
            yield from (f"vit_{size}_patch{other}_{kind}_224" for other in (patch, 14, 32, 16))
            yield f"vit_base_patch16_{kind}_224"
    if wanted["init_values"] is not None and patch == 14:
        registers = f"reg{wanted['reg_tokens']}_" if wanted["reg_tokens"] else ""
        yield f"vit_{size}_patch14_{registers}dinov2"
    if not wanted["class_token"]:
        yield f"vit_{size}_patch{patch}_gap_224"
    yield from (f"vit_{size}_patch{other}_224" for other in (patch, 16, 14))
    yield "vit_tiny_patch16_224"


def _exists(name: str) -> bool:
    import timm

    return bool(timm.is_model(name))


def _features(shapes: Shapes) -> dict[str, Value] | None:
    """Return what the shapes of a ViT say, as timm's options."""
    widths = _per_block(shapes, "norm1.weight", lambda shape: shape[0])
    depth = len({found[1] for name in shapes if (found := re.match(r"blocks\.(\d+)\.", name))})
    if not widths or not 0 < depth <= DEEPEST:
        return None
    width = _usual(widths)
    inner = _usual(_per_block(shapes, "mlp.fc1.weight", lambda shape: shape[0])) or 4 * width
    patch = (shapes.get("patch_embed.proj.weight") or (16,))[-1] or 16
    registers = shapes.get("reg_token", (1, 0, 0))[1:2]
    token, apart, grid = _positions(shapes, registers[0] if registers else 0)
    averaged = any(name.startswith("fc_norm.") for name in shapes)
    return {
        "embed_dim": width,
        "depth": depth,
        "mlp_ratio": _ratio(inner, width),
        "patch_size": patch,
        "img_size": grid * patch if grid else 224 // patch * patch,
        "class_token": token,
        "reg_tokens": registers[0] if registers else 0,
        "no_embed_class": apart,
        "init_values": 1e-5 if any(re.match(r"blocks\.\d+\.ls[12]\.", name) for name in shapes) else None,
        "pre_norm": any(name.startswith("norm_pre.") for name in shapes),
        "qkv_bias": any(name.endswith(".attn.qkv.bias") for name in shapes),
        "qk_norm": any(".attn.q_norm." in name for name in shapes),
        "fc_norm": averaged if averaged or not token else None,
        "global_pool": "token" if token and not averaged else "avg",
    }


def _ratio(inner: int, width: int) -> float:
    """Return the factor that timm turns back into this width of the inner layer."""
    ratio = inner / width
    return round(ratio, 4) if int(width * round(ratio, 4)) == inner else ratio + 1e-9


def _per_block(shapes: Shapes, ending: str, take: Callable[[tuple[int, ...]], int]) -> list[int]:
    return [take(shape) for name, shape in shapes.items() if re.fullmatch(rf"blocks\.\d+\.{ending}", name) and shape]


def _positions(shapes: Shapes, registers: int) -> tuple[bool, bool, int]:
    """Return whether there is a class token, whether it has no position of its own, and the length of the grid.

    The number of positions tells it too: a file that lost its class token is not taken for one without.
    """
    token = "cls_token" in shapes
    positions = shapes.get("pos_embed", ())
    count = positions[1] if len(positions) == 3 else 0
    for others, has, apart in (
        (int(token), token, False),
        (0, token, True),
        (registers + 1, True, False),
        (1, True, False),
    ):
        grid = math.isqrt(max(0, count - others))
        if count > others and grid * grid == count - others:
            return has, apart and (has or registers > 0), grid
    return token, False, 0
