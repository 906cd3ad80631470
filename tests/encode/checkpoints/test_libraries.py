"""Checkpoints: other libraries' own modules are answered to the bit by timm's, and nothing is left out in silence."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from authors_formats import FORMATS, Format
from libraries import LIBRARIES, SLOW, Library, same
from mutations import KINDS, backbone, survives

from virb.cards.encoder_names import encoder_card
from virb.encode.architectures import Architecture
from virb.encode.checkpoints import inspect_file
from virb.encode.checkpoints.safe import read_contents
from virb.encode.checkpoints.understand import Request, recognise, understand

ALL = [
    *(pytest.param(layout, id=name) for name, layout in LIBRARIES.items()),
    *(pytest.param(layout, id=name, marks=pytest.mark.slow) for name, layout in SLOW.items()),
]
EVERY = [
    *(pytest.param(layout, id=f"{layout.name}-{layout.arch.partition('(')[0]}") for layout in FORMATS),
    *ALL,
]


@pytest.mark.parametrize("layout", ALL)
def test_a_librarys_file_gives_its_own_modules_features_to_the_bit(tmp_path: Path, layout: Library) -> None:
    model = layout.model()
    path = layout.write(tmp_path / f"weights{layout.suffix}", dict(model.state_dict()))
    report = inspect_file(encoder_card(str(path)))
    assert report.error is None
    encoder = report.encoder
    assert encoder is not None
    images = torch.randn(2, 3, layout.size, layout.size, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        assert same(encoder(images)[0], model(images), model)
    assert report.facts["prefix"] == layout.prefix
    found, wanted = Architecture.parse(encoder.arch), Architecture.parse(layout.arch)
    assert (found.name, dict(found.options)) == (wanted.name, dict(wanted.options))
    assert encoder.checkpoint is not None
    for note in layout.notes:
        assert any(note in said for said in encoder.checkpoint.notes), note


@pytest.mark.parametrize("layout", ALL)
def test_a_librarys_tensor_that_is_lost_renamed_or_reshaped_is_an_error_with_its_name(
    tmp_path: Path, layout: Library
) -> None:
    path = layout.write(tmp_path / f"weights{layout.suffix}", dict(layout.model().state_dict()))
    contents = read_contents(path)
    names = backbone(recognise(path, contents, Request()))
    for kind in KINDS:
        for name in names[:: max(1, len(names) // 5)]:
            assert survives(path, contents, name, kind) == ""


@pytest.mark.parametrize("layout", EVERY)
def test_every_tensor_of_a_file_is_taken_or_said_to_be_left_out(tmp_path: Path, layout: Format) -> None:
    path = layout.write(tmp_path / f"weights{layout.suffix}", dict(layout.model().state_dict()))
    understood = understand(path, Request())
    one = understood.matching
    taken = {key for name in one.wanted if name in one.found for key in one.origin[name].split(" + ")}
    assert understood.faults() == []
    assert len(taken) + sum(understood.dropped.values()) == len(understood.contents.tensors)
