"""Checkpoints: every author's layout gives the bare backbone's features, to the bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from authors_formats import FORMATS, Format

from virb.cards.encoder_names import encoder_card
from virb.encode.architectures import Architecture
from virb.encode.checkpoints import inspect_file


@pytest.mark.parametrize("layout", FORMATS, ids=lambda layout: f"{layout.name}-{layout.arch.partition('(')[0]}")
def test_an_authors_file_gives_the_bare_backbones_features_to_the_bit(tmp_path: Path, layout: Format) -> None:
    model = layout.model()
    path = layout.write(tmp_path / f"weights{layout.suffix}", dict(model.state_dict()))
    report = inspect_file(encoder_card(str(path)))
    assert report.error is None
    encoder = report.encoder
    assert encoder is not None
    images = torch.randn(
        2, 3, encoder.resolve_size(96), encoder.resolve_size(96), generator=torch.Generator().manual_seed(1)
    )
    with torch.inference_mode():
        assert torch.equal(encoder(images)[0], model(images))
    assert report.facts["prefix"] == layout.prefix
    found, wanted = Architecture.parse(encoder.arch), Architecture.parse(layout.arch)
    assert (found.name, dict(found.options)) == (wanted.name, dict(wanted.options))
