"""Checkpoint files as authors' code writes them: wrapper, heads and extra entries included, with random weights.

Each function says whose layout it is. Those marked (memory) were written down without the authors' code or file at
hand; the others follow from a library that is installed here or from the checkpoint's own well-known key names.
"""

from __future__ import annotations

import argparse
import copy
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import timm
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn

from virb.encode.architectures import Architecture

State = dict[str, torch.Tensor]
Write = Callable[[Path, State], Path]


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(7)) * 0.02


@cache
def resnet(name: str = "resnet18") -> nn.Module:
    """A torchvision ResNet whose BatchNorm has lived."""
    torch.manual_seed(3)
    model = getattr(torchvision.models, name)(weights=None)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            module.num_batches_tracked += 9
    model.fc = nn.Identity()
    return model.eval()


@cache
def small_picture_resnet() -> nn.Module:
    """A ResNet-18 for 32 pixels: one 3 x 3 convolution of stride 1, and no pooling."""
    model = copy.deepcopy(resnet())
    model.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    model.maxpool = nn.Identity()
    return model.eval()


@cache
def vit(name: str = "vit_tiny_patch16_224", **options: Any) -> nn.Module:
    torch.manual_seed(4)
    model = timm.create_model(name, num_classes=0, dynamic_img_size=True, **options)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.01)
    return model.eval()


def under(prefix: str, state: Mapping[str, torch.Tensor]) -> State:
    return {f"{prefix}{key}": value for key, value in state.items()}


def moved(state: Mapping[str, torch.Tensor]) -> State:
    """The moving average beside a network: other numbers under the same names."""
    return {key: value * 0.9 if value.is_floating_point() else value for key, value in state.items()}


def mlp(prefix: str, width: int = 512) -> State:
    return {f"{prefix}0.weight": noise(64, width), f"{prefix}0.bias": noise(64), f"{prefix}2.weight": noise(32, 64)}


def classifier(state: State, name: str = "fc", width: int = 512) -> State:
    return {**state, f"{name}.weight": noise(10, width), f"{name}.bias": noise(10)}


def optimiser() -> dict[str, Any]:
    """What torch's SGD leaves in a file."""
    layer = nn.Linear(4, 4)
    optimizer = torch.optim.SGD(layer.parameters(), 0.1, momentum=0.9)
    layer(torch.zeros(1, 4)).sum().backward()
    optimizer.step()
    return optimizer.state_dict()


def saved(path: Path, content: Any, **options: Any) -> Path:
    torch.save(content, path, **options)
    return path


def training(path: Path, state: State, **more: Any) -> Path:
    """`{'epoch', 'arch', 'state_dict', 'optimizer'}` of the PyTorch ImageNet example and all that descend from it."""
    return saved(path, {"epoch": 200, "arch": "resnet50", "state_dict": state, "optimizer": optimiser(), **more})


# ResNets. What is given is a torchvision state dict without classifier.


def torchvision_plain(path: Path, state: State) -> Path:
    return saved(path, OrderedDict(classifier(state)))


def old_pickle(path: Path, state: State) -> Path:
    """Before torch 1.6, and before BatchNorm counted its batches."""
    old = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
    return saved(path, {"state_dict": classifier(under("module.", old))}, _use_new_zipfile_serialization=False)


def safetensors_file(path: Path, state: State) -> Path:
    save_file(classifier(state), path)
    return path


def sharded(path: Path, state: State) -> Path:
    """Hugging Face's index beside its shards."""
    import json

    halves = [dict(list(state.items())[part::2]) for part in range(2)]
    names = [f"model-0000{part + 1}-of-00002.safetensors" for part in range(2)]
    for name, half in zip(names, halves, strict=True):
        save_file(half, path.parent / name)
    weight_map = {key: name for name, half in zip(names, halves, strict=True) for key in half}
    index = path.parent / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": weight_map}))
    return index


def torchscript(path: Path, state: State) -> Path:
    model = copy.deepcopy(resnet())
    model.load_state_dict(state)
    with torch.no_grad():
        torch.jit.trace(model, torch.zeros(1, 3, 64, 64)).save(str(path))
    return path


def moco_v1_v2(path: Path, state: State) -> Path:
    """facebookresearch/moco main_moco.py: query and key encoder, the queue; v2's head has two layers."""
    query = {**state, **mlp("fc.")}
    content = {**under("module.encoder_q.", query), **under("module.encoder_k.", moved(query))}
    return training(path, {**content, "module.queue": noise(128, 64), "module.queue_ptr": torch.zeros(1).long()})


def moco_v3(path: Path, state: State) -> Path:
    """facebookresearch/moco-v3: base and momentum encoder, predictor; the head replaces fc."""
    base = {**state, **mlp("fc.")}
    both = {**under("module.base_encoder.", base), **under("module.momentum_encoder.", moved(base))}
    return training(path, {**both, **mlp("module.predictor.", 64)}, scaler={"scale": 65536.0})


def simsiam(path: Path, state: State) -> Path:
    """facebookresearch/simsiam: `encoder` with its projector in fc."""
    return training(path, {**under("module.encoder.", {**state, **mlp("fc.")}), **mlp("module.predictor.", 64)})


def simclr_backbone(path: Path, state: State) -> Path:
    """sthalles/SimCLR: the head replaces backbone.fc."""
    return training(path, under("backbone.", {**state, **mlp("fc.")}))


def simclr_encoder(path: Path, state: State) -> Path:
    """Spijkervet/SimCLR: a plain state dict with encoder and projector."""
    return saved(path, {**under("encoder.", state), **mlp("projector.")})


def children(state: State, first: int) -> State:
    """The keys of nn.Sequential over a ResNet's children; without pooling the stages come one earlier."""
    places = {"conv1": "0", "bn1": "1", **{f"layer{stage + 1}": str(first + stage) for stage in range(4)}}
    return {f"{places[key.partition('.')[0]]}.{key.partition('.')[2]}": value for key, value in state.items()}


def simclr_sequential(path: Path, state: State) -> Path:
    """leftthomas/SimCLR (memory): for CIFAR, `f` of children without pooling and classifier, projection `g`."""
    return saved(path, {**under("f.", children(state, 3)), **mlp("g.")})


def lightly_lightning(path: Path, state: State) -> Path:
    """lightly's examples: a Lightning checkpoint whose backbone is Sequential(*children[:-1])."""
    state = {**under("backbone.", children(state, 4)), **mlp("projection_head.layers.")}
    callbacks = {"ModelCheckpoint{'monitor': None}": {"best_model_path": "", "best_model_score": noise(1)[0]}}
    return saved(
        path,
        {
            "epoch": 9,
            "global_step": 100,
            "pytorch-lightning_version": "2.1.0",
            "state_dict": state,
            "loops": {"fit_loop": {"state_dict": {}}},
            "callbacks": callbacks,
            "optimizer_states": [optimiser()],
            "lr_schedulers": [],
            "hyper_parameters": argparse.Namespace(lr=0.1, out=Path("out")),
        },
    )


def byol_lucidrains(path: Path, state: State) -> Path:
    """lucidrains/byol-pytorch (memory): the learner's whole state dict."""
    online = {**under("online_encoder.net.", classifier(state)), **mlp("online_encoder.projector.")}
    target = {key.replace("online_encoder", "target_encoder"): value for key, value in moved(online).items()}
    return saved(path, {**under("net.", classifier(state)), **online, **target, **mlp("online_predictor.", 64)})


def byol_networks(path: Path, state: State) -> Path:
    """sthalles/PyTorch-BYOL (memory): two networks side by side."""
    return saved(
        path,
        {
            "online_network_state_dict": {**under("encoder.", state), **mlp("projetion.")},
            "target_network_state_dict": {**under("encoder.", moved(state)), **mlp("projetion.")},
            "optimizer_state_dict": optimiser(),
        },
    )


def barlow_twins(path: Path, state: State) -> Path:
    """facebookresearch/barlowtwins checkpoint.pth."""
    model = {**under("module.backbone.", state), **mlp("module.projector."), "module.bn.running_mean": noise(64)}
    return saved(path, {"epoch": 3, "model": model, "optimizer": optimiser()})


def vicreg(path: Path, state: State) -> Path:
    """facebookresearch/vicreg model.pth."""
    model = {**under("module.backbone.", state), **mlp("module.projector.")}
    return saved(path, {"epoch": 3, "model": model, "optimizer": optimiser()})


def swav(path: Path, state: State) -> Path:
    """facebookresearch/swav: the released file holds the bare state dict."""
    heads = {**mlp("module.projection_head."), "module.prototypes.weight": noise(30, 32)}
    return saved(path, {**under("module.", state), **heads})


def deepcluster_v2(path: Path, state: State) -> Path:
    """facebookresearch/swav main_deepclusterv2.py: several prototypes."""
    heads = {**mlp("module.projection_head."), "module.prototypes.prototypes0.weight": noise(30, 32)}
    return training(path, {**under("module.", state), **heads})


def vissl(path: Path, state: State) -> Path:
    """facebookresearch/vissl, as PIRL was released: trunk and heads inside Classy Vision's state."""
    model = {"trunk": under("_feature_blocks.", state), "heads": mlp("0.clf.")}
    classy = {"base_model": {"model": model, "meta": {}}, "loss": {"queue": noise(4)}, "train": True}
    return saved(path, {"phase_idx": 799, "iteration": 1, "type": "consolidated", "classy_state_dict": classy})


def obow(path: Path, state: State) -> Path:
    """valeoai/obow (memory): student and teacher under a `network`."""
    student, teacher = under("feature_extractor.", state), under("feature_extractor_teacher.", moved(state))
    return saved(path, {"meta": {"epoch": 3}, "network": {**student, **teacher, "bow_extractor.bins": noise(8)}})


def densecl(path: Path, state: State) -> Path:
    """WXinlong/DenseCL on OpenSelfSup: `backbone` is a second name of encoder_q[0]."""
    query = {**under("encoder_q.0.", state), **mlp("encoder_q.1.mlp.")}
    key = {name.replace("encoder_q", "encoder_k"): value for name, value in moved(query).items()}
    more = {**under("backbone.", state), "queue": noise(64, 32), "queue2": noise(64, 32)}
    return saved(path, {"meta": {"epoch": 200}, "state_dict": {**query, **key, **more}, "optimizer": optimiser()})


def pixpro(path: Path, state: State) -> Path:
    """zdaxie/PixPro (memory): encoder, encoder_k and their projectors in `model`."""
    model = {**under("module.encoder.", state), **mlp("module.projector.")}
    model |= {**under("module.encoder_k.", moved(state)), **mlp("module.projector_k.")}
    return saved(path, {"opt": argparse.Namespace(arch="resnet18"), "model": model, "epoch": 100})


def virb_own(path: Path, state: State) -> Path:
    """allenai/ViRB: its converters put `model.` before torchvision's names."""
    return saved(path, under("model.", state))


def compiled(path: Path, state: State) -> Path:
    """DistributedDataParallel around torch.compile around a wrapper of one's own."""
    return saved(path, {"model_state_dict": classifier(under("module._orig_mod.net.module.", state))})


def timm_training(path: Path, state: State) -> Path:
    """timm's train.py: its averaged weights are what is evaluated."""
    return saved(
        path,
        {
            "epoch": 3,
            "arch": "resnet18",
            "state_dict": classifier(moved(state)),
            "state_dict_ema": classifier(state),
            "optimizer": optimiser(),
            "version": 2,
            "args": argparse.Namespace(lr=0.1),
            "metric": 71.0,
        },
    )


def hugging_face_resnet(path: Path, state: State) -> Path:
    """transformers' ResNetForImageClassification."""
    renamed = {}
    for key, value in state.items():
        parts = key.split(".")
        if parts[0] in ("conv1", "bn1"):
            kind = "convolution" if parts[0] == "conv1" else "normalization"
            renamed[f"resnet.embedder.embedder.{kind}.{parts[1]}"] = value
            continue
        place = f"resnet.encoder.stages.{int(parts[0][-1]) - 1}.layers.{parts[1]}"
        if parts[2] == "downsample":
            renamed[f"{place}.shortcut.{('convolution', 'normalization')[int(parts[3])]}.{parts[4]}"] = value
        else:
            kind = "convolution" if parts[2].startswith("conv") else "normalization"
            renamed[f"{place}.layer.{int(parts[2][-1]) - 1}.{kind}.{parts[3]}"] = value
    return saved(path, classifier(renamed, "classifier.1"))


# ViTs. What is given is timm's state dict without classifier.


def dino(path: Path, state: State) -> Path:
    """facebookresearch/dino main_dino.py: student in DDP, teacher without."""
    teacher = {**under("backbone.", state), **mlp("head.mlp.", 192), "head.last_layer.weight_v": noise(64, 32)}
    student = under("module.", moved(teacher))
    rest = {
        "optimizer": optimiser(),
        "epoch": 100,
        "args": argparse.Namespace(arch="vit_tiny"),
        "dino_loss": {"center": noise(1, 64)},
    }
    return saved(path, {"student": student, "teacher": teacher, **rest})


def ibot(path: Path, state: State) -> Path:
    """bytedance/ibot: DINO's file with a token for masked patches."""
    teacher = {**under("backbone.", state), **mlp("head.mlp.", 192)}
    student = under("module.", {**moved(teacher), "backbone.masked_embed": noise(1, 192)})
    return saved(path, {"student": student, "teacher": teacher, "epoch": 3, "ibot_loss": {"center": noise(1, 64)}})


def dinov2(path: Path, state: State) -> Path:
    """facebookresearch/dinov2, a released backbone."""
    return saved(path, {**state, "mask_token": noise(1, 192)})


def dinov2_training(path: Path, state: State) -> Path:
    """facebookresearch/dinov2 in training (memory): teacher and heads, blocks in chunks."""
    chunks = {}
    for key, value in state.items():
        parts = key.split(".")
        chunks[f"blocks.{int(parts[1]) // 4}.{'.'.join(parts[1:])}" if parts[0] == "blocks" else key] = value
    return saved(
        path, {"teacher": {**under("backbone.", chunks), **mlp("dino_head.mlp.", 192), **mlp("ibot_head.mlp.", 192)}}
    )


def dinov2_registers(path: Path, state: State) -> Path:
    """facebookresearch/dinov2 with registers: the class token has a position, and timm's copy has it added."""
    state = dict(state)
    state["register_tokens"] = state.pop("reg_token")
    state["pos_embed"] = torch.cat([torch.zeros(1, 1, 192), state["pos_embed"]], 1)
    return saved(path, {**state, "mask_token": noise(1, 192)})


def msn(path: Path, state: State) -> Path:
    """facebookresearch/msn (memory): the target encoder is evaluated; a projector lies in fc."""
    encoder = {**state, "fc.fc1.weight": noise(64, 192), "fc.bn1.running_mean": noise(64)}
    return saved(
        path,
        {
            "encoder": under("module.", moved(encoder)),
            "target_encoder": under("module.", encoder),
            "prototypes": noise(32, 64),
            "opt": optimiser(),
            "epoch": 3,
        },
    )


def ijepa(path: Path, state: State) -> Path:
    """facebookresearch/ijepa: no class token; predictor and target encoder."""
    predictor = {
        "predictor_embed.weight": noise(96, 192),
        "predictor_blocks.0.norm1.weight": noise(96),
        "mask_token": noise(1, 1, 96),
    }
    return saved(
        path,
        {
            "encoder": under("module.", moved(state)),
            "predictor": under("module.", predictor),
            "opt": optimiser(),
            "scaler": None,
            "target_encoder": under("module.", state),
            "epoch": 3,
            "loss": 0.1,
            "lr": 0.001,
        },
    )


def mae(path: Path, state: State) -> Path:
    """facebookresearch/mae main_pretrain.py: a decoder with blocks of its own."""
    decoder = {
        "mask_token": noise(1, 1, 64),
        "decoder_pos_embed": noise(1, 197, 64),
        "decoder_embed.weight": noise(64, 192),
        "decoder_blocks.0.norm1.weight": noise(64),
        "decoder_blocks.0.attn.qkv.weight": noise(192, 64),
        "decoder_norm.weight": noise(64),
        "decoder_pred.weight": noise(768, 64),
    }
    return saved(
        path, {"model": {**state, **decoder}, "optimizer": optimiser(), "epoch": 3, "args": argparse.Namespace()}
    )


def moco_v3_vit(path: Path, state: State) -> Path:
    """facebookresearch/moco-v3 with a ViT: the projector lies in head."""
    base = {**state, **mlp("head.", 192)}
    both = {**under("module.base_encoder.", base), **under("module.momentum_encoder.", moved(base))}
    return training(path, {**both, **mlp("module.predictor.", 64)})


CLIP_NAMES = (
    ("patch_embed.proj", "conv1"), ("pos_embed", "positional_embedding"), ("cls_token", "class_embedding"),
    ("blocks.", "transformer.resblocks."), ("norm_pre", "ln_pre"), ("attn.qkv.", "attn.in_proj_"),
    ("attn.proj", "attn.out_proj"), ("mlp.fc1", "mlp.c_fc"), ("mlp.fc2", "mlp.c_proj"), ("norm1", "ln_1"),
    ("norm2", "ln_2"), ("norm.", "ln_post."),
)  # fmt: skip


def clip_state(state: State) -> State:
    renamed = {}
    for key, value in state.items():
        new = key
        for ours, theirs in CLIP_NAMES:
            new = new.replace(ours, theirs)
        renamed[new] = value[0, 0] if key == "cls_token" else value[0] if key == "pos_embed" else value
    text = {
        "positional_embedding": noise(77, 64), "text_projection": noise(64, 32), "logit_scale": noise(1)[0],
        "token_embedding.weight": noise(100, 64), "ln_final.weight": noise(64), "ln_final.bias": noise(64),
    }  # fmt: skip
    for block in range(12):
        text[f"transformer.resblocks.{block}.attn.in_proj_weight"] = noise(192, 64)
        text[f"transformer.resblocks.{block}.ln_1.weight"] = noise(64)
    return {**under("visual.", {**renamed, "proj": noise(state["cls_token"].shape[-1], 32)}), **text}


def open_clip(path: Path, state: State) -> Path:
    """mlfoundations/open_clip in training."""
    return saved(
        path, {"epoch": 3, "name": "run", "state_dict": under("module.", clip_state(state)), "optimizer": optimiser()}
    )


def openai_clip(path: Path, state: State) -> Path:
    """openai/CLIP's state dict: half precision, with three numbers as tensors."""
    numbers = {
        "input_resolution": torch.tensor(224),
        "context_length": torch.tensor(77),
        "vocab_size": torch.tensor(49408),
    }
    return saved(path, {**clip_state(state), **numbers})


HF_NAMES = (
    ("cls_token", "embeddings.cls_token"), ("pos_embed", "embeddings.position_embeddings"),
    ("patch_embed.proj", "embeddings.patch_embeddings.projection"), ("blocks.", "encoder.layer."),
    ("attn.proj", "attention.output.dense"),
)  # fmt: skip


def hugging_face(state: State, names: tuple[tuple[str, str], ...]) -> State:
    renamed = {}
    for key, value in state.items():
        new = "layernorm" + key[4:] if key.startswith("norm.") else key
        for ours, theirs in (*HF_NAMES, *names):
            new = new.replace(ours, theirs)
        if "attn.qkv" in new:
            for name, third in zip(("query", "key", "value"), value.chunk(3), strict=True):
                renamed[new.replace("attn.qkv", f"attention.attention.{name}")] = third.clone()
        else:
            renamed[new] = value
    return renamed


VIT_NAMES = (
    ("norm1", "layernorm_before"), ("norm2", "layernorm_after"), ("mlp.fc1", "intermediate.dense"),
    ("mlp.fc2", "output.dense"),
)  # fmt: skip


def hugging_face_vit(path: Path, state: State) -> Path:
    """transformers' ViTForImageClassification."""
    save_file(classifier(under("vit.", hugging_face(state, VIT_NAMES)), "classifier", 192), path)
    return path


def hugging_face_dinov2(path: Path, state: State) -> Path:
    """transformers' Dinov2Model."""
    names = (("ls1.gamma", "layer_scale1.lambda1"), ("ls2.gamma", "layer_scale2.lambda1"))
    renamed = hugging_face(state, names)
    save_file({**renamed, "embeddings.mask_token": noise(1, 192)}, path)
    return path


TV_NAMES = (
    ("cls_token", "class_token"), ("pos_embed", "encoder.pos_embedding"), ("patch_embed.proj", "conv_proj"),
    ("blocks.", "encoder.layers.encoder_layer_"), ("norm1", "ln_1"), ("norm2", "ln_2"),
    ("attn.qkv.", "self_attention.in_proj_"), ("attn.proj", "self_attention.out_proj"), ("mlp.fc1", "mlp.0"),
    ("mlp.fc2", "mlp.3"),
)  # fmt: skip


def torchvision_vit(path: Path, state: State) -> Path:
    """torchvision's VisionTransformer."""
    renamed = {}
    for key, value in state.items():
        new = key.replace("norm.", "encoder.ln.") if key.startswith("norm.") else key
        for ours, theirs in TV_NAMES:
            new = new.replace(ours, theirs)
        renamed[new] = value
    return saved(path, classifier(renamed, "heads.head", 192))


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
