"""Checkpoints: torchvision's own names for ViT, ConvNeXt, Swin, EfficientNet and RegNet, whose models timm has too."""

from __future__ import annotations

from virb.encode.checkpoints.naming import BN, Naming, Renamer, Rules

_VIT_BLOCK = r"encoder\.layers\.encoder_layer_(\d+)\."
_VIT = (
    (r"class_token", "cls_token"),
    (r"encoder\.pos_embedding", "pos_embed"),
    (r"conv_proj\.(weight|bias)", r"patch_embed.proj.\1"),
    (r"encoder\.ln\.(weight|bias)", r"norm.\1"),
    (_VIT_BLOCK + r"ln_([12])\.(weight|bias)", r"blocks.\1.norm\2.\3"),
    (_VIT_BLOCK + r"self_attention\.in_proj_(weight|bias)", r"blocks.\1.attn.qkv.\2"),
    (_VIT_BLOCK + r"self_attention\.out_proj\.(weight|bias)", r"blocks.\1.attn.proj.\2"),
    (_VIT_BLOCK + r"mlp\.(?:0|linear_1)\.(weight|bias)", r"blocks.\1.mlp.fc1.\2"),
    (_VIT_BLOCK + r"mlp\.(?:3|linear_2)\.(weight|bias)", r"blocks.\1.mlp.fc2.\2"),
)


def _convnext() -> Rules:
    """Return the rules for ConvNeXt, whose odd features are stages and whose even ones lie between."""
    rules = [(r"features\.0\.([01]\..+)", r"stem.\1"), (r"classifier\.0\.(weight|bias)", r"head.norm.\1")]
    for stage in range(4):
        place, start = rf"features\.{2 * stage + 1}\.(\d+)\.", rf"stages.{stage}.blocks.\1."
        for number, name in ((0, "conv_dw"), (2, "norm"), (3, "mlp.fc1"), (5, "mlp.fc2")):
            rules.append((place + rf"block\.{number}\.(weight|bias)", start + rf"{name}.\2"))
        rules.append((place + "layer_scale", start + "gamma"))
        if stage:
            rules.append((rf"features\.{2 * stage}\.([01]\..+)", rf"stages.{stage}.downsample.\1"))
    return tuple(rules)


def _swin() -> Rules:
    """Return the rules for Swin, first and second version: odd features are stages, the patch merging lies between."""
    rules = [
        (r"features\.0\.0\.(weight|bias)", r"patch_embed.proj.\1"),
        (r"features\.0\.2\.(weight|bias)", r"patch_embed.norm.\1"),
        (r"head\.(weight|bias)", r"head.fc.\1"),
    ]
    for stage in range(4):
        place, start = rf"features\.{2 * stage + 1}\.(\d+)\.", rf"layers.{stage}.blocks.\1."
        rules.append((place + r"mlp\.0\.(weight|bias)", start + r"mlp.fc1.\2"))
        rules.append((place + r"mlp\.3\.(weight|bias)", start + r"mlp.fc2.\2"))
        rules.append((place + r"((?:norm[12]|attn)\..+)", start + r"\2"))
        if stage:
            merging = rf"features\.{2 * stage}\.((?:reduction|norm)\..+)"
            rules.append((merging, rf"layers.{stage}.downsample.\1"))
    return tuple(rules)


def _blocks(features: str, *layers: tuple[int, str, str]) -> list[tuple[str, str]]:
    """Return the rules for one kind of EfficientNet's blocks: where in a block its layers stand, in timm's names."""
    rules = []
    for number, convolution, norm in layers:
        place, start = rf"features\.({features})\.(\d+)\.block\.{number}\.", r"blocks.\1.\2."
        if convolution == "se":
            rules.append((place + r"fc1\.(weight|bias)", start + r"se.conv_reduce.\3"))
            rules.append((place + r"fc2\.(weight|bias)", start + r"se.conv_expand.\3"))
        else:
            rules.append((place + r"0\.weight", start + f"{convolution}.weight"))
            rules.append((place + rf"1\.({BN})", start + rf"{norm}.\3"))
    return rules


def _efficientnet(fused: bool) -> Rules:
    """Return the rules for EfficientNet; the first stages of the second version have fused blocks."""
    first = [(0, "conv", "bn1")] if fused else [(0, "conv_dw", "bn1"), (1, "se", ""), (2, "conv_pw", "bn2")]
    inverted = [(0, "conv_pw", "bn1"), (1, "conv_dw", "bn2"), (2, "se", ""), (3, "conv_pwl", "bn3")]
    rules = _blocks("1", *first)
    if fused:
        rules += _blocks("[23]", (0, "conv_exp", "bn1"), (1, "conv_pwl", "bn2"))
    rules += _blocks("[4-9]" if fused else "[2-9]", *inverted)
    counted = [(pattern, _one_stage_less(name)) for pattern, name in rules]
    ends = [
        (r"features\.0\.0\.weight", "conv_stem.weight"),
        (rf"features\.0\.1\.({BN})", r"bn1.\1"),
        (r"features\.[6-9]\.0\.weight", "conv_head.weight"),
        (rf"features\.[6-9]\.1\.({BN})", r"bn2.\1"),
    ]
    return (*counted, *ends)


def _one_stage_less(name: str) -> Renamer:
    """Return what puts a key's parts into a name, its stage counted from nought: features.0 is the stem."""
    return lambda found: found.expand(name.replace(r"\1", str(int(found[1]) - 1), 1))


def _regnet() -> Rules:
    """Return the rules for RegNet, whose blocks are counted from nought here and from one by timm."""
    layers = [("proj", "downsample"), ("f\\.a", "conv1"), ("f\\.b", "conv2"), ("f\\.c", "conv3")]
    rules: list[tuple[str, str | Renamer]] = [
        (r"stem\.0\.weight", "stem.conv.weight"),
        (rf"stem\.1\.({BN})", r"stem.bn.\1"),
    ]
    place = r"trunk_output\.block\d\.block(\d)-(\d+)\."
    for theirs, ours in layers:
        rules.append((place + theirs + r"\.0\.(weight)", _one_block_more(f"{ours}.conv")))
        rules.append((place + theirs + rf"\.1\.({BN})", _one_block_more(f"{ours}.bn")))
    rules += [(place + rf"f\.se\.fc{number}\.(weight|bias)", _one_block_more(f"se.fc{number}")) for number in (1, 2)]
    return tuple(rules)


def _one_block_more(layer: str) -> Renamer:
    return lambda found: f"s{found[1]}.b{int(found[2]) + 1}.{layer}.{found[3]}"


_EFFICIENT = r"features\.[1-9]\.\d+\.block\.[0-3]\.(?:[01]|fc[12])\..+"
TORCHVISION = (
    Naming("torchvision ViT", "vit", _VIT_BLOCK + ".+", _VIT),
    Naming("torchvision ConvNeXt", "convnext", r"features\.[1357]\.\d+\.(?:block\.\d|layer_scale).*", _convnext()),
    Naming("torchvision Swin", "swin", r"features\.[1357]\.\d+\.(?:norm[12]|attn|mlp)\..+", _swin()),
    Naming(
        "torchvision SwinV2", "swinv2", r"features\.[1357]\.\d+\.(?:norm[12]|attn|mlp)\..+", _swin(), r".+\.cpb_mlp\..+"
    ),
    Naming("torchvision EfficientNet", "efficientnet", _EFFICIENT, _efficientnet(False), wide_epsilon="b[567]"),
    Naming("torchvision EfficientNetV2", "efficientnet", _EFFICIENT, _efficientnet(True), wide_epsilon="v2_[sml]"),
    Naming("torchvision RegNet", "regnet", r"trunk_output\.block\d\.block\d-\d+\.(?:proj|f)\..+", _regnet()),
)
