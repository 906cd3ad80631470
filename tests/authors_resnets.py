"""Checkpoint files of ResNets as authors' code writes them: wrapper, heads and extra entries included, random weights.

Each function says whose layout it is. Those marked (memory) were written down without the authors' code or file at
hand; the others follow from a library that is installed here or from the checkpoint's own well-known key names.
"""

from __future__ import annotations

import argparse
import copy
from collections import OrderedDict
from pathlib import Path

import torch
from authors import State, classifier, mlp, moved, noise, optimiser, resnet, saved, training, under
from safetensors.torch import save_file

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
