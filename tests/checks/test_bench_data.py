"""Bench: both readers that `virb bench data` compares see the same pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from virb.checks.bench.data import MEAN, STD, original, photo_files, pixel_difference
from virb.core.types import Pool, View
from virb.data.images import read_image, squash
from virb.encode.features import normalise


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    return photo_files(tmp_path_factory.mktemp("photos"), 4)


@pytest.mark.parametrize("size", [96, 224])
def test_both_readers_agree_within_one_of_255(photos: Pool, size: int) -> None:
    largest, mean = pixel_difference(photos, size)
    assert largest <= 1
    assert mean < 0.01


def test_normalised_pictures_agree_within_the_same_distance(photos: Pool) -> None:
    images = torch.stack([squash(read_image(photos, row), 224) for row in range(len(photos))])
    found = normalise(images, View("squash", 224, MEAN, STD))
    wanted = torch.stack([original(224)(path) for path in photos.paths])
    assert (found - wanted).abs().max() <= 1.01 / 255 / min(STD)


def test_the_pictures_cost_a_decoder_about_what_photos_do(photos: Pool) -> None:
    for path in photos.paths:
        with Image.open(path) as image:
            assert (image.size, image.mode) == ((500, 375), "RGB")
        assert 40_000 < path.stat().st_size < 120_000, "a photo of this size and quality"


def test_the_same_pictures_are_written_again(photos: Pool, tmp_path: Path) -> None:
    again = photo_files(tmp_path, 2)
    for one, two in zip(photos.paths, again.paths, strict=False):
        assert one.read_bytes() == two.read_bytes()
