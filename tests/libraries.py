"""Checkpoint files of networks that other code than timm's computes, or that differ from the usual in their shape.

Where the code is installed here, its own module gives the features that are asked for; the rest are written as their
authors would, from timm's module. transformers is not installed: its names were compared with version 5.23 once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

import timm
import torch
import torchvision
from authors import State, Write, classifier, mlp, moved, noise, saved, training, under, vit
from authors_formats import PATCH14, Format
from authors_vits import VIT_NAMES, hugging_face
from safetensors.torch import save_file
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet
from torchvision.models.vision_transformer import VisionTransformer


def lived(model: nn.Module) -> nn.Module:
    """Return a network whose BatchNorm has lived and whose scales and biases are not those it started with."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.uniform_(-0.1, 0.1, generator=generator)
                module.running_var.uniform_(0.5, 1.5, generator=generator)
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.01)
    return model.eval()


def same(found: torch.Tensor, wanted: torch.Tensor, model: nn.Module) -> bool:
    """Tell whether features are equal to the bit; torchvision's ViT adds its attention up in another order."""
    if isinstance(model, VisionTransformer):
        return torch.allclose(found, wanted, rtol=0, atol=1e-4)
    return torch.equal(found, wanted)


@cache
def from_torchvision(name: str, head: str) -> nn.Module:
    """Return torchvision's own module without its classifier."""
    torch.manual_seed(3)
    model: nn.Module = getattr(torchvision.models, name)(weights=None)
    owner, _, last = head.rpartition(".")
    setattr(model.get_submodule(owner), last, nn.Identity())
    return lived(model)


def plain(head: str, path: Path, state: State) -> Path:
    """A state dict as torchvision offers it for download."""
    return saved(path, classifier(state, head))


@cache
def wide(times: int, bottleneck: bool) -> nn.Module:
    """Return a ResNet whose every layer is wider, built as facebookresearch/swav builds its RN50w2."""
    torch.manual_seed(3)
    block: type[BasicBlock | Bottleneck] = Bottleneck if bottleneck else BasicBlock
    model = ResNet(block, [2, 2, 2, 2])
    model.inplanes = 64 * times
    model.conv1 = nn.Conv2d(3, model.inplanes, 7, 2, 3, bias=False)
    model.bn1 = nn.BatchNorm2d(model.inplanes)
    for stage, stride in enumerate((1, 2, 2, 2)):
        setattr(model, f"layer{stage + 1}", model._make_layer(block, 64 * times * 2**stage, 2, stride))
    model.fc = nn.Identity()
    return lived(model)


def swav_wide(path: Path, state: State) -> Path:
    return saved(
        path, {**under("module.", state), **mlp("module.projection_head."), "module.prototypes.weight": noise(4)}
    )


@cache
def from_timm(name: str, size: int, **options: object) -> nn.Module:
    """Return timm's own module of few blocks, without classifier, at one size."""
    torch.manual_seed(4)
    return lived(timm.create_model(name, num_classes=0, img_size=size, depth=3, **options))


def deit(path: Path, state: State) -> Path:
    """facebookresearch/deit main.py with --distillation-type: two classifiers."""
    return training(path, {}, model=classifier(classifier(state, "head", 192), "head_dist", 192))


def beit(path: Path, state: State) -> Path:
    """microsoft/unilm's BEiT, fine-tuned: indices of relative positions are kept."""
    indices = {f"blocks.{block}.attn.relative_position_index": torch.zeros(5, 5).long() for block in range(3)}
    return saved(path, {"model": {**classifier(state, "head", 768), **indices}})


def beit_pretraining(path: Path, state: State) -> Path:
    """microsoft/unilm's BEiT in pretraining (memory): one table of positions for all blocks, and a head for tokens."""
    more = {"mask_token": noise(1, 1, 768), "lm_head.weight": noise(8, 768), "lm_head.bias": noise(8)}
    indices = {"rel_pos_bias.relative_position_index": torch.zeros(5, 5).long()}
    return saved(path, {"model": {**state, **more, **indices}, "optimizer": {}, "epoch": 3})


CLIP_VIT_NAMES = (
    ("cls_token", "embeddings.class_embedding"), ("pos_embed", "embeddings.position_embedding.weight"),
    ("patch_embed.proj", "embeddings.patch_embedding"), ("norm_pre", "pre_layrnorm"), ("blocks.", "encoder.layers."),
    ("norm1", "layer_norm1"), ("norm2", "layer_norm2"), ("attn.proj", "self_attn.out_proj"),
)  # fmt: skip


def hugging_face_clip(path: Path, state: State) -> Path:
    """transformers' CLIPModel: the tower for pictures beside one for texts of the same names."""
    renamed = {}
    for key, value in state.items():
        new = "post_layernorm" + key[4:] if key.startswith("norm.") else key
        for ours, theirs in CLIP_VIT_NAMES:
            new = new.replace(ours, theirs)
        if "attn.qkv" in new:
            for name, third in zip("qkv", value.chunk(3), strict=True):
                renamed[new.replace("attn.qkv", f"self_attn.{name}_proj")] = third.clone()
        else:
            renamed[new] = value[0, 0] if key == "cls_token" else value[0] if key == "pos_embed" else value
    text = {f"text_model.{key}": value for key, value in moved(renamed).items() if key.startswith("encoder")}
    more = {"text_model.embeddings.token_embedding.weight": noise(9, 4), "logit_scale": noise(1)[0]}
    more |= {"visual_projection.weight": noise(8, 128), "text_projection.weight": noise(8, 128)}
    save_file({**under("vision_model.", renamed), **text, **more}, path)
    return path


NEW_NAMES = (
    ("encoder.layer.", "layers."), ("attention.attention.query", "attention.q_proj"),
    ("attention.attention.key", "attention.k_proj"), ("attention.attention.value", "attention.v_proj"),
    ("attention.output.dense", "attention.o_proj"), ("intermediate.dense", "mlp.fc1"), ("output.dense", "mlp.fc2"),
)  # fmt: skip


def hugging_face_state(path: Path, state: State) -> Path:
    """transformers 5: what torch.save(model.state_dict()) of a DeiT writes; save_pretrained keeps the old names."""
    names = (*VIT_NAMES, ("dist_token", "embeddings.distillation_token"))
    renamed = {}
    for key, value in hugging_face(state, names).items():
        for ours, theirs in NEW_NAMES:
            key = key.replace(ours, theirs)
        renamed[key] = value
    return saved(path, under("deit.", renamed))


def timm_registers(path: Path, state: State) -> Path:
    """timm's own file of DINOv2 with registers."""
    return saved(path, dict(state))


@dataclass(frozen=True)
class Library(Format):
    """A layout whose features are asked for at one size."""

    size: int = 96
    notes: tuple[str, ...] = field(default=())
    """What must be said of it."""


def _tv(name: str, head: str, arch: str, size: int = 96, *notes: str) -> Library:
    return Library(partial(plain, head), partial(from_torchvision, name, head), "", arch, size=size, notes=notes)


def _made(
    write: Write, model: Callable[[], nn.Module], arch: str, prefix: str = "", *notes: str, size: int = 96
) -> Library:
    return Library(write, model, prefix, arch, size=size, notes=notes)


PADDED = "where windows do not divide the view"
EPSILON = "BatchNorm with epsilon 0.001"
REGISTERS = {**PATCH14, "reg_tokens": 4, "no_embed_class": True}
LIBRARIES = {
    "torchvision swin": _tv("swin_t", "head", "swin_tiny_patch4_window7_224", 224, PADDED),
    "torchvision efficientnet": _tv("efficientnet_b0", "classifier.1", "efficientnet_b0"),
    "torchvision regnet_y": _tv("regnet_y_400mf", "fc", "regnety_004"),
    "torchvision regnet_x": _tv("regnet_x_400mf", "fc", "regnetx_004_tv"),
    "wide basic": _made(swav_wide, partial(wide, 2, False), "resnet18(widen=2)", "module."),
    "wide bottleneck": _made(swav_wide, partial(wide, 2, True), "resnet26(widen=2)", "module."),
    "distilled deit": _made(
        deit, partial(from_timm, "deit_tiny_distilled_patch16_224", 96),
        "deit_tiny_distilled_patch16_224(depth=3, img_size=96)",
    ),
    "beit": _made(
        beit, partial(from_timm, "beit_base_patch16_224", 96), "beit_base_patch16_224(depth=3, img_size=96)", "",
        "mean and deviation 0.5",
    ),
    "beit in pretraining": _made(
        beit_pretraining,
        partial(
            from_timm, "beit_base_patch16_224", 96, use_shared_rel_pos_bias=True, use_rel_pos_bias=False,
            use_fc_norm=False,
        ),
        "beit_base_patch16_224(depth=3, img_size=96, use_rel_pos_bias=False, use_shared_rel_pos_bias=True, "
        "use_fc_norm=False)",
    ),
    "transformers clip": Library(
        hugging_face_clip, partial(from_timm, "vit_base_patch16_clip_quickgelu_224", 96, embed_dim=128, num_heads=2),
        "vision_model.", "vit_base_patch16_clip_quickgelu_224(embed_dim=128, depth=3, img_size=96, num_heads=2)",
        ".safetensors", notes=("QuickGELU, as OpenAI trained where not told otherwise", "mean and deviation of CLIP"),
    ),
    "transformers deit": _made(
        hugging_face_state, partial(from_timm, "deit_tiny_distilled_patch16_224", 96),
        "deit_tiny_distilled_patch16_224(depth=3, img_size=96)", "deit.", "transformers has 1e-12",
    ),
    "timm dinov2 with registers": _made(
        timm_registers, partial(vit, **REGISTERS),
        "vit_tiny_patch16_224(patch_size=14, img_size=112, reg_tokens=4, no_embed_class=True, init_values=1e-05)",
        size=98,
    ),
}  # fmt: skip
SLOW = {
    "torchvision swin, second version": _tv(
        "swin_v2_t", "head", "swinv2_tiny_window8_256", 256, PADDED, "the biases of keys"
    ),
    "torchvision efficientnet b5": _tv("efficientnet_b5", "classifier.1", "efficientnet_b5(bn_eps=0.001)", 96, EPSILON),
    "torchvision efficientnet v2": _tv(
        "efficientnet_v2_s", "classifier.1", "efficientnetv2_s(bn_eps=0.001)", 96, EPSILON
    ),
    "torchvision vit": _tv("vit_b_32", "heads.head", "vit_base_patch32_224", 224),
}
