"""Architectures: read off names and shapes; every known model is told from its neighbours by its own tensors."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import timm
import torch
from authors import noise, saved

from virb.cards.encoder_names import encoder_card
from virb.checks.bench.load import described
from virb.core.errors import CheckpointError, UsageError
from virb.encode.architectures import Architecture, create
from virb.encode.checkpoints.architecture import infer
from virb.encode.checkpoints.naming import Family
from virb.encode.checkpoints.shapes import shapes_of
from virb.encode.checkpoints.tables import blocks, sketches
from virb.encode.checkpoints.understand import Request, recognise
from virb.encode.checkpoints.vits import Hints
from virb.encode.load import load_encoder

ROWS = [(family, name) for family, table in sketches().items() for name in table]
RESNETS = """
resnet18 resnet34 resnet50 resnet101 resnet152 wide_resnet50_2 wide_resnet101_2 resnext50_32x4d resnext101_32x8d
resnext101_64x4d resnet26 resnet26d resnet50c resnet50d resnet101d resnet152d resnet50t resnet14t resnet200
""".split()
VITS = """
vit_tiny_patch16_224 vit_small_patch16_224 vit_small_patch32_224 vit_small_patch8_224 vit_base_patch8_224
vit_base_patch16_224 vit_base_patch32_224 vit_base_patch16_384 vit_large_patch16_224 vit_large_patch14_224
vit_huge_patch14_224 vit_giant_patch14_224 vit_gigantic_patch14_224 vit_small_patch14_dinov2 vit_base_patch14_dinov2
vit_large_patch14_dinov2 vit_giant_patch14_dinov2 vit_small_patch14_reg4_dinov2 vit_giant_patch14_reg4_dinov2
vit_base_patch16_clip_224 vit_base_patch32_clip_224 vit_large_patch14_clip_224 vit_huge_patch14_clip_224
vit_gigantic_patch14_clip_224 vit_huge_patch14_gap_224 vit_base_patch16_gap_224 deit3_base_patch16_224
""".split()


def facts(name: str) -> tuple[object, ...]:
    """Return what a ViT computes beyond its shapes."""
    with torch.device("meta"):
        model = create(name)
    norm = model.blocks[0].norm1
    return model.blocks[0].attn.num_heads, norm.eps, model.global_pool, type(model.blocks[0].mlp.act).__name__


@pytest.mark.slow
@pytest.mark.parametrize(("family", "name"), ROWS)
def test_every_known_model_is_found_from_its_own_tensors(family: Family, name: str) -> None:
    depths, width = sketches()[family][name]
    shapes = shapes_of(name)
    found = infer(family, shapes, Hints())
    assert found is not None
    assert shapes_of(str(found)) == shapes
    own = {found[0] for key in shapes if (found := re.match(blocks(family), key))}
    assert sum(depths) == len(own)
    assert width in {shape[0] for shape in shapes.values() if shape}


@pytest.mark.parametrize("name", RESNETS)
def test_a_resnet_is_found_with_its_width_groups_and_stem(name: str) -> None:
    found = infer("resnet", shapes_of(name), Hints())
    assert found is not None
    assert shapes_of(str(found)) == shapes_of(name)
    if re.fullmatch(r"resnet\d+|wide_\w+|resnext\w+", name) and name != "resnet200":
        assert str(found) == name


@pytest.mark.parametrize("name", VITS)
def test_a_vit_is_found_with_its_patch_tokens_and_heads(name: str) -> None:
    found = infer("vit", shapes_of(name), Hints())
    assert found is not None
    assert shapes_of(str(found)) == shapes_of(name)
    assert facts(str(found)) == facts(name)


@pytest.mark.parametrize(
    "name", ["resnet152", "vit_gigantic_patch14_224", "efficientnet_b7", "swin_large_patch4_window7_224"]
)
def test_a_large_network_is_found_behind_its_wrappers(name: str) -> None:
    contents = described(name)  # names and shapes only
    understood = recognise(Path("weights.pth"), contents, Request())
    assert (understood.faults(), understood.container, understood.prefix) == ([], "state_dict", "module.")


@pytest.mark.parametrize(
    "name", ["convnext_atto", "convnextv2_atto", "efficientnet_b0", "regnety_002", "swin_tiny_patch4_window7_224"]
)
def test_timms_own_files_of_other_families_load_by_themselves(tmp_path: Path, name: str) -> None:
    torch.manual_seed(6)
    model = timm.create_model(name).eval()
    encoder = load_encoder(encoder_card(str(saved(tmp_path / "weights.pth", model.state_dict()))))
    model.reset_classifier(0)
    size = 224 if name.startswith("swin") else 64
    images = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        assert torch.equal(encoder(images)[0], model(images))
    assert encoder.arch == name


def facebooks_convnext(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """facebookresearch/ConvNeXt's names (memory)."""
    names = (
        (r"stem\.(.*)", r"downsample_layers.0.\1"), (r"stages\.(\d)\.downsample\.(.*)", r"downsample_layers.\1.\2"),
        (r"stages\.(\d)\.blocks\.(\d+)\.conv_dw\.(.*)", r"stages.\1.\2.dwconv.\3"),
        (r"stages\.(\d)\.blocks\.(\d+)\.mlp\.fc([12])\.(.*)", r"stages.\1.\2.pwconv\3.\4"),
        (r"stages\.(\d)\.blocks\.(\d+)\.(.*)", r"stages.\1.\2.\3"), (r"head\.norm\.(.*)", r"norm.\1"),
        (r"head\.fc\.(.*)", r"head.\1"),
    )  # fmt: skip
    renamed = {}
    for key, value in state.items():
        pattern, new = next((pattern, new) for pattern, new in names if re.fullmatch(pattern, key))
        renamed[re.sub(pattern, new, key)] = value
    return renamed


def test_the_authors_convnext_and_swin_and_torchvisions_convnext_load_by_themselves(tmp_path: Path) -> None:
    import torchvision

    torch.manual_seed(6)
    convnext = timm.create_model("convnext_tiny").eval()
    path = saved(tmp_path / "convnext.pth", {"model": facebooks_convnext(dict(convnext.state_dict()))})
    assert load_encoder(encoder_card(str(path))).arch == "convnext_tiny"
    theirs = torchvision.models.convnext_tiny(weights=None).eval()
    encoder = load_encoder(encoder_card(str(saved(tmp_path / "tv.pth", theirs.state_dict()))))
    images = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    theirs.classifier[2] = torch.nn.Identity()
    with torch.inference_mode():
        torch.testing.assert_close(encoder(images)[0], theirs(images))
    swin = timm.create_model("swin_tiny_patch4_window7_224")
    state = {
        re.sub(r"layers\.(\d)\.downsample", lambda found: f"layers.{int(found[1]) - 1}.downsample", key): value
        for key, value in swin.state_dict().items()
    }
    state["layers.0.blocks.1.attn_mask"] = noise(64, 49, 49)
    path = saved(tmp_path / "swin.pth", {"model": state})
    assert load_encoder(encoder_card(str(path))).arch == "swin_tiny_patch4_window7_224"


def test_clips_own_resnet_is_pooled_by_its_attention(tmp_path: Path) -> None:
    torch.manual_seed(6)
    model = timm.create_model("resnet50_clip", num_classes=0).eval()
    state = {}
    for key, value in model.state_dict().items():
        key = re.sub(r"stem\.conv(\d)\.conv", r"conv\1", re.sub(r"stem\.conv(\d)\.bn", r"bn\1", key))
        key = re.sub(r"stages\.(\d)", lambda found: f"layer{int(found[1]) + 1}", key)
        key = re.sub(r"conv(\d)_(?:1x1|kxk)\.conv", r"conv\1", re.sub(r"conv(\d)_(?:1x1|kxk)\.bn", r"bn\1", key))
        key = key.replace("shortcut.conv.conv", "downsample.0").replace("shortcut.conv.bn", "downsample.1")
        key = re.sub(r"head\.([qkv])\.", r"attnpool.\1_proj.", key).replace(
            "head.pos_embed", "attnpool.positional_embedding"
        )
        state[f"visual.{key}"] = value
    state |= {"visual.attnpool.c_proj.weight": noise(1024, 2048), "logit_scale": noise(1)[0]}
    encoder = load_encoder(encoder_card(str(saved(tmp_path / "RN50.pt", state))))
    images = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        assert torch.equal(encoder(images)[0], model(images))
    assert encoder.arch == "resnet50_clip"
    assert encoder.mean[0] == pytest.approx(0.48145466)


def test_the_view_follows_the_format(tmp_path: Path) -> None:
    from authors import vit
    from authors_vits import dinov2, hugging_face_vit

    card = encoder_card(str(hugging_face_vit(tmp_path / "weights.safetensors", dict(vit().state_dict()))))
    assert load_encoder(card).mean == (0.5, 0.5, 0.5)
    (tmp_path / "preprocessor_config.json").write_text('{"image_mean": [0.485, 0.456, 0.406], "image_std": [1, 2, 3]}')
    assert load_encoder(card).std == (1.0, 2.0, 3.0)
    (tmp_path / "preprocessor_config.json").write_text('{"image_mean": [0.485, 0.456], "image_std": [1, 2, NaN]}')
    assert load_encoder(card).std == (0.5, 0.5, 0.5)
    fourteen = dict(vit(patch_size=14, img_size=112, init_values=1e-5).state_dict())
    encoder = load_encoder(encoder_card(str(dinov2(tmp_path / "weights.pth", fourteen))))
    assert [encoder.resolve_size(size) for size in (96, 224)] == [98, 224]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("resnt50", "did you mean 'resnet50'"),
        ("resnet50(", "no name with options"),
        ("resnet50(layers)", "not of the form name=value"),
        ("resnet50(layers=__import__('os'))", "not of the form name=value"),
        ("resnet50(layrs=(1, 1, 1, 1))", "did you mean 'layers'"),
        ("resnet50(stem_width=99999999)", "cannot be 99999999"),
        ("vit_tiny_patch16_224(num_heads=5)", "timm cannot build it"),
    ],
)
def test_a_text_that_is_no_architecture_says_why(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=re.escape(words)):
        create(text)


def test_an_architecture_and_its_text_are_the_same() -> None:
    one = Architecture("vit_tiny_patch16_224", {"patch_size": 8, "init_values": 1e-5, "global_pool": "avg"})
    assert Architecture.parse(str(one)) == one
    assert str(Architecture.parse("resnet50")) == "resnet50"


def test_what_is_of_no_known_architecture_loads_when_it_is_named(tmp_path: Path) -> None:
    torch.manual_seed(6)
    model = timm.create_model("mixer_s32_224").eval()
    card = encoder_card(
        str(saved(tmp_path / "weights.pth", {"net": {"a.b." + k: v for k, v in model.state_dict().items()}}))
    )
    with pytest.raises(CheckpointError, match="no architecture known here") as caught:
        load_encoder(card)
    assert "--arch" in caught.value.remedy
    encoder = load_encoder(card.model_copy(update={"arch": "mixer_s32_224"}))
    model.reset_classifier(0)
    images = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        assert torch.equal(encoder(images)[0], model(images))
