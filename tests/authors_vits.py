"""Checkpoint files of ViTs as authors' code writes them: wrapper, heads and extra entries included, random weights.

Each function says whose layout it is. Those marked (memory) were written down without the authors' code or file at
hand; the others follow from a library that is installed here or from the checkpoint's own well-known key names.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from authors import State, classifier, mlp, moved, noise, optimiser, saved, training, under
from safetensors.torch import save_file

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
