"""Checkpoints: the names and shapes of tensors to the timm model they fill, without reading a number.

What shapes do not show is taken by convention and said so: the heads of a ViT, the activation, the padding, the
stride of a 3 x 3 stem.
"""

from __future__ import annotations

import math
import re

from virb.encode.architectures import DEEPEST, Architecture, Value
from virb.encode.checkpoints.naming import Family
from virb.encode.checkpoints.shapes import Shapes, depths_of, problems, shapes_of, usual
from virb.encode.checkpoints.tables import Sketch, blocks, named, sketches
from virb.encode.checkpoints.vits import Hints, infer_vit

TRIED = 6
"""How many neighbours in a table are compared: each is built without numbers, in some 0.1 s."""
WIDEST = 8
CLASSIFIER = {f"{name}.{kind}" for name in ("fc", "head", "head.fc", "classifier") for kind in ("weight", "bias")}
"""What may stand beside a model's own tensors without speaking for another model."""


def infer(family: Family, shapes: Shapes, hints: Hints) -> Architecture | None:
    """Return the architecture that tensors under timm's names belong to, or the nearest; None if there is none."""
    if family == "resnet":
        return _resnet(shapes)
    if family == "vit":
        return infer_vit(shapes, hints)
    return _from_table(family, shapes)


def _resnet(shapes: Shapes) -> Architecture | None:
    depths = depths_of(r"layer([1-4])\.(\d+)\.", shapes)
    kind = "bottleneck" if any(".conv3." in name for name in shapes) else "basic"
    name = named("resnets").get((kind, *depths))
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
    wider = _wider(shapes, kind)
    if wider > 1:
        options["widen"] = wider
    groups = usual(shape[0] // shape[1] for _, shape in middle) or 1
    width = usual(shape[0] // groups // wider // 2 ** (stage - 1) for stage, shape in middle) or 64
    if kind == "bottleneck" and (groups, width) != (1, 64):
        known = named("wide_resnets").get((name, groups, width)) if not options else None
        name = known or name
        if known is None:
            options |= {"cardinality": groups, "base_width": width}
    return Architecture(name, options | _stem(shapes))


def _wider(shapes: Shapes, kind: str) -> int:
    """Return by how much every layer is wider than usual, as in SwAV's and SimCLR's wide networks."""
    norm, usually = ("bn3", 256) if kind == "bottleneck" else ("bn2", 64)
    widths = [
        shape[0] // (usually * 2 ** (int(found[1]) - 1))
        for key, shape in shapes.items()
        if (found := re.fullmatch(rf"layer([1-4])\.\d+\.{norm}\.weight", key)) and shape
    ]
    return min(max(1, usual(widths) or 1), WIDEST)


def _nearest_resnet(kind: str, depths: tuple[int, ...]) -> str:
    rows = {tuple(other): name for (known, *other), name in named("resnets").items() if known == kind}
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
    table, (depths, width) = sketches()[family], _sketch(family, shapes)
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
    depths = depths_of(blocks(family), shapes)
    places = {name: int(found[1]) for name in shapes if (found := re.match(blocks(family), name))}
    last = max(places.values(), default=0)
    lengths = [shapes[name][0] for name, stage in places.items() if stage == last and shapes[name]]
    return depths, max(lengths, default=0)
