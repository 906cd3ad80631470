"""virb.features: what analyses outside the harness get of an encoder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import virb
from virb.cards.select import select_tasks
from virb.core.errors import DataError, UsageError
from virb.core.types import View
from virb.data.images import read_image, squash
from virb.encode.features import normalise
from virb.run.options import Asked
from virb.run.tasks import prepare

VIEW = View("squash", 96, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def test_the_features_of_a_split_are_those_of_its_pictures_in_their_order(small_world: Path) -> None:
    found = virb.features("random:resnet18", "dtd", "val", data=small_world, protocol="quick", maps=True, workers=0)
    (item,), _ = prepare(select_tasks("dtd"), Asked(data=small_world, protocol="quick").options())
    split, pool = item.dataset.val, item.dataset.pool
    assert found.ids == split.ids
    assert found.targets.tolist() == split.targets.tolist()
    assert found.pooled.shape == (len(split), 512)
    encoder = virb.Encoder("random:resnet18")
    for place in (0, len(split) - 1):
        picture = squash(read_image(pool, int(split.index[place, 0])), 96)
        view = replace(VIEW, mean=encoder.mean, std=encoder.std)
        with torch.inference_mode():
            pooled, maps = encoder(normalise(picture[None], view), maps=True)
        torch.testing.assert_close(found.pooled[place], pooled[0], rtol=1e-3, atol=1e-3)
        for level, wanted in zip(found.maps(np.array([place])), maps, strict=True):
            torch.testing.assert_close(level, wanted, rtol=1e-2, atol=1e-2)


def test_samples_of_several_frames_keep_them_apart(small_world: Path) -> None:
    found = virb.features("baseline:pixels", "thor_egomotion", data=small_world, protocol="quick", workers=0)
    assert found.pooled.shape == (len(found.ids), 2, 768)
    assert found.maps() == []


def test_files_are_encoded_without_any_data_set(tmp_path: Path) -> None:
    files = []
    for number, colour in enumerate([(255, 0, 0), (0, 0, 255)]):
        Image.new("RGB", (40, 30), colour).save(path := tmp_path / f"{number}.png")
        files.append(path)
    found = virb.features("baseline:color", files, workers=0)
    assert found.ids == tuple(map(str, files))
    assert found.pooled.argmax(1).tolist() == [3 * 16, 3]
    assert found.targets.tolist() == [-1, -1]


@pytest.mark.parametrize(
    ("images", "split", "told"),
    [
        ("dtd", "tset", "did you mean 'test'"),
        ("dtd,pets", "test", "2 tasks were given"),
        ([], "test", "no picture was given"),
        (["nowhere.png"], "test", "there is no picture nowhere.png"),
    ],
)
def test_what_cannot_be_meant_is_an_error(small_world: Path, images: str | list[str], split: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        virb.features("baseline:color", images, split, data=small_world)


def test_a_pattern_of_several_encoders_is_an_error(small_world: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.pt").write_bytes(b"")
    with pytest.raises(UsageError, match="2 encoders were given"):
        virb.features(str(tmp_path / "*.pt"), "dtd", data=small_world)


def test_data_that_are_not_there_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        virb.features("baseline:color", "dtd", data=tmp_path)
