"""Checkpoints: what a file's shapes do not show and was taken by convention, and what was changed on the way.

Every such thing stands in `encoders inspect` and in the record: a number is never changed without a trace.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from virb.encode.checkpoints.beside import MODEL, activation
from virb.encode.checkpoints.understand import Matching, Understanding


def conventions(understood: Understanding) -> tuple[str, ...]:
    """Return what was taken as the architecture has it, and what became of numbers that are not taken as they lie."""
    family = understood.matching.candidate.naming.family
    return (
        *_stem(understood),
        *(_transformer(understood) if family == "vit" else ()),
        *_windows(understood),
        *_counts(understood),
        *_activation(understood),
    )


def _stem(understood: Understanding) -> Iterator[str]:
    options = understood.matching.architecture.options
    if options.get("stem") == "cifar":
        yield "the 3 x 3 stem is taken with stride 1 and without pooling, as for small pictures"
    if "stem_type" in options:
        yield "the stem of three convolutions is taken with stride 2 in the first, and pooling behind it"
    if options.get("avg_down"):
        yield "shortcuts are averaged before their convolution, as in ResNet-D"


def _transformer(understood: Understanding) -> Iterator[str]:
    one = understood.matching
    architecture = one.architecture
    if "num_heads" in architecture.options:
        yield f"{architecture.options['num_heads']} attention heads, by convention"
    if "pos_embed" in one.wanted:
        yield _grid(understood)
    if _like_dinov2(one):
        yield "no register tokens in the file: taken for a network that was trained without them"
    if one.candidate.naming.title == "Hugging Face ViT" and "blocks.0.ls1.gamma" not in one.wanted:
        yield "LayerNorm with epsilon 1e-06, as the authors have it; transformers has 1e-12"
    raw = understood.contents.tensors.get(f"{one.candidate.prefix}{one.origin.get('pos_embed', '')}")
    if "pos_embed" in one.found and raw is not None and raw.size != one.found["pos_embed"].size:
        yield "the class token's position was added to the class token, as timm has it beside registers"


def _like_dinov2(one: Matching) -> bool:
    """Tell whether a network has DINOv2's patches and layer scale, and no registers, which may have been lost."""
    patches = one.wanted.get("patch_embed.proj.weight", ())[2:] == (14, 14)
    return patches and "blocks.0.ls1.gamma" in one.wanted and "reg_token" not in one.wanted


def _grid(understood: Understanding) -> str:
    one = understood.matching
    size, patch = one.architecture.options.get("img_size"), one.wanted["patch_embed.proj.weight"][-1]
    side = math.isqrt(one.wanted["pos_embed"][1])  # at most a few positions more than the grid, for other tokens
    height, width = (size[0] // patch, size[1] // patch) if isinstance(size, tuple) else (side, side)
    return f"positions of a grid {height} x {width}, resampled where the view has another"


def _windows(understood: Understanding) -> Iterator[str]:
    naming = understood.matching.candidate.naming
    if naming.title.startswith("torchvision Swin"):
        yield "where windows do not divide the view, it is padded as timm does; torchvision's own differs there"
    if naming.family == "swinv2":
        yield "the biases of keys, which SwinV2 does not use, are left out"


def _counts(understood: Understanding) -> Iterator[str]:
    one = understood.matching
    if any(name.endswith("num_batches_tracked") and name not in one.found for name in one.wanted):
        yield "BatchNorm's counts of batches are not in the file: no number depends on them"


def _activation(understood: Understanding) -> Iterator[str]:
    architecture, naming = understood.matching.architecture, understood.matching.candidate.naming
    if "bn_eps" in architecture.options:
        yield f"BatchNorm with epsilon {architecture.options['bn_eps']}, as torchvision has it"
    elif architecture.name.startswith("efficientnet_") and not naming.title.startswith("torchvision"):
        yield f"symmetric padding; weights that came from TensorFlow need --arch tf_{architecture.name}"
    if "_clip_" in architecture.name and architecture.name.startswith("vit"):
        kind, usual = (
            ("QuickGELU", "OpenAI trained") if "quickgelu" in architecture.name else ("GELU", "OpenCLIP has it")
        )
        told = "Hugging Face" in naming.title and activation(understood.path)
        yield f"{kind}, as {MODEL} beside the file says" if told else f"{kind}, as {usual} where not told otherwise"
