"""Backbones: names to frozen encoders; real download code runs against caches filled by hand."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn

from virb.cards.encoder import EncoderCard
from virb.cards.encoder_names import all_encoders, encoder_card
from virb.core.errors import CheckpointError, UsageError
from virb.encode.architectures import create
from virb.encode.encoder import TimmBody, from_module
from virb.encode.load import load_encoder


def images(size: int = 64) -> torch.Tensor:
    return torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("arch", "width", "maps"),
    [
        ("resnet18", 512, ((64, 2), (64, 4), (128, 8), (256, 16), (512, 32))),
        ("convnext_atto", 320, ((40, 4), (80, 8), (160, 16), (320, 32))),
        ("vit_tiny_patch16_224", 192, ((192, 16),) * 4),
        ("efficientnet_b0", 1280, ((16, 2), (24, 4), (40, 8), (112, 16), (320, 32))),
    ],
)
def test_one_forward_gives_the_embedding_and_maps_from_fine_to_coarse(
    arch: str, width: int, maps: tuple[tuple[int, int], ...]
) -> None:
    encoder = load_encoder(encoder_card(f"random:{arch}"))
    assert encoder.shape.width == width
    assert encoder.shape.maps == maps
    with torch.inference_mode():
        alone, none = encoder(images(96))
        pooled, levels = encoder(images(96), maps=True)
        plain = encoder.body.model(images(96))
    assert none == []
    torch.testing.assert_close(alone, pooled)
    torch.testing.assert_close(pooled, plain)  # without a classifier a timm model returns its embedding
    assert [tuple(level.shape) for level in levels] == [
        (2, channels, 96 // stride, 96 // stride) for channels, stride in maps
    ]


def test_random_weights_are_drawn_by_seed_and_leave_the_global_state_alone() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    prints = [
        load_encoder(encoder_card(name)).fingerprint
        for name in ("random:resnet18", "random:resnet18@0", "random:resnet18@1")
    ]
    assert prints[0] == prints[1] != prints[2]
    assert torch.equal(before, torch.get_rng_state())


def test_random_residual_blocks_are_not_cut_out() -> None:
    model = load_encoder(encoder_card("random:resnet18")).body.model
    assert all(block.bn2.weight.abs().min() > 0 for block in model.layer1)


@pytest.mark.parametrize("change", ["weight", "mean", "size"])
def test_the_fingerprint_changes_with_weights_and_view(change: str) -> None:
    model = timm.create_model("resnet18", num_classes=0)
    card = EncoderCard(name="one", title="", weights="module")
    before = from_module(card, model).fingerprint
    assert from_module(card.model_copy(update={"title": "another", "name": "two"}), model).fingerprint == before
    if change == "weight":
        model.layer3[0].bn1.running_mean[5] += 1e-6
    changed = {"mean": {"mean": (0.5, 0.5, 0.5)}, "size": {"size": 192}}.get(change, {})
    assert from_module(card.model_copy(update=changed), model).fingerprint != before


def test_an_encoder_takes_sizes_that_divide_by_its_patch_or_its_only_one() -> None:
    free = load_encoder(encoder_card("random:vit_small_patch14_dinov2"))
    assert [free.resolve_size(size) for size in (96, 224)] == [98, 224]
    fixed = load_encoder(encoder_card("random:mixer_s32_224"))
    assert fixed.resolve_size(96) == 224


def test_torchvision_weights_fill_timms_architecture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(5)
    model = torchvision.models.resnet18().eval()
    hub = tmp_path / "hub" / "checkpoints"
    hub.mkdir(parents=True)
    torch.save(model.state_dict(), hub / "resnet18-f37072fd.pth")  # the name torchvision looks for
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    encoder = load_encoder(encoder_card("torchvision:resnet18.IMAGENET1K_V1"))
    model.fc = nn.Identity()
    with torch.inference_mode():
        torch.testing.assert_close(encoder(images())[0], model(images()))


def test_timm_weights_come_from_the_hubs_cache_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub.constants

    torch.manual_seed(6)
    model = timm.create_model("resnet18").eval()
    snapshot = tmp_path / "models--timm--resnet18.a1_in1k" / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (snapshot.parent.parent / "refs").mkdir()
    (snapshot.parent.parent / "refs" / "main").write_text("0" * 40)
    save_file(model.state_dict(), snapshot / "model.safetensors")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    encoder = load_encoder(encoder_card("timm:resnet18.a1_in1k"))
    model.reset_classifier(0)
    with torch.inference_mode():
        torch.testing.assert_close(encoder(images())[0], model(images()))


def test_weights_that_cannot_be_fetched_say_so_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(CheckpointError, match="cannot fetch timm:resnet18") as caught:
        load_encoder(encoder_card("timm:resnet18.a1_in1k"))
    assert "--encoder FILE" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("random:resnt18", "did you mean 'resnet18'"),
        ("random:resnet18@x", "no seed"),
        ("timm:resnet18.nonsense", "resnet18.a1_in1k"),
        ("torchvision:resnet19", "did you mean 'resnet18'"),
        ("torchvision:resnet18.V9", "IMAGENET1K_V1"),
        ("baseline:pixel", "did you mean 'pixels'"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(name: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_encoder(encoder_card(name))
    assert words in str(caught.value)


class Averages(nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images[:, :, ::8, ::8]


def test_a_module_of_ones_own_is_averaged_over_its_map() -> None:
    encoder = load_encoder(Averages())
    assert encoder.card.name == "Averages"
    assert encoder.shape.width == 3
    torch.testing.assert_close(encoder(images())[0], images()[:, :, ::8, ::8].mean((2, 3)))
    assert [tuple(level.shape) for level in encoder(images(), maps=True)[1]] == [(2, 3, 8, 8)]


def test_modules_that_share_weights_and_compute_different_things_have_different_fingerprints() -> None:
    layer = nn.Conv2d(3, 4, 3)
    average, largest = (
        nn.Sequential(layer, pool(1), nn.Flatten()) for pool in (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)
    )
    assert load_encoder(average).weights_hash == load_encoder(largest).weights_hash
    assert load_encoder(average).fingerprint != load_encoder(largest).fingerprint
    assert load_encoder(average).fingerprint == load_encoder(average).fingerprint


def test_a_module_that_needs_contiguous_maps_gets_them() -> None:
    class Flat(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.view(len(images), -1)[:, :30]

    assert load_encoder(Flat()).shape.width == 30


def test_a_module_with_an_odd_class_name_is_an_encoder_too() -> None:
    class _Été(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.mean((2, 3))

    assert load_encoder(_Été()).card.title == "_Été"


def test_a_module_of_ones_own_stays_trainable() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)).train()
    encoder = load_encoder(module)
    assert not encoder.training
    assert not any(part.training for part in encoder.modules())
    assert module.training
    assert all(parameter.requires_grad for parameter in module.parameters())


def test_a_module_that_returns_something_else_is_refused_with_what_it_returned() -> None:
    class Several(nn.Module):
        def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"features": images}

    with pytest.raises(CheckpointError, match="it returned dict"):
        load_encoder(Several())


def test_every_cards_architecture_can_be_built_and_gives_an_embedding_and_maps() -> None:
    """Without a number: what timm renames or takes back is found here, and not by whoever fetches the weights."""
    named = {card.weights for card in all_encoders() if re.match("(timm|random):", card.weights)}
    architectures = {weights.partition(":")[2].split(".")[0].partition("@")[0] for weights in named}
    assert len(architectures) > 20
    for name in sorted(architectures):
        with torch.device("meta"):
            body = TimmBody(create(name)).eval()
            embed = next((module for module in body.modules() if hasattr(module, "strict_img_size")), None)
            size = int(embed.img_size[0]) if embed is not None and embed.img_size else 224  # type: ignore[index,arg-type]
            pooled, maps = body(torch.empty(1, 3, size, size), True)
        assert pooled.shape == (1, body.model.num_features), name
        assert 4 <= len(maps) <= 5, name
        assert all(fine.shape[-1] >= coarse.shape[-1] for fine, coarse in itertools.pairwise(maps)), name
