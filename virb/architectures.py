"""Architectures: timm's models by name, with the options that a checkpoint's shapes ask for.

`vit_small_patch16_224(patch_size=8)` is one text for cards, records and the command line.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from virb.errors import UsageError, did_you_mean

Value = int | float | bool | str | tuple[int, ...] | None
LARGEST = 1 << 14
OPTIONS = frozenset(
    """
    img_size patch_size embed_dim depth num_heads mlp_ratio class_token reg_tokens no_embed_class init_values pre_norm
    qkv_bias qk_norm fc_norm final_norm global_pool layers cardinality base_width stem_width stem_type avg_down
    window_size stem
    """.split()
)
"""What may stand in brackets: timm's own names, and `stem`, which is 'cifar' for a ResNet that starts with one
3 x 3 convolution of stride 1 and no pooling."""


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
            raise _unreadable(text, f"{name} cannot be {value!r}"[:120])
    return options


def _is_value(value: Any) -> bool:
    if isinstance(value, tuple):
        return len(value) <= 8 and all(isinstance(part, int) and _is_value(part) for part in value)
    return (
        value is None or isinstance(value, (bool, str)) or (isinstance(value, (int, float)) and 0 <= value <= LARGEST)
    )


def _unreadable(text: str, why: str) -> UsageError:
    return UsageError(
        f"'{text}' is no architecture: {why}",
        "a name of timm's, such as resnet50 or vit_small_patch16_224(patch_size=8)",
        "'virb encoders inspect FILE' prints what a file asks for",
    )


def _check_name(name: str) -> None:
    import timm

    if not timm.is_model(name.split(".")[0]):
        known = timm.list_models()
        raise UsageError(
            f"timm has no architecture '{name}'{did_you_mean(name, known)}",
            f"one of timm's {len(known):,} names",
            "list them with: python -c \"import timm; print(timm.list_models('*resnet*'))\"",
        )


def create(text: str | Architecture, pretrained: bool = False) -> Any:
    """Return a timm model without classifier that takes other image sizes where its kind can."""
    import timm

    architecture = Architecture.parse(text) if isinstance(text, str) else text
    options = {name: value for name, value in architecture.options.items() if name != "stem"}
    try:
        model: Any = _made(timm.create_model, architecture.name, pretrained, options)
    except (TypeError, ValueError, AssertionError, RuntimeError, ZeroDivisionError) as error:
        if not architecture.options:
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise _unreadable(str(architecture), f"timm cannot build it ({reason})"[:200]) from error
    if not hasattr(model, "forward_intermediates"):
        raise UsageError(
            f"timm's {architecture.name} offers no forward_intermediates",
            "an architecture that returns maps",
            "choose another one",
        )
    if architecture.options.get("stem") == "cifar":
        _replace_stem(model)
    return model


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
