"""Checkpoints: plain state dicts are understood, everything else is refused, and nothing in a file ever runs."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from virb.cards.encoder_names import encoder_card
from virb.core.errors import CheckpointError, VirbError
from virb.encode.load import load_encoder


def saved(path: Path, arch: str = "resnet18", **changes: object) -> Path:
    torch.manual_seed(0)
    state = timm.create_model(arch).state_dict()
    torch.save({**state, **changes}, path)
    return path


@pytest.mark.parametrize("arch", ["resnet18", "resnet34", "resnet50"])
def test_a_plain_state_dict_tells_its_own_architecture(tmp_path: Path, arch: str) -> None:
    encoder = load_encoder(encoder_card(str(saved(tmp_path / "weights.pt", arch))))
    torch.manual_seed(0)
    model = timm.create_model(arch).eval()
    model.reset_classifier(0)
    images = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(encoder(images)[0], model(images))
    assert encoder.arch == arch
    assert encoder.card.name == "weights"


def test_safetensors_and_a_state_dict_inside_a_checkpoint_are_the_same_encoder(tmp_path: Path) -> None:
    torch.manual_seed(0)
    state = timm.create_model("resnet18").state_dict()
    save_file(state, tmp_path / "one.safetensors")
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "two.pth.tar")
    torch.save(state, tmp_path / "three.pth", _use_new_zipfile_serialization=False)
    prints = {load_encoder(encoder_card(str(path))).fingerprint for path in tmp_path.iterdir()}
    assert len(prints) == 1


def test_a_missing_tensor_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = saved(tmp_path / "weights.pt")
    state = torch.load(path)
    del state["layer2.1.conv2.weight"]
    torch.save(state, path)
    with pytest.raises(CheckpointError, match=r"1 missing \(layer2\.1\.conv2\.weight\)"):
        load_encoder(encoder_card(str(path)))


def test_a_tensor_that_belongs_to_another_network_is_an_error(tmp_path: Path) -> None:
    path = saved(tmp_path / "weights.pt", **{"layer1.0.se.fc1.weight": torch.zeros(4, 4)})
    with pytest.raises(CheckpointError, match="1 unexpected"):
        load_encoder(encoder_card(str(path)))


def test_weights_with_nan_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "weights.pt", **{"layer1.0.conv1.weight": torch.full((64, 64, 3, 3), float("nan"))})
    with pytest.raises(CheckpointError, match=r"layer1\.0\.conv1\.weight holds NaN"):
        load_encoder(encoder_card(str(path)))


class Trap:
    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(Trap.place),)

    place = Path()


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_file_is_refused_by_name_and_never_runs(tmp_path: Path, zipped: bool) -> None:
    Trap.place = tmp_path / "sprung"
    path = tmp_path / "weights.pt"
    torch.save({"state_dict": Trap()}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match="mkdir") as caught:
        load_encoder(encoder_card(str(path)))
    assert not Trap.place.exists()
    assert "torch.save(model.state_dict()" in str(caught.value)


def empty_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "no weights here")


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"PK\x03\x04 broken"),
        lambda path: path.write_text("<html>404</html>"),
        lambda path: path.write_bytes(os.urandom(300)),
        lambda path: torch.save([1, 2, 3], path),
        lambda path: torch.save({}, path),
        lambda path: torch.save({"epoch": 3, "note": "no weights"}, path),
        lambda path: torch.save({"net": torch.zeros(3)}, path),
        lambda path: torch.save(torch.zeros(3), path),
        empty_zip,
    ],
)
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_what_is_no_checkpoint_is_an_error_in_three_parts(tmp_path: Path, make: object, suffix: str) -> None:
    path = tmp_path / f"weights{suffix}"
    make(path)  # type: ignore[operator]
    with pytest.raises(VirbError) as caught:
        load_encoder(encoder_card(str(path)))
    assert str(path) in caught.value.found
    assert caught.value.expected
    assert caught.value.remedy


def test_a_truncated_file_is_an_error(tmp_path: Path) -> None:
    path = saved(tmp_path / "weights.pt")
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match=r"weights\.pt is not .* most often a download was cut short"):
        load_encoder(encoder_card(str(path)))


def test_a_card_can_pin_the_hash_of_its_file(tmp_path: Path) -> None:
    saved(tmp_path / "weights.pt")
    card = tmp_path / "mine.yaml"
    card.write_text(f"name: mine\ntitle: Mine\nweights: weights.pt\nsha256: {'a' * 64}\n")
    with pytest.raises(CheckpointError, match="has sha256"):
        load_encoder(encoder_card(str(card)))
