"""Checkpoints: the names that libraries and authors give to the tensors of the families known here, as timm's.

Written down from the libraries' module definitions; those marked (memory) were not checked against a file.
"""

from __future__ import annotations

from virb.encode.checkpoints.naming import BN, Naming, Rules
from virb.encode.checkpoints.torchvisions import TORCHVISION


def _sequential(first: int) -> Rules:
    """Return rules for nn.Sequential(*resnet.children()): the stages are counted from `first`."""
    stages = [(rf"{first + stage}\.(\d+\..+)", rf"layer{stage + 1}.\1") for stage in range(4)]
    return (("0\\.(weight)", r"conv1.\1"), (rf"1\.({BN})", r"bn1.\1"), *stages)


_HF_BLOCK = r"(?:encoder\.layer|layers)\.(\d+)\."
_HF_VIT = (
    (r"embeddings\.cls_token", "cls_token"),
    (r"embeddings\.distillation_token", "dist_token"),
    (r"embeddings\.position_embeddings", "pos_embed"),
    (r"embeddings\.register_tokens", "register_tokens"),
    (r"embeddings\.mask_token", "mask_token"),
    (r"embeddings\.patch_embeddings\.projection\.(weight|bias)", r"patch_embed.proj.\1"),
    (_HF_BLOCK + r"attention\.attention\.(query|key|value)\.(weight|bias)", r"blocks.\1.attn.qkv.\3.\2"),
    (_HF_BLOCK + r"attention\.([qkv])_proj\.(weight|bias)", r"blocks.\1.attn.qkv.\3.\2"),  # from transformers 5 on
    (_HF_BLOCK + r"attention\.o_proj\.(weight|bias)", r"blocks.\1.attn.proj.\2"),
    (_HF_BLOCK + r"mlp\.(gate|up)_proj\.(weight|bias)", r"blocks.\1.mlp.fc1.\3.\2"),
    (_HF_BLOCK + r"mlp\.down_proj\.(weight|bias)", r"blocks.\1.mlp.fc2.\2"),
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
_HF_CLIP_BLOCK = r"encoder\.layers\.(\d+)\."
_HF_CLIP = (
    (r"embeddings\.class_embedding", "cls_token"),
    (r"embeddings\.position_embedding\.weight", "pos_embed"),
    (r"embeddings\.patch_embedding\.weight", "patch_embed.proj.weight"),
    (r"pre_layrnorm\.(weight|bias)", r"norm_pre.\1"),
    (r"post_layernorm\.(weight|bias)", r"norm.\1"),
    (_HF_CLIP_BLOCK + r"layer_norm([12])\.(weight|bias)", r"blocks.\1.norm\2.\3"),
    (_HF_CLIP_BLOCK + r"self_attn\.out_proj\.(weight|bias)", r"blocks.\1.attn.proj.\2"),
    (_HF_CLIP_BLOCK + r"self_attn\.([qkv])_proj\.(weight|bias)", r"blocks.\1.attn.qkv.\3.\2"),
    (_HF_CLIP_BLOCK + r"mlp\.(fc[12]\.(?:weight|bias))", r"blocks.\1.mlp.\2"),
)
_TIMM_VIT = (
    (r"blocks\.\d+\.(\d+\..+)", r"blocks.\1"),  # DINOv2 trains in chunks of blocks, which keep their numbers
    (r"(blocks\.\d+\.mlp)\.w12\.(weight|bias)", r"\1.fc1.\2"),
    (r"(blocks\.\d+\.mlp)\.w3\.(weight|bias)", r"\1.fc2.\2"),
)
_HF_STAGE = r"encoder\.stages\.(\d)\.layers\.(\d+)\."


def _hf_resnet() -> Rules:
    """Return the rules for a ResNet whose stages and layers are counted from nought."""
    rules = [
        (r"embedder\.embedder\.convolution\.weight", "conv1.weight"),
        (rf"embedder\.embedder\.normalization\.({BN})", r"bn1.\1"),
    ]
    for stage in range(4):
        place = rf"encoder\.stages\.{stage}\.layers\.(\d+)\."
        start = rf"layer{stage + 1}.\1."
        rules.append((place + r"shortcut\.convolution\.weight", start + "downsample.0.weight"))
        rules.append((place + rf"shortcut\.normalization\.({BN})", start + r"downsample.1.\2"))
        for number in range(3):
            rules.append((place + rf"layer\.{number}\.convolution\.weight", start + f"conv{number + 1}.weight"))
            rules.append((place + rf"layer\.{number}\.normalization\.({BN})", start + rf"bn{number + 1}.\2"))
    return tuple(rules)


def _clip_resnet() -> Rules:
    """Return the rules for CLIP's own ResNet: three convolutions first, pooled by attention."""
    rules = [
        (r"conv([123])\.weight", r"stem.conv\1.conv.weight"),
        (rf"bn([123])\.({BN})", r"stem.conv\1.bn.\2"),
        (r"attnpool\.positional_embedding", "head.pos_embed"),
        (r"attnpool\.([qkv])_proj\.(weight|bias)", r"head.\1.\2"),
        (r"attnpool\.c_proj\.(weight|bias)", r"head.proj.\1"),
    ]
    for stage in range(4):
        place, start = rf"layer{stage + 1}\.(\d+)\.", rf"stages.{stage}.\1."
        rules.append((place + r"downsample\.0\.weight", start + "shortcut.conv.conv.weight"))
        rules.append((place + rf"downsample\.1\.({BN})", start + r"shortcut.conv.bn.\2"))
        for number, kind in ((1, "1x1"), (2, "kxk"), (3, "1x1")):
            rules.append((place + rf"conv{number}\.weight", start + f"conv{number}_{kind}.conv.weight"))
            rules.append((place + rf"bn{number}\.({BN})", start + rf"conv{number}_{kind}.bn.\2"))
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


def _ms_swin() -> Rules:
    """Return the rules for the authors' Swin, which counts a patch merging to the stage before it."""
    head = [(r"head\.(weight|bias)", r"head.fc.\1")]
    return tuple(head + [(rf"layers\.{n}\.downsample\.(.+)", rf"layers.{n + 1}.downsample.\1") for n in range(3)])


_RESNET_BODY = rf"layer[1-4]\.\d+\.(?:conv[123]\.weight|bn[123]\.(?:{BN})|downsample\.\d\.(?:{BN}))"
_VIT_BODY = (  # stages of other networks hold such blocks too
    r"(?<!layers\.\d\.)(?<!stages\.\d\.)"
    r"blocks\.(?:\d+\.)?\d+\.(?:norm[12]|attn\.(?:qkv|proj)|mlp\.(?:fc[12]|w12|w3))\.(?:weight|bias)"
)
_SWIN_BODY = r"layers\.\d\.blocks\.\d+\.(?:norm[12]|attn\.(?:qkv|proj)|mlp\.fc[12])\.(?:weight|bias)"
_CHILDREN = rf"\.\d+\.(?:conv[123]\.weight|bn[123]\.(?:{BN})|downsample\.\d\.(?:{BN}))"

NAMINGS = (
    Naming("CLIP's own ResNet", "clip_resnet", _RESNET_BODY, _clip_resnet(), r"attnpool\..+"),
    Naming("torchvision and timm", "resnet", _RESNET_BODY),
    Naming("children of a torchvision ResNet", "resnet", "[4-7]" + _CHILDREN, _sequential(4)),
    Naming("children of a torchvision ResNet without pooling", "resnet", "[3-6]" + _CHILDREN, _sequential(3)),
    Naming("Hugging Face ResNet", "resnet", _HF_STAGE + r"(?:layer\.\d|shortcut)\..+", _hf_resnet()),
    Naming("timm ViT", "vit", _VIT_BODY, _TIMM_VIT, r"blocks\.(?:\d+\.)?\d+\.attn\.qkv\.\w+"),
    Naming("CLIP ViT", "vit", _CLIP_BLOCK + ".+", _CLIP_VIT, r"conv1\.weight|class_embedding|ln_p(?:re|ost)\.\w+"),
    Naming(
        "Hugging Face CLIP",
        "vit",
        _HF_CLIP_BLOCK + r"(?:self_attn|layer_norm[12]|mlp)\..+",
        _HF_CLIP,
        r"embeddings\.class_embedding|pre_layrnorm\.\w+",  # SigLIP's towers have neither, and pool otherwise
    ),
    Naming(
        "Hugging Face ViT",
        "vit",
        _HF_BLOCK
        + r"(?:attention\.(?:attention|output|[qkvo]_proj)|intermediate|output|layernorm_|norm[12]|layer_scale|mlp).+",
        _HF_VIT,
        r"embeddings\.(?:cls_token|position_embeddings|patch_embeddings\..+)",
    ),
    Naming("timm ConvNeXt", "convnext", r"stages\.\d\.blocks\.\d+\.(?:conv_dw|norm|mlp|gamma).*"),
    Naming(
        "the authors' ConvNeXt", "convnext", r"stages\.\d\.\d+\.(?:dwconv|norm|pwconv[12]|gamma|grn).*", _FB_CONVNEXT
    ),
    Naming("timm Swin", "swin", _SWIN_BODY),
    Naming("the authors' Swin", "swin", _SWIN_BODY, _ms_swin()),
    Naming("timm EfficientNet", "efficientnet", r"blocks\.\d+\.\d+\.(?:conv_(?:dw|pw|pwl|exp)|bn[123]|se)\..+"),
    Naming("timm RegNet", "regnet", r"s[1-4]\.b\d+\.(?:conv[123]|se|downsample)\..+"),
    *TORCHVISION,
)
