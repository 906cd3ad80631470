"""Encode: decoding against Pillow, folding against the plain forward, and what a bad file or a small device does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from torch import nn

from virb.cards.encoder import EncoderCard
from virb.cards.encoder_names import encoder_card
from virb.core.errors import DataError, NumericsError
from virb.core.types import Images, Numerics, Pool, View
from virb.data.images import decoded, read_image, squash
from virb.encode import features as encode_module
from virb.encode.encoder import Encoder, from_module, hash_weights
from virb.encode.features import Pass, choose_numerics, normalise, pack_maps, prepare, unpack_maps
from virb.encode.folding import fold_batch_norms
from virb.encode.load import load_encoder

CPU = torch.device("cpu")
VIEW = View("squash", 64, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
NUMERICS = Numerics("cpu", "float32", folded=True, chunk=4)


def picture(path: Path, size: tuple[int, int] = (90, 70), seed: int = 0, mode: str = "RGB", **options: object) -> Path:
    """Write a smooth random picture, so that JPEG keeps it."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).convert(mode).save(path, **options)
    return path


def pool_of(paths: list[Path]) -> Pool:
    return Pool("test", tuple(map(str, range(len(paths)))), tuple(paths))


def every(paths: list[Path]) -> tuple[Pool, np.ndarray]:
    return pool_of(paths), np.arange(len(paths))


def encode(model: Encoder, pool: Pool, rows: np.ndarray, view: View, numerics: Numerics) -> torch.Tensor:
    return torch.cat([pooled for pooled, _ in Pass(model, Images(pool, rows, view, numerics), CPU).chunks()])


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    return [picture(tmp_path / f"{number}.jpg", seed=number) for number in range(10)]


def lively(arch: str) -> nn.Module:
    """Return a timm model whose BatchNorms have seen something: running statistics far from 0 and 1."""
    torch.manual_seed(0)
    model = timm.create_model(arch, num_classes=0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.uniform_(-0.5, 0.5)
    return model.eval()


def encoder(arch: str = "resnet18") -> Encoder:
    return from_module(EncoderCard(name=arch, title=arch, weights="module"), lively(arch))


def test_decoding_and_squashing_agree_with_pillow(images: list[Path]) -> None:
    for path in images:
        with Image.open(path) as image:
            wanted = np.asarray(image.convert("RGB").resize((64, 64), Image.Resampling.BILINEAR)).astype(int)
        found = squash(read_image(pool_of([path]), 0), 64).permute(1, 2, 0).numpy().astype(int)
        assert np.abs(found - wanted).max() <= 2
        assert np.abs(found - wanted).mean() < 0.3


@pytest.mark.parametrize(
    ("name", "mode", "options"),
    [
        ("grey.jpg", "L", {}),
        ("cmyk.jpg", "CMYK", {}),
        ("rgba.png", "RGBA", {}),
        ("palette.png", "P", {}),
        ("grey.png", "L", {}),
        ("picture.bmp", "RGB", {}),
        ("png_called.jpg", "RGB", {"format": "PNG"}),
        ("interlaced.gif", "P", {}),
    ],
)
def test_odd_pictures_are_read_as_pillow_reads_them(
    tmp_path: Path, name: str, mode: str, options: dict[str, str]
) -> None:
    path = picture(tmp_path / name, mode=mode, **options)
    with Image.open(path) as image:
        wanted = np.asarray(image.convert("RGB")).astype(int)
    found = read_image(pool_of([path]), 0).permute(1, 2, 0).numpy().astype(int)
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= 4


@pytest.mark.parametrize("name", ["cut.jpg", "cut.png"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_a_truncated_picture_is_an_error_that_names_the_file(tmp_path: Path, name: str, share: float) -> None:
    path = picture(tmp_path / name, size=(200, 160))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(DataError, match=name):
        read_image(pool_of([path]), 0)


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"\xff\xd8\xff\xe0" + b"\0" * 40])
def test_what_is_no_picture_is_an_error_that_names_the_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd.jpg"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"odd\.jpg"):
        read_image(pool_of([path]), 0)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_broken_picture_in_a_batch_is_the_same_error_from_any_process(
    images: list[Path], tmp_path: Path, workers: int
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(images[0].read_bytes()[:200])
    with pytest.raises(DataError, match=r"broken\.jpg") as caught:
        list(decoded(*every([*images[:5], broken, *images[5:]]), 64, 4, workers))
    assert "Traceback" not in str(caught.value)


@pytest.mark.parametrize("workers", [0, 2])
def test_every_image_is_decoded_once_in_order(images: list[Path], workers: int) -> None:
    batches = list(decoded(*every(images), 64, 4, workers))
    assert [len(batch) for batch in batches] == [4, 4, 2]
    for path, found in zip(images, torch.cat(batches), strict=True):
        assert torch.equal(found, squash(read_image(pool_of([path]), 0), 64))


@pytest.mark.parametrize(
    "arch", ["resnet18", "efficientnet_b0", "regnetx_002", "convnext_atto", "mobilenetv3_small_050"]
)
def test_folding_changes_no_output(arch: str, generator: torch.Generator) -> None:
    plain = encoder(arch)
    inputs = torch.randn(3, 3, 64, 64, generator=generator)
    folded = fold_batch_norms(plain, inputs[:2])
    with torch.inference_mode():
        wanted, found = plain(inputs, maps=True), folded(inputs, maps=True)
    for one, two in zip([wanted[0], *wanted[1]], [found[0], *found[1]], strict=True):
        assert (one - two).abs().max() <= 1e-4 * one.abs().max()


def test_folding_removes_every_batch_norm_of_a_resnet() -> None:
    folded = fold_batch_norms(encoder(), torch.randn(2, 3, 64, 64))
    assert not [module for module in folded.modules() if isinstance(module, nn.BatchNorm2d)]


class Shared(nn.Module):
    """A convolution whose output is used before its BatchNorm too: folding it would be wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)
        self.bn.running_mean.fill_(3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        convolved = self.conv(images)
        return torch.cat([convolved, self.bn(convolved)], 1)


def test_folding_is_dropped_where_it_would_change_the_answer() -> None:
    plain = from_module(EncoderCard(name="shared", title="", weights="module"), Shared())
    assert fold_batch_norms(plain, torch.randn(2, 3, 64, 64)) is plain


def test_features_are_those_of_the_plain_model_on_pillow_pixels(images: list[Path]) -> None:
    model = lively("resnet18")
    card = EncoderCard(name="resnet18", title="", weights="module")
    found = encode(from_module(card, model), *every(images), VIEW, NUMERICS)
    mean, std = (torch.tensor(values)[:, None, None] for values in (VIEW.mean, VIEW.std))
    for path, row in zip(images, found, strict=True):
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB").resize((64, 64), Image.Resampling.BILINEAR))
        inputs = (torch.from_numpy(pixels.copy()).permute(2, 0, 1) / 255 - mean) / std
        with torch.inference_mode():
            wanted = model(inputs[None])[0]
        assert (row - wanted).norm() < 0.02 * wanted.norm()


@pytest.mark.parametrize("arch", ["resnet18", "vit_tiny_patch16_224"])
def test_features_of_an_image_are_the_same_bits_whatever_its_neighbours(images: list[Path], arch: str) -> None:
    model = encoder(arch) if arch == "resnet18" else load_encoder(encoder_card(f"random:{arch}"))
    whole = encode(model, *every(images), VIEW, NUMERICS)
    part = encode(model, pool_of(images), np.arange(3, 9, 2), VIEW, NUMERICS)
    assert torch.equal(part, whole[3:9:2])


def test_an_encoder_is_the_same_after_encoding(images: list[Path]) -> None:
    model = encoder()
    before = hash_weights(model)
    encode(model, *every(images), VIEW, NUMERICS)
    assert hash_weights(model) == before, "BatchNorm statistics are part of the hash"
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert not model.train().training, "a frozen encoder cannot be put into training mode"


def test_out_of_memory_halves_the_batch_and_goes_on(images: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    model = encoder()
    wanted = encode(model, *every(images), VIEW, NUMERICS)
    sizes: list[int] = []

    class Small(nn.Module):
        def __init__(self, body: nn.Module) -> None:
            super().__init__()
            self.body = body

        def forward(self, inputs: torch.Tensor, maps: bool) -> object:
            sizes.append(len(inputs))
            if len(inputs) > 2:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return self.body(inputs, maps)

    monkeypatch.setattr(encode_module, "prepare", lambda *arguments: Small(prepare(*arguments)))
    found = encode(model, *every(images), VIEW, NUMERICS)
    assert max(sizes) == 4
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


def test_a_chunk_that_overflows_half_precision_is_done_again_in_full(images: list[Path]) -> None:
    class Loud(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 1, bias=False)
            nn.init.constant_(self.conv.weight, 1e5)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.conv(images.abs())

    loud = from_module(EncoderCard(name="loud", title="", weights="module"), Loud())
    half = Numerics("cpu", "float16", folded=True, chunk=4)
    found = encode(loud, *every(images), VIEW, half)
    assert torch.isfinite(found).all()
    assert found.max() > 65504


def test_an_encoder_that_returns_nan_is_named(images: list[Path]) -> None:
    class Broken(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.mean((2, 3)) * float("nan")

    broken = from_module(EncoderCard(name="broken", title="", weights="module"), Broken())
    with pytest.raises(NumericsError, match="encoder broken returned NaN or infinity for 4 of 4"):
        encode(broken, *every(images), VIEW, NUMERICS)


def test_half_precision_is_chosen_on_a_gpu_only() -> None:
    assert choose_numerics(CPU, 224).precision == "float32"
    assert choose_numerics(torch.device("cuda"), 224).precision == "float16"
    assert choose_numerics(CPU, 224).chunk == 8
    assert choose_numerics(CPU, 96).chunk == 16
    assert choose_numerics(CPU, 1024).chunk == 1


def test_the_baselines_answer_what_is_known(tmp_path: Path) -> None:
    path = tmp_path / "red.png"
    Image.new("RGB", (50, 40), (255, 0, 0)).save(path)
    view = View("squash", 64, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    pixels = encode(load_encoder(encoder_card("baseline:pixels")), *every([path]), view, NUMERICS)
    assert pixels.shape == (1, 768)
    torch.testing.assert_close(pixels.view(3, 256).mean(1), torch.tensor([1.0, 0.0, 0.0]))
    color = encode(load_encoder(encoder_card("baseline:color")), *every([path]), view, NUMERICS)
    assert color.shape == (1, 64)
    assert color[0].argmax() == 3 * 16
    assert color.sum() == 1


def test_maps_come_back_as_the_encoder_made_them_to_half_precision(images: list[Path]) -> None:
    model = encoder()
    levels = model.levels(64)
    assert [(level.channels, level.height) for level in levels] == [(64, 32), (64, 16), (128, 8), (256, 4), (512, 2)]
    batches = list(Pass(model, Images(*every(images), VIEW, NUMERICS, (0, 1, 2, 3, 4)), CPU).chunks())
    pooled = torch.cat([batch for batch, _ in batches])
    assert torch.equal(pooled, encode(model, *every(images), VIEW, NUMERICS))
    found = unpack_maps(torch.cat([packed for _, packed in batches]), levels)
    inputs = normalise(torch.stack([squash(read_image(pool_of(images), row), 64) for row in range(10)]), VIEW)
    for level, wanted in zip(found, model(inputs, maps=True)[1], strict=True):
        torch.testing.assert_close(level, wanted, rtol=2e-3, atol=2e-3)


def test_a_map_beyond_half_precision_is_cut_and_stays_finite() -> None:
    packed = pack_maps([torch.tensor([[[[1e6, -1e6, 2.0]]]])], 1)
    assert packed.tolist() == [[65504.0, -65504.0, 2.0]]
