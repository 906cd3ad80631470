"""Checkpoints: the names that libraries give to one backbone's tensors, turned into timm's.

A naming is known by the end of its keys; what stands before is the prefix, whatever wrapped the network. Namings
were written down from the libraries' module definitions; those marked (memory) were not checked against a file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import torch

from virb.checkpoints.safe import Stored

Family = Literal["resnet", "clip_resnet", "vit", "convnext", "swin", "efficientnet", "regnet"]
_THIRDS = ("query", "key", "value", "q", "k", "v")
_BN = "weight|bias|running_mean|running_var|num_batches_tracked"


@dataclass(frozen=True)
class Naming:
    """How one library names the tensors of one family."""

    title: str
    family: Family
    body: str
    """Keys that only a backbone of this naming has; what stands before them is the prefix."""
    rules: tuple[tuple[str, str], ...] = ()
    """Patterns of whole keys behind the prefix, and timm's names for them; the first that fits is taken."""
    also: str = ""
    """A key that must stand behind the prefix too, where another kind of network has such blocks."""

    def prefix(self, key: str) -> str | None:
        """Return what stands before the naming's own part of a key, if it is one of this naming."""
        found = re.fullmatch(rf"((?:.+?\.)??)(?:{self.body})", key)
        return found[1] if found else None

    def rename(self, key: str) -> str:
        """Return timm's name of a key behind the prefix; one without a rule stays as it is."""
        for pattern, replacement in self.rules:
            if re.fullmatch(pattern, key):
                return re.sub(pattern, replacement, key)
        return key

    def in_file(self, name: str, keys: Iterable[str]) -> str:
        """Return what a tensor of timm's name would be called in a file with such keys, if that can be told."""
        present = set(keys)
        names = (name, *(f"{name}.{third}" for third in _THIRDS))
        found = [
            key
            for key in dict.fromkeys((*self._literal(), *_siblings(present)))
            if key not in present and self.rename(key) in names
        ]
        # Of several, the one whose neighbours are there: blocks may be counted in chunks.
        return max(found, key=lambda key: max(_shared(key, other) for other in present), default=name)

    def _literal(self) -> Iterator[str]:
        """Yield the keys of rules that hold no numbers."""
        for pattern, _ in self.rules:
            if "\\d" not in pattern and "[" not in pattern:
                choice = re.search(r"\(([\w|]+)\)", pattern)
                for word in choice[1].split("|") if choice else ("",):
                    yield (pattern.replace(choice[0], word) if choice else pattern).replace("\\.", ".")


def _shared(key: str, other: str) -> int:
    """Return how many characters two keys share from the start."""
    return next(
        (place for place, (a, b) in enumerate(zip(key, other, strict=False)) if a != b), min(len(key), len(other))
    )


def _siblings(keys: Iterable[str]) -> Iterator[str]:
    """Yield keys, and those that differ from one in a number."""
    most = 1 + max((int(number) for key in keys for number in re.findall(r"(?<!\d)\d{1,3}(?!\d)", key)), default=0)
    seen: set[str] = set()
    for key in keys:
        pieces = re.split(r"(\d+)", key)
        for place in range(1, len(pieces), 2):
            for number in range(most + 1):
                other = "".join((*pieces[:place], str(number), *pieces[place + 1 :]))
                if other not in seen:
                    seen.add(other)
                    yield other


def _sequential(first: int) -> tuple[tuple[str, str], ...]:
    """Return rules for nn.Sequential(*resnet.children()): the stages are counted from `first`."""
    stages = [(rf"{first + stage}\.(\d+\..+)", rf"layer{stage + 1}.\1") for stage in range(4)]
    return (("0\\.(weight)", r"conv1.\1"), (rf"1\.({_BN})", r"bn1.\1"), *stages)


_HF_BLOCK = r"encoder\.layer\.(\d+)\."
_HF_VIT = (
    (r"embeddings\.cls_token", "cls_token"),
    (r"embeddings\.position_embeddings", "pos_embed"),
    (r"embeddings\.register_tokens", "register_tokens"),
    (r"embeddings\.mask_token", "mask_token"),
    (r"embeddings\.patch_embeddings\.projection\.(weight|bias)", r"patch_embed.proj.\1"),
    (_HF_BLOCK + r"attention\.attention\.(query|key|value)\.(weight|bias)", r"blocks.\1.attn.qkv.\3.\2"),
    (_HF_BLOCK + r"attention\.output\.dense\.(weight|bias)", r"blocks.\1.attn.proj.\2"),
    (_HF_BLOCK + r"intermediate\.dense\.(weight|bias)", r"blocks.\1.mlp.fc1.\2"),
    (_HF_BLOCK + r"output\.dense\.(weight|bias)", r"blocks.\1.mlp.fc2.\2"),
    (_HF_BLOCK + r"layernorm_before\.(weight|bias)", r"blocks.\1.norm1.\2"),
    (_HF_BLOCK + r"layernorm_after\.(weight|bias)", r"blocks.\1.norm2.\2"),
    (_HF_BLOCK + r"layer_scale([12])\.lambda1", r"blocks.\1.ls\2.gamma"),
    (_HF_BLOCK + r"mlp\.weights_in\.(weight|bias)", r"blocks.\1.mlp.fc1.\2"),
    (_HF_BLOCK + r"mlp\.weights_out\.(weight|bias)", r"blocks.\1.mlp.fc2.\2"),
    (_HF_BLOCK + r"((?:norm[12]|mlp\.fc[12])\.(?:weight|bias))", r"blocks.\1.\2"),
    (r"layernorm\.(weight|bias)", r"norm.\1"),
)
_CLIP_BLOCK = r"transformer\.resblocks\.(\d+)\."
_CLIP_VIT = (
    (r"class_embedding", "cls_token"),
    (r"positional_embedding", "pos_embed"),
    (r"conv1\.weight", "patch_embed.proj.weight"),
    (r"ln_pre\.(weight|bias)", r"norm_pre.\1"),
    (r"ln_post\.(weight|bias)", r"norm.\1"),
    (_CLIP_BLOCK + r"ln_([12])\.(weight|bias)", r"blocks.\1.norm\2.\3"),
    (_CLIP_BLOCK + r"attn\.in_proj_(weight|bias)", r"blocks.\1.attn.qkv.\2"),
    (_CLIP_BLOCK + r"attn\.out_proj\.(weight|bias)", r"blocks.\1.attn.proj.\2"),
    (_CLIP_BLOCK + r"mlp\.c_fc\.(weight|bias)", r"blocks.\1.mlp.fc1.\2"),
    (_CLIP_BLOCK + r"mlp\.c_proj\.(weight|bias)", r"blocks.\1.mlp.fc2.\2"),
    (_CLIP_BLOCK + r"ls_([12])\.gamma", r"blocks.\1.ls\2.gamma"),
)
_HF_CLIP_BLOCK = r"vision_model\.encoder\.layers\.(\d+)\."
_HF_CLIP = (
    (r"vision_model\.embeddings\.class_embedding", "cls_token"),
    (r"vision_model\.embeddings\.position_embedding\.weight", "pos_embed"),
    (r"vision_model\.embeddings\.patch_embedding\.weight", "patch_embed.proj.weight"),
    (r"vision_model\.pre_layrnorm\.(weight|bias)", r"norm_pre.\1"),
    (r"vision_model\.post_layernorm\.(weight|bias)", r"norm.\1"),
    (_HF_CLIP_BLOCK + r"layer_norm([12])\.(weight|bias)", r"blocks.\1.norm\2.\3"),
    (_HF_CLIP_BLOCK + r"self_attn\.out_proj\.(weight|bias)", r"blocks.\1.attn.proj.\2"),
    (_HF_CLIP_BLOCK + r"self_attn\.([qkv])_proj\.(weight|bias)", r"blocks.\1.attn.qkv.\3.\2"),
    (_HF_CLIP_BLOCK + r"mlp\.(fc[12]\.(?:weight|bias))", r"blocks.\1.mlp.\2"),
)
_TV_BLOCK = r"encoder\.layers\.encoder_layer_(\d+)\."
_TV_VIT = (
    (r"class_token", "cls_token"),
    (r"encoder\.pos_embedding", "pos_embed"),
    (r"conv_proj\.(weight|bias)", r"patch_embed.proj.\1"),
    (r"encoder\.ln\.(weight|bias)", r"norm.\1"),
    (_TV_BLOCK + r"ln_([12])\.(weight|bias)", r"blocks.\1.norm\2.\3"),
    (_TV_BLOCK + r"self_attention\.in_proj_(weight|bias)", r"blocks.\1.attn.qkv.\2"),
    (_TV_BLOCK + r"self_attention\.out_proj\.(weight|bias)", r"blocks.\1.attn.proj.\2"),
    (_TV_BLOCK + r"mlp\.(?:0|linear_1)\.(weight|bias)", r"blocks.\1.mlp.fc1.\2"),
    (_TV_BLOCK + r"mlp\.(?:3|linear_2)\.(weight|bias)", r"blocks.\1.mlp.fc2.\2"),
)
_TIMM_VIT = (
    (r"blocks\.\d+\.(\d+\..+)", r"blocks.\1"),  # DINOv2 trains in chunks of blocks, which keep their numbers
    (r"(blocks\.\d+\.mlp)\.w12\.(weight|bias)", r"\1.fc1.\2"),
    (r"(blocks\.\d+\.mlp)\.w3\.(weight|bias)", r"\1.fc2.\2"),
)
_HF_STAGE = r"encoder\.stages\.(\d)\.layers\.(\d+)\."


def _hf_resnet() -> tuple[tuple[str, str], ...]:
    """Return the rules for a ResNet whose stages and layers are counted from nought."""
    rules = [
        (r"embedder\.embedder\.convolution\.weight", "conv1.weight"),
        (rf"embedder\.embedder\.normalization\.({_BN})", r"bn1.\1"),
    ]
    for stage in range(4):
        place = rf"encoder\.stages\.{stage}\.layers\.(\d+)\."
        start = rf"layer{stage + 1}.\1."
        rules.append((place + r"shortcut\.convolution\.weight", start + "downsample.0.weight"))
        rules.append((place + rf"shortcut\.normalization\.({_BN})", start + r"downsample.1.\2"))
        for number in range(3):
            rules.append((place + rf"layer\.{number}\.convolution\.weight", start + f"conv{number + 1}.weight"))
            rules.append((place + rf"layer\.{number}\.normalization\.({_BN})", start + rf"bn{number + 1}.\2"))
    return tuple(rules)


def _clip_resnet() -> tuple[tuple[str, str], ...]:
    """Return the rules for CLIP's own ResNet: three convolutions first, pooled by attention."""
    rules = [
        (r"conv([123])\.weight", r"stem.conv\1.conv.weight"),
        (rf"bn([123])\.({_BN})", r"stem.conv\1.bn.\2"),
        (r"attnpool\.positional_embedding", "head.pos_embed"),
        (r"attnpool\.([qkv])_proj\.(weight|bias)", r"head.\1.\2"),
        (r"attnpool\.c_proj\.(weight|bias)", r"head.proj.\1"),
    ]
    for stage in range(4):
        place, start = rf"layer{stage + 1}\.(\d+)\.", rf"stages.{stage}.\1."
        rules.append((place + r"downsample\.0\.weight", start + "shortcut.conv.conv.weight"))
        rules.append((place + rf"downsample\.1\.({_BN})", start + r"shortcut.conv.bn.\2"))
        for number, kind in ((1, "1x1"), (2, "kxk"), (3, "1x1")):
            rules.append((place + rf"conv{number}\.weight", start + f"conv{number}_{kind}.conv.weight"))
            rules.append((place + rf"bn{number}\.({_BN})", start + rf"conv{number}_{kind}.bn.\2"))
    return tuple(rules)


_FB_CONVNEXT = (
    (r"downsample_layers\.0\.([01]\..+)", r"stem.\1"),
    (r"downsample_layers\.([123])\.([01]\..+)", r"stages.\1.downsample.\2"),
    (r"stages\.(\d)\.(\d+)\.dwconv\.(weight|bias)", r"stages.\1.blocks.\2.conv_dw.\3"),
    (r"stages\.(\d)\.(\d+)\.pwconv([12])\.(weight|bias)", r"stages.\1.blocks.\2.mlp.fc\3.\4"),
    (r"stages\.(\d)\.(\d+)\.grn\.gamma", r"stages.\1.blocks.\2.mlp.grn.weight"),
    (r"stages\.(\d)\.(\d+)\.grn\.beta", r"stages.\1.blocks.\2.mlp.grn.bias"),
    (r"stages\.(\d)\.(\d+)\.(norm\.\w+|gamma)", r"stages.\1.blocks.\2.\3"),
    (r"norm\.(weight|bias)", r"head.norm.\1"),
)


def _tv_convnext() -> tuple[tuple[str, str], ...]:
    """Return the rules for torchvision's ConvNeXt, whose odd features are stages and whose even ones lie between."""
    rules = [(r"features\.0\.([01]\..+)", r"stem.\1"), (r"classifier\.0\.(weight|bias)", r"head.norm.\1")]
    for stage in range(4):
        place, start = rf"features\.{2 * stage + 1}\.(\d+)\.", rf"stages.{stage}.blocks.\1."
        for number, name in ((0, "conv_dw"), (2, "norm"), (3, "mlp.fc1"), (5, "mlp.fc2")):
            rules.append((place + rf"block\.{number}\.(weight|bias)", start + rf"{name}.\2"))
        rules.append((place + "layer_scale", start + "gamma"))
        if stage:
            rules.append((rf"features\.{2 * stage}\.([01]\..+)", rf"stages.{stage}.downsample.\1"))
    return tuple(rules)


def _ms_swin() -> tuple[tuple[str, str], ...]:
    """Return the rules for the authors' Swin, which counts a patch merging to the stage before it."""
    head = [(r"head\.(weight|bias)", r"head.fc.\1")]
    return tuple(head + [(rf"layers\.{n}\.downsample\.(.+)", rf"layers.{n + 1}.downsample.\1") for n in range(3)])


_RESNET_BODY = rf"layer[1-4]\.\d+\.(?:conv[123]\.weight|bn[123]\.(?:{_BN})|downsample\.\d\.(?:{_BN}))"
_VIT_BODY = (  # stages of other networks hold such blocks too
    r"(?<!layers\.\d\.)(?<!stages\.\d\.)"
    r"blocks\.(?:\d+\.)?\d+\.(?:norm[12]|attn\.(?:qkv|proj)|mlp\.(?:fc[12]|w12|w3))\.(?:weight|bias)"
)
_SWIN_BODY = r"layers\.\d\.blocks\.\d+\.(?:norm[12]|attn\.(?:qkv|proj)|mlp\.fc[12])\.(?:weight|bias)"
_CHILDREN = rf"\.\d+\.(?:conv[123]\.weight|bn[123]\.(?:{_BN})|downsample\.\d\.(?:{_BN}))"

NAMINGS = (
    Naming("CLIP's own ResNet", "clip_resnet", _RESNET_BODY, _clip_resnet(), r"attnpool\..+"),
    Naming("torchvision and timm", "resnet", _RESNET_BODY),
    Naming("children of a torchvision ResNet", "resnet", "[4-7]" + _CHILDREN, _sequential(4)),
    Naming("children of a torchvision ResNet without pooling", "resnet", "[3-6]" + _CHILDREN, _sequential(3)),
    Naming("Hugging Face ResNet", "resnet", _HF_STAGE + r"(?:layer\.\d|shortcut)\..+", _hf_resnet()),
    Naming("timm ViT", "vit", _VIT_BODY, _TIMM_VIT, r"blocks\.(?:\d+\.)?\d+\.attn\.qkv\.\w+"),
    Naming("CLIP ViT", "vit", _CLIP_BLOCK + ".+", _CLIP_VIT, r"conv1\.weight|class_embedding|ln_p(?:re|ost)\.\w+"),
    Naming("Hugging Face CLIP (memory)", "vit", _HF_CLIP_BLOCK + ".+", _HF_CLIP),
    Naming(
        "Hugging Face ViT",
        "vit",
        _HF_BLOCK + r"(?:attention\.(?:attention|output)|intermediate|output|layernorm_|norm[12]|layer_scale|mlp).+",
        _HF_VIT,
    ),
    Naming("torchvision ViT", "vit", _TV_BLOCK + ".+", _TV_VIT),
    Naming("timm ConvNeXt", "convnext", r"stages\.\d\.blocks\.\d+\.(?:conv_dw|norm|mlp|gamma).*"),
    Naming(
        "the authors' ConvNeXt", "convnext", r"stages\.\d\.\d+\.(?:dwconv|norm|pwconv[12]|gamma|grn).*", _FB_CONVNEXT
    ),
    Naming("torchvision ConvNeXt", "convnext", r"features\.[1357]\.\d+\.(?:block\.\d|layer_scale).*", _tv_convnext()),
    Naming("timm Swin", "swin", _SWIN_BODY),
    Naming("the authors' Swin", "swin", _SWIN_BODY, _ms_swin()),
    Naming("timm EfficientNet", "efficientnet", r"blocks\.\d+\.\d+\.(?:conv_(?:dw|pw|pwl|exp)|bn[123]|se)\..+"),
    Naming("timm RegNet", "regnet", r"s[1-4]\.b\d+\.(?:conv[123]|se|downsample)\..+"),
)


def rename(naming: Naming, found: Mapping[str, Stored]) -> tuple[dict[str, Stored], dict[str, str]]:
    """Return tensors behind a prefix under timm's names, and for each of these the name it has in the file."""
    renamed: dict[str, Stored] = {}
    origin: dict[str, str] = {}
    for key, stored in found.items():
        name = naming.rename(key)
        if name in renamed:  # two that would be one: neither is safe to take
            name = key
        renamed[name], origin[name] = stored, key
    for name, tensors in _thirds(renamed):
        packed = [renamed.pop(f"{name}.{third}") for third in tensors]
        renamed[name] = joined(packed)
        origin[name] = " + ".join(origin.pop(f"{name}.{third}") for third in tensors)
    if naming.family == "vit":
        _shape_tokens(renamed, origin)
    if "patch_embed.proj.weight" in renamed and naming.family == "vit":
        renamed["patch_embed.proj.weight"] = _as_convolution(renamed["patch_embed.proj.weight"])
    for name, stored in renamed.items():
        if name.endswith(".gamma") and stored.shape[1:] == (1, 1):  # torchvision's layer scale
            renamed[name] = _reshaped(stored, stored.shape[:1])
    return renamed, origin


def _thirds(renamed: Mapping[str, Stored]) -> Iterator[tuple[str, tuple[str, str, str]]]:
    """Yield the names of attention layers whose query, key and value are all there, apart."""
    for names in (_THIRDS[:3], _THIRDS[3:]):
        for key in [key for key in renamed if key.endswith(f".{names[0]}")]:
            stem = key.rpartition(".")[0]
            parts = [renamed.get(f"{stem}.{name}") for name in names]
            if all(part is not None and part.shape == renamed[key].shape for part in parts):
                yield stem, names


def joined(parts: list[Stored]) -> Stored:
    """Return tensors of one shape, one above the other."""
    shape = (sum(part.shape[0] for part in parts), *parts[0].shape[1:])
    place = tuple(part.place for part in parts)
    return Stored(shape, parts[0].dtype, lambda: torch.cat([part.read() for part in parts]), place)


def _reshaped(stored: Stored, shape: tuple[int, ...]) -> Stored:
    return Stored(shape, stored.dtype, lambda: stored.read().reshape(shape), stored.place)


def _as_convolution(stored: Stored) -> Stored:
    """Return the weight of a patch embedding that was a matrix product as that of a convolution."""
    if len(stored.shape) != 2:
        return stored
    size = round((stored.shape[1] / 3) ** 0.5)
    return _reshaped(stored, (stored.shape[0], 3, size, size)) if 3 * size * size == stored.shape[1] else stored


def _shape_tokens(renamed: dict[str, Stored], origin: dict[str, str]) -> None:
    """Give tokens and positions timm's shapes: CLIP leaves out the first dimensions, DINOv2 shares a position."""
    for name, dimensions in (("cls_token", 1), ("pos_embed", 2)):
        stored = renamed.get(name)
        if stored is not None and len(stored.shape) == dimensions:
            renamed[name] = _reshaped(stored, (1,) * (3 - dimensions) + stored.shape)
    if "register_tokens" in renamed:
        renamed["reg_token"], origin["reg_token"] = renamed.pop("register_tokens"), origin.pop("register_tokens")
        _split_positions(renamed)


def _split_positions(renamed: dict[str, Stored]) -> None:
    """Add the class token's position to it: timm's models with registers have positions for patches only."""
    token, positions = renamed.get("cls_token"), renamed.get("pos_embed")
    if token is None or positions is None or len(positions.shape) != 3 or positions.shape[1] < 2:
        return
    if token.shape != (1, 1, positions.shape[2]):
        return
    shape = (1, positions.shape[1] - 1, positions.shape[2])
    renamed["cls_token"] = _derived(token, token.shape, lambda: token.read() + positions.read()[:, :1])
    renamed["pos_embed"] = _derived(positions, shape, lambda: positions.read()[:, 1:].contiguous())


def _derived(stored: Stored, shape: tuple[int, ...], read: Callable[[], torch.Tensor]) -> Stored:
    return Stored(shape, stored.dtype, read, stored.place)
