"""Every layout of authors' files, with the network in it and what is to be found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from authors import Write, resnet, small_picture_resnet, vit
from authors_resnets import (
    barlow_twins,
    byol_lucidrains,
    byol_networks,
    compiled,
    deepcluster_v2,
    densecl,
    hugging_face_resnet,
    lightly_lightning,
    moco_v1_v2,
    moco_v3,
    obow,
    old_pickle,
    pixpro,
    safetensors_file,
    sharded,
    simclr_backbone,
    simclr_encoder,
    simclr_sequential,
    simsiam,
    swav,
    timm_training,
    torchscript,
    torchvision_plain,
    vicreg,
    virb_own,
    vissl,
)
from authors_vits import (
    dino,
    dinov2,
    dinov2_registers,
    dinov2_training,
    hugging_face_dinov2,
    hugging_face_vit,
    ibot,
    ijepa,
    mae,
    moco_v3_vit,
    msn,
    open_clip,
    openai_clip,
    torchvision_vit,
)
from torch import nn

from virb.encode.architectures import Architecture


@dataclass(frozen=True)
class Format:
    """A layout, the network in it, and what is to be found."""

    write: Write
    model: Callable[[], nn.Module]
    prefix: str
    arch: str
    suffix: str = ".pth"

    @property
    def name(self) -> str:
        return self.write.__name__


def _r(write: Write, prefix: str, suffix: str = ".pth", arch: str = "resnet18") -> Format:
    return Format(write, partial(resnet, arch), prefix, arch, suffix)


def _v(write: Write, prefix: str, suffix: str = ".pth", name: str = "vit_tiny_patch16_224", **options: Any) -> Format:
    return Format(write, partial(vit, name, **options), prefix, str(Architecture(name, options)), suffix)


PATCH14: dict[str, Any] = {"patch_size": 14, "img_size": 112, "init_values": 1e-5}
REGISTERS: dict[str, Any] = {**PATCH14, "reg_tokens": 4, "no_embed_class": True}
SMALL: dict[str, Any] = {"embed_dim": 128, "depth": 3, "num_heads": 2}
NO_TOKEN: dict[str, Any] = {"class_token": False, "fc_norm": False, "global_pool": "avg"}
FORMATS = [
    _r(torchvision_plain, ""),
    _r(torchvision_plain, "", arch="resnet50"),
    _r(old_pickle, "module.", ".pth.tar"),
    _r(safetensors_file, "", ".safetensors"),
    _r(sharded, "", ".json"),
    _r(torchscript, "", ".pt"),
    _r(moco_v1_v2, "module.encoder_q.", ".pth.tar"),
    _r(moco_v1_v2, "module.encoder_q.", ".pth.tar", "resnet50"),
    _r(moco_v3, "module.base_encoder.", ".pth.tar"),
    _r(simsiam, "module.encoder.", ".pth.tar"),
    _r(simclr_backbone, "backbone.", ".pth.tar"),
    Format(simclr_sequential, small_picture_resnet, "f.", "resnet18(stem='cifar')"),
    _r(simclr_encoder, "encoder.", ".tar"),
    _r(lightly_lightning, "backbone.", ".ckpt"),
    _r(byol_lucidrains, "online_encoder.net."),
    _r(byol_networks, "encoder."),
    _r(barlow_twins, "module.backbone."),
    _r(vicreg, "module.backbone."),
    _r(swav, "module.", ".pth.tar"),
    _r(deepcluster_v2, "module.", ".pth.tar"),
    _r(vissl, "_feature_blocks.", ".torch"),
    _r(obow, "feature_extractor."),
    _r(densecl, "backbone."),
    _r(pixpro, "module.encoder."),
    _r(virb_own, "model.", ".pt"),
    _r(compiled, "module._orig_mod.net.module."),
    _r(timm_training, "", ".pth.tar"),
    _r(hugging_face_resnet, "resnet.", ".bin"),
    _v(dino, "backbone."),
    _v(ibot, "backbone."),
    _v(mae, ""),
    _v(msn, "module."),
    _v(moco_v3_vit, "module.base_encoder.", ".pth.tar"),
    _v(hugging_face_vit, "vit.", ".safetensors"),
    _v(torchvision_vit, ""),
    _v(dinov2, "", **PATCH14),
    _v(dinov2_training, "backbone.", **PATCH14),
    _v(hugging_face_dinov2, "", ".safetensors", **PATCH14),
    _v(dinov2_registers, "", **REGISTERS),
    _v(ijepa, "module.", **NO_TOKEN),
    _v(open_clip, "module.visual.", name="vit_xsmall_patch16_clip_224"),
    _v(openai_clip, "visual.", name="vit_base_patch16_clip_quickgelu_224", **SMALL),
]
