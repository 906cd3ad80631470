"""Checkpoints: the shapes of a vision transformer's tensors to timm's model and options.

What shapes do not show is taken by convention: heads are 64 wide, but for the names below.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from virb.encode.architectures import DEEPEST, Architecture, Value
from virb.encode.checkpoints.shapes import Shapes, shapes_of, usual
from virb.encode.checkpoints.tables import named

WIDEST_GRID = 64
"""A BEiT takes pictures of its one size only, and all pairs of patches at once."""


@dataclass(frozen=True)
class Hints:
    """What the file around the tensors tells of a ViT that shapes do not."""

    clip: bool = False
    quickgelu: bool = False
    heads: int | None = None


def infer_vit(shapes: Shapes, hints: Hints) -> Architecture | None:
    """Return the vision transformer that tensors under timm's names belong to, or the nearest; None without blocks."""
    if _is_beit(shapes):
        return _beit(shapes)
    wanted = _features(shapes)
    if wanted is None:
        return None
    if _lost_registers(wanted):
        wanted["reg_tokens"] = 4
    hints = Hints(hints.clip or bool(wanted["pre_norm"]), hints.quickgelu, hints.heads)
    name = next(name for name in _names(wanted, hints) if _exists(name))
    own = _features(shapes_of(name)) or {}
    options = {key: value for key, value in wanted.items() if own.get(key) != value and key != "distilled"}
    if own["embed_dim"] != wanted["embed_dim"]:  # no name of timm's: heads 64 wide, as nearly all have
        options["num_heads"] = max(1, int(str(wanted["embed_dim"])) // 64)
    if hints.heads:
        options["num_heads"] = hints.heads
    return Architecture(name, options)


def _names(wanted: Mapping[str, Value], hints: Hints) -> Iterable[str]:
    """Yield timm's names from the most to the least fitting; the last always exists."""
    size = named("vits").get((wanted["embed_dim"], wanted["depth"]), "tiny")
    patch = wanted["patch_size"]
    if wanted["distilled"]:
        yield from (f"deit_{known}_distilled_patch16_224" for known in (size, "tiny"))
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
    width = usual(widths)
    inner = usual(_per_block(shapes, "mlp.fc1.weight", lambda shape: shape[0])) or 4 * width
    patch = (shapes.get("patch_embed.proj.weight") or (16,))[-1] or 16
    registers = shapes.get("reg_token", (1, 0, 0))[1:2]
    token, apart, distilled, grid = _positions(shapes, registers[0] if registers else 0)
    averaged = any(name.startswith("fc_norm.") for name in shapes)
    return {
        "embed_dim": width,
        "depth": depth,
        "mlp_ratio": _ratio(inner, width),
        "patch_size": patch,
        "img_size": grid * patch if grid else 224 // patch * patch,
        "class_token": token,
        "distilled": distilled,
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


def _positions(shapes: Shapes, registers: int) -> tuple[bool, bool, bool, int]:
    """Return whether there is a class token, whether it has no position of its own, a token to distil to, and the grid.

    The number of positions tells it too: a file that lost its class token is not taken for one without.
    """
    token, distilled = "cls_token" in shapes, "dist_token" in shapes
    if registers and not token and not any(name.startswith("fc_norm.") for name in shapes):
        token = True  # it was lost: only averages over patches do without, and they have a norm of their own
    positions = shapes.get("pos_embed", ())
    count = positions[1] if len(positions) == 3 else 0
    for others, has, apart, two in (
        (token + distilled, token, False, distilled),
        (0, token, True, distilled),
        (registers + 1, True, False, distilled),
        (1, True, False, False),
        (2, True, False, True),
    ):
        grid = math.isqrt(max(0, count - others))
        apart = apart or (registers > 0 and not others)
        if count > others and grid * grid == count - others:
            return has, apart and (has or registers > 0), two, grid
    return token, False, distilled, 0


def _lost_registers(wanted: Mapping[str, Value]) -> bool:
    """Tell whether a class token without position speaks for registers that are not there.

    Of the networks with patches of 14 pixels and layer scale, only DINOv2 with registers and DeiT-III's largest,
    1280 wide, have such a token.
    """
    speaks = wanted["patch_size"] == 14 and wanted["init_values"] is not None and wanted["no_embed_class"]
    return bool(speaks and wanted["class_token"] and not wanted["reg_tokens"] and wanted["embed_dim"] != 1280)


def _is_beit(shapes: Shapes) -> bool:
    """Tell whether blocks are BEiT's: queries and values with a bias, keys without, and two gammas."""
    ends = {name.partition(".")[2].partition(".")[2] for name in shapes if name.startswith("blocks.")}
    return bool({"attn.q_bias", "attn.v_bias"} & ends and {"gamma_1", "gamma_2"} & ends)


def _beit(shapes: Shapes) -> Architecture | None:
    """Return BEiT, its grid and heads read off its table of relative positions."""
    found = _features(shapes)
    tables = [shape for name, shape in shapes.items() if name.endswith("relative_position_bias_table")]
    if found is None or any(len(table) != 2 for table in tables):
        return None
    shared = any(name.startswith("rel_pos_bias.") for name in shapes)
    table, wide = usual(tables) or (0, 0), int(str(found["embed_dim"]))
    many = table[1] if table[1] and wide % table[1] == 0 else max(1, wide // 64)
    grid = (math.isqrt(max(0, table[0] - 3)) + 1) // 2  # three more for pairs with the class token
    if grid > WIDEST_GRID:
        return None
    size = named("vits").get((wide, found["depth"]), "base")
    name = next(name for name in (f"beit_{size}_patch16_224", "beit_base_patch16_224") if _exists(name))
    width, depth, heads = {"base": (768, 12, 12), "large": (1024, 24, 16)}["large" if "large" in name else "base"]
    patch = int(str(found["patch_size"]))
    wanted: dict[str, tuple[Value, Value]] = {
        "embed_dim": (wide, width),
        "depth": (found["depth"], depth),
        "num_heads": (many, heads),
        "mlp_ratio": (found["mlp_ratio"], 4.0),
        "patch_size": (patch, 16),
        "img_size": (grid * patch or found["img_size"], 224),
        "use_rel_pos_bias": (bool(tables) and not shared, True),
        "use_shared_rel_pos_bias": (shared, False),
        "use_abs_pos_emb": ("pos_embed" in shapes, False),
        "use_fc_norm": (not any(name.startswith("norm.") for name in shapes), True),
    }
    return Architecture(name, {key: value for key, (value, own) in wanted.items() if value != own})
