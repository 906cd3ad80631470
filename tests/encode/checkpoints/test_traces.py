"""Checkpoints: what is lost, changed or taken by convention stands in the report and in the record, or is an error."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from authors import resnet, saved, vit
from authors_resnets import old_pickle
from authors_vits import dinov2, dinov2_registers, hugging_face_vit
from libraries import LIBRARIES, REGISTERS, same, timm_registers

from virb.cards.encoder_names import encoder_card
from virb.core.errors import CheckpointError, UsageError
from virb.encode.checkpoints import inspect_file, load_file
from virb.encode.encoder import Encoder
from virb.encode.load import check_encoder, load_encoder


def notes(path: Path) -> tuple[str, ...]:
    """Return what the record would say, after making sure that the report says the same."""
    report = inspect_file(encoder_card(str(path)))
    assert report.error is None
    assert report.encoder is not None
    assert report.encoder.checkpoint is not None
    assert report.facts["notes"] == report.encoder.checkpoint.notes
    assert "; ".join(report.encoder.checkpoint.notes) in report.text()
    return report.encoder.checkpoint.notes


def without(path: Path, *names: str) -> Path:
    state = torch.load(path)
    return saved(path, {key: value for key, value in state.items() if key not in names})


REGISTERLESS = "no register tokens in the file: taken for a network that was trained without them"


def test_registers_that_were_dropped_from_dinov2s_own_file_leave_a_trace(tmp_path: Path) -> None:
    path = dinov2_registers(tmp_path / "weights.pth", dict(vit(**REGISTERS).state_dict()))
    assert REGISTERLESS not in notes(path)
    assert "the class token's position was added to the class token, as timm has it beside registers" in notes(path)
    whole = load_file(encoder_card(str(path)))
    without(path, "register_tokens")
    assert REGISTERLESS in notes(path)
    assert load_file(encoder_card(str(path))).fingerprint != whole.fingerprint


def test_registers_that_were_dropped_from_timms_file_are_an_error_unless_allowed(tmp_path: Path) -> None:
    path = without(timm_registers(tmp_path / "weights.pth", dict(vit(**REGISTERS).state_dict())), "reg_token")
    card = encoder_card(str(path))
    with pytest.raises(CheckpointError, match=r"1 missing \(reg_token\)") as caught:
        load_file(card)
    assert "--allow-missing" in caught.value.remedy
    encoder = load_file(card.model_copy(update={"allow_missing": ("reg_token",)}))
    assert encoder.checkpoint is not None
    assert encoder.checkpoint.allowed == ("reg_token",)


@pytest.mark.parametrize("name", ["register_tokens", "reg_token"])
def test_registers_of_another_name_are_an_error(tmp_path: Path, name: str) -> None:
    write = dinov2_registers if name == "register_tokens" else timm_registers
    path = write(tmp_path / "weights.pth", dict(vit(**REGISTERS).state_dict()))
    state = torch.load(path)
    state["storage"] = state.pop(name)
    saved(path, state)
    with pytest.raises(CheckpointError, match="unexpected"):
        load_file(encoder_card(str(path)))


def test_a_network_without_registers_says_so_and_one_without_layer_scale_does_not(tmp_path: Path) -> None:
    plain = {"patch_size": 14, "img_size": 112, "init_values": 1e-5}
    assert REGISTERLESS in notes(dinov2(tmp_path / "weights.pth", dict(vit(**plain).state_dict())))
    assert REGISTERLESS not in notes(saved(tmp_path / "vit.pth", dict(vit().state_dict())))


def test_what_is_computed_anew_or_was_never_counted_is_said(tmp_path: Path) -> None:
    counts = "BatchNorm's counts of batches are not in the file: no number depends on them"
    assert counts in notes(old_pickle(tmp_path / "old.pth", dict(resnet().state_dict())))
    assert counts not in notes(saved(tmp_path / "new.pth", dict(resnet().state_dict())))
    layout = LIBRARIES["beit"]
    path = layout.write(tmp_path / "beit.pth", dict(layout.model().state_dict()))
    assert inspect_file(encoder_card(str(path))).facts["dropped"] == {"blocks": 3, "head": 2}


def test_known_stems_are_said(tmp_path: Path) -> None:
    deep = timm.create_model("resnet18d", num_classes=0)
    found = notes(saved(tmp_path / "deep.pth", deep.state_dict()))
    assert any("stem of three convolutions" in note for note in found)
    assert any("ResNet-D" in note for note in found)
    assert notes(saved(tmp_path / "usual.pth", dict(resnet().state_dict()))) == ()


def test_positions_of_a_grid_that_is_no_square_ask_for_its_sides(tmp_path: Path) -> None:
    torch.manual_seed(4)
    model = timm.create_model(
        "vit_tiny_patch16_224", num_classes=0, img_size=(96, 160), depth=2, dynamic_img_size=True
    ).eval()
    card = encoder_card(str(saved(tmp_path / "weights.pth", model.state_dict())))
    with pytest.raises(CheckpointError, match="pos_embed 1 x 61 x 192") as caught:
        load_file(card)
    assert "--arch 'vit_tiny_patch16_224(depth=2, img_size=(HEIGHT, WIDTH))'" in caught.value.remedy
    encoder = load_file(card.model_copy(update={"arch": "vit_tiny_patch16_224(depth=2, img_size=(96, 160))"}))
    images = torch.randn(2, 3, 96, 160, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        assert torch.equal(encoder(images)[0], model(images))
        assert torch.equal(encoder(images[..., :96])[0], model(images[..., :96]))
    assert encoder.checkpoint is not None
    assert "positions of a grid 6 x 10, resampled where the view has another" in encoder.checkpoint.notes
    assert encoder.resolve_size(224) == 224


def test_an_activation_is_taken_from_the_config_beside_the_file(tmp_path: Path) -> None:
    layout = LIBRARIES["transformers clip"]
    path = layout.write(tmp_path / "model.safetensors", dict(layout.model().state_dict()))
    quick = load_file(encoder_card(str(path)))
    (tmp_path / "config.json").write_text(json.dumps({"vision_config": {"hidden_act": "gelu"}}))
    encoder = load_file(encoder_card(str(path)))
    assert "quickgelu" in quick.arch
    assert "quickgelu" not in encoder.arch
    assert "GELU, as config.json beside the file says" in notes(path)
    for broken in ("[", "[1]", '{"vision_config": 3}', '{"hidden_act": 7}'):
        (tmp_path / "config.json").write_text(broken)
        assert load_file(encoder_card(str(path))).arch == quick.arch


def test_a_transformers_vit_says_where_its_numbers_are_not_the_authors(tmp_path: Path) -> None:
    path = hugging_face_vit(tmp_path / "weights.safetensors", dict(vit().state_dict()))
    assert any("transformers has 1e-12" in note for note in notes(path))


# torchvision's own weights, by name


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return torch's own cache, in an empty folder."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def by_name(hub: Path, name: str, head: str) -> tuple[Encoder, torch.nn.Module]:
    """Return an encoder and torchvision's module, whose untrained weights lie where its trained ones would."""
    torch.manual_seed(3)
    model = getattr(torchvision.models, name)(weights=None).eval()
    weights = torchvision.models.get_model_weights(name).DEFAULT
    torch.save(model.state_dict(), hub / os.path.basename(weights.url))
    owner, _, last = head.rpartition(".")
    setattr(model.get_submodule(owner), last, torch.nn.Identity())
    return load_encoder(encoder_card(f"torchvision:{name}")), model


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("resnet18", "fc"),
        ("regnet_y_400mf", "fc"),
        pytest.param("vit_b_16", "heads.head", marks=pytest.mark.slow),
        pytest.param("efficientnet_v2_l", "classifier.1", marks=pytest.mark.slow),
    ],
)
def test_a_torchvision_name_gives_torchvisions_features_to_the_bit(hub: Path, name: str, head: str) -> None:
    encoder, model = by_name(hub, name, head)
    images = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        assert same(encoder(images)[0], model(images), model)
    assert encoder.card.name == f"torchvision-{name}"
    view = torchvision.models.get_model_weights(name).DEFAULT.transforms()
    assert (encoder.mean, encoder.std) == (tuple(view.mean), tuple(view.std))


def test_a_file_in_torchs_cache_is_read_as_safely_as_any(hub: Path) -> None:
    url = torchvision.models.ResNet18_Weights.DEFAULT.url
    torch.save(torchvision.models.resnet18(weights=None), hub / os.path.basename(url))
    with pytest.raises(CheckpointError, match="which is code and is never run"):
        load_encoder(encoder_card("torchvision:resnet18"))


@pytest.mark.parametrize("name", ["alexnet", "googlenet", "resnet51", "vgg16"])
def test_a_torchvision_model_that_timm_lacks_is_refused_before_it_is_fetched(hub: Path, name: str) -> None:
    with pytest.raises(UsageError, match=f"'{name}' is no model of torchvision's that timm has too"):
        check_encoder(encoder_card(f"torchvision:{name}"))
    assert not list(hub.iterdir())
