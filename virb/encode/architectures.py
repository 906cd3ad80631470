"""Architectures: timm's models by name, with the options that a checkpoint's shapes ask for.

`vit_small_patch16_224(patch_size=8)` is one text for cards, records and the command line.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from virb.core.errors import UsageError, did_you_mean
from virb.core.paths import physical_memory
from virb.core.text import cut

Value = int | float | bool | str | tuple[int, ...] | None
LARGEST = 1 << 14
LONGEST = 500
DEEPEST = 256
"""More blocks than any network has."""
LIMITS: dict[str, float] = {
    "depth": DEEPEST, "img_size": 2048, "patch_size": 256, "mlp_ratio": 64, "reg_tokens": 1024, "window_size": 256,
}  # fmt: skip
"""What an option may be where less than `LARGEST` is too much: what is built from it takes time or memory even without
numbers in it, or is asked of every picture."""
OPTIONS = frozenset(
    """
    img_size patch_size embed_dim depth num_heads mlp_ratio class_token reg_tokens no_embed_class init_values pre_norm
    qkv_bias qk_norm fc_norm final_norm global_pool layers cardinality base_width stem_width stem_type avg_down
    window_size stem bn_eps widen use_rel_pos_bias use_shared_rel_pos_bias use_fc_norm use_abs_pos_emb
    """.split()
)
"""What may stand in brackets: timm's own names, and `stem`, which is 'cifar' for a ResNet that starts with one
3 x 3 convolution of stride 1 and no pooling, and `widen`, by which every layer of a ResNet is wider (SwAV's RN50w2)."""


@dataclass(frozen=True)
class Architecture:
    """One of timm's models, and how it differs from timm's default."""

    name: str
    options: Mapping[str, Value] = field(default_factory=dict)

    def __str__(self) -> str:
        inner = ", ".join(f"{key}={value!r}" for key, value in self.options.items())
        return f"{self.name}({inner})" if inner else self.name

    @classmethod
    def parse(cls, text: str) -> Architecture:
        """Return the architecture of a text, or an error that says what is wrong with it."""
        if len(text) > LONGEST:
            raise _unreadable(text, f"it has {len(text):,} letters, and none needs more than {LONGEST}")
        found = re.fullmatch(r"([\w.-]+)(?:\((.*)\))?", text.strip())
        if found is None:
            raise _unreadable(text, "it is no name, and no name with options in brackets")
        architecture = cls(found[1], _options(text, found[2] or ""))
        _check_name(architecture.name)
        return architecture


def _options(text: str, inner: str) -> dict[str, Value]:
    try:
        call = ast.parse(f"f({inner})", mode="eval").body
        if not isinstance(call, ast.Call) or call.args:
            raise ValueError
        options = {str(part.arg): ast.literal_eval(part.value) for part in call.keywords}
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise _unreadable(text, "its options are not of the form name=value") from None
    for name, value in options.items():
        if name not in OPTIONS:
            raise _unreadable(text, f"there is no option '{name}'{did_you_mean(name, OPTIONS)}")
        if not _is_value(value):
            raise _unreadable(text, f"{name} cannot be {cut(repr(value))}")
        if _size(value) > LIMITS.get(name, LARGEST) or (name == "layers" and sum(_numbers(value)) > DEEPEST):
            most = f"{DEEPEST} in all" if name == "layers" else f"{LIMITS[name]:g}"
            raise _unreadable(text, f"{name} is {cut(repr(value))}, and the most is {most}")
    return options


def _is_value(value: Any) -> bool:
    if isinstance(value, tuple):
        return len(value) <= 8 and all(isinstance(part, int) and _is_value(part) for part in value)
    return (
        value is None or isinstance(value, (bool, str)) or (isinstance(value, (int, float)) and 0 <= value <= LARGEST)
    )


def _numbers(value: Value) -> tuple[float, ...]:
    parts = value if isinstance(value, tuple) else (value,)
    return tuple(part for part in parts if isinstance(part, (int, float)))


def _size(value: Value) -> float:
    return max(_numbers(value), default=0)


def _unreadable(text: str, why: str) -> UsageError:
    return UsageError(
        f"'{cut(text)}' is no architecture: {why}",
        "a name of timm's, such as resnet50 or vit_small_patch16_224(patch_size=8)",
        "'virb encoders inspect FILE' prints what a file asks for",
    )


def _check_name(name: str) -> None:
    import timm

    if not timm.is_model(name.split(".")[0]):
        known = timm.list_models()
        raise UsageError(
            f"timm has no architecture '{cut(name)}'{did_you_mean(name, known)}",
            f"one of timm's {len(known):,} names",
            "list them with: python -c \"import timm; print(timm.list_models('*resnet*'))\"",
        )


def create(text: str | Architecture, pretrained: bool = False) -> Any:
    """Return a timm model without classifier that takes other image sizes where its kind can."""
    import timm

    architecture = Architecture.parse(text) if isinstance(text, str) else text
    options = {name: value for name, value in architecture.options.items() if name not in ("stem", "widen")}
    widen = architecture.options.get("widen", 1)
    if widen != 1:
        options["channels"] = _widened(architecture)
    try:
        model: Any = _made(timm.create_model, architecture.name, pretrained, options)
    except Exception as error:  # of options that do not go together timm complains in any way
        if not architecture.options:
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise _unreadable(str(architecture), f"timm cannot build it ({cut(reason)})") from error
    if not hasattr(model, "forward_intermediates"):
        raise UsageError(
            f"timm's {architecture.name} offers no forward_intermediates",
            "an architecture that returns maps",
            "choose another one",
        )
    if widen != 1:
        _widen_stem(model)
    if architecture.options.get("stem") == "cifar":
        _replace_stem(model)
    return model


def _widened(architecture: Architecture) -> tuple[int, ...]:
    """Return the widths of a ResNet's stages, all times one number."""
    times, name = architecture.options["widen"], architecture.name
    if not isinstance(times, int) or not 1 < times <= 8 or not re.match(r"resne[x]?t\d", name):
        raise _unreadable(str(architecture), "widen is a whole number from 2 to 8, and for ResNets only")
    return tuple(times * width for width in (64, 128, 256, 512))


def _widen_stem(model: Any) -> None:
    """Make a ResNet's first convolution as much wider as its stages; timm leaves it at 64."""
    from torch import nn

    first = model.layer1[0]
    width = first.conv2.in_channels if hasattr(first, "conv3") else first.conv2.out_channels
    model.conv1, model.bn1 = _convolution(3, width, 7, 2), nn.BatchNorm2d(width)
    first.conv1 = _convolution(width, first.conv1.out_channels, first.conv1.kernel_size[0], 1)
    if hasattr(first, "conv3"):
        first.downsample[0] = _convolution(width, first.conv3.out_channels, 1, 1)
    else:
        first.downsample = None  # nothing to fit: the stem is as wide as the block
    model.feature_info[0]["num_chs"] = width


def _convolution(wide: int, out: int, kernel: int, stride: int) -> Any:
    from torch import nn

    made = nn.Conv2d(wide, out, kernel, stride, kernel // 2, bias=False)
    nn.init.kaiming_normal_(made.weight, mode="fan_out", nonlinearity="relu")  # as timm starts a ResNet
    return made


def _made(make: Any, name: str, pretrained: bool, options: dict[str, Value]) -> Any:
    try:
        return make(name, pretrained=pretrained, num_classes=0, dynamic_img_size=True, **options)
    except TypeError:
        return make(name, pretrained=pretrained, num_classes=0, **options)


def _replace_stem(model: Any) -> None:
    """Start a ResNet as for CIFAR's 32 pixels: nothing is thrown away before the first block."""
    from torch import nn

    width = model.conv1.out_channels
    model.conv1 = nn.Conv2d(3, width, 3, stride=1, padding=1, bias=False)
    model.maxpool = nn.Identity()
    for stage in model.feature_info:
        stage["reduction"] = max(1, stage["reduction"] // (2 if stage["module"] == "act1" else 4))


def check_fits(text: str) -> None:
    """Refuse a network whose numbers take more than this machine's memory; it is built without them to find out."""
    import torch

    memory = physical_memory()
    with torch.device("meta"):
        model = create(text)
    held = (*model.parameters(), *model.buffers())
    wanted = sum(tensor.numel() * tensor.element_size() for tensor in held)
    if memory is not None and wanted > memory:
        raise UsageError(
            f"{cut(text)} takes {wanted / 1e9:,.0f} GB, and this machine has {memory / 1e9:,.0f} GB of memory",
            "a network that fits into memory",
            "choose a smaller one, or a larger machine",
        )
