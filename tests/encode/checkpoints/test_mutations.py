"""Checkpoints: a file with one backbone tensor lost, renamed or of another shape never loads, and says which."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from authors import resnet, vit
from authors_formats import FORMATS, Format
from authors_resnets import moco_v1_v2, old_pickle
from authors_vits import dino
from mutations import KINDS, TRACELESS, backbone, survives

from virb.cards.encoder_names import encoder_card
from virb.core.errors import CheckpointError
from virb.encode.checkpoints.load import check, load
from virb.encode.checkpoints.safe import read_contents
from virb.encode.checkpoints.understand import Request, recognise, understand


@pytest.mark.parametrize("layout", FORMATS, ids=lambda layout: f"{layout.name}-{layout.arch.partition('(')[0]}")
def test_a_tensor_that_is_lost_renamed_or_reshaped_is_an_error_with_its_name(tmp_path: Path, layout: Format) -> None:
    path = layout.write(tmp_path / f"weights{layout.suffix}", dict(layout.model().state_dict()))
    contents = read_contents(path)
    draw = random.Random(layout.name)
    names = backbone(recognise(path, contents, Request()))
    for kind in KINDS:
        for name in draw.sample(names, 4):
            if TRACELESS.get(name) != kind:
                assert survives(path, contents, name, kind) == ""


@pytest.mark.slow
@pytest.mark.parametrize("write", [moco_v1_v2, dino])
def test_every_single_tensor_is_missed(tmp_path: Path, write: object) -> None:
    model = resnet() if write is moco_v1_v2 else vit()
    path = write(tmp_path / "weights.pth", dict(model.state_dict()))  # type: ignore[operator]
    contents = read_contents(path)
    names = backbone(recognise(path, contents, Request()))
    assert len(names) == len([name for name in model.state_dict() if not name.endswith("num_batches_tracked")])
    assert [why for name in names for kind in KINDS if (why := survives(path, contents, name, kind))] == []


def test_the_exceptions_stand_in_the_record(tmp_path: Path) -> None:
    card = encoder_card(str(old_pickle(tmp_path / "old.pth", dict(resnet().state_dict()))))
    contents = read_contents(Path(card.weights))
    assert not any(name.endswith("num_batches_tracked") for name in contents.tensors)
    load(card, recognise(Path(card.weights), contents, Request()))
    state = dict(vit(img_size=160).state_dict())
    torch.save(state, tmp_path / "grid.pth")
    card = encoder_card(str(tmp_path / "grid.pth"))
    facts = load(card, recognise(Path(card.weights), read_contents(Path(card.weights)), Request())).checkpoint
    assert facts is not None
    assert "positions of a grid 10 x 10, resampled where the view has another" in facts.notes


def test_what_is_allowed_to_be_missing_is_drawn_by_a_fixed_seed_and_stands_in_the_record(tmp_path: Path) -> None:
    state = dict(vit().state_dict())
    lost = state.pop("blocks.3.attn.proj.bias")
    torch.save({**state, "stranger": lost}, tmp_path / "weights.pth")
    card = encoder_card(str(tmp_path / "weights.pth"))
    contents = read_contents(Path(card.weights))
    request = Request(allow=("blocks.3.attn.*", "stranger"))
    first, second = (load(card, recognise(Path(card.weights), contents, request)) for _ in range(2))
    assert first.fingerprint == second.fingerprint
    assert first.checkpoint is not None
    assert first.checkpoint.allowed == ("blocks.3.attn.proj.bias", "stranger")
    with pytest.raises(CheckpointError, match="1 unexpected"):
        load(card, recognise(Path(card.weights), contents, Request(allow=("blocks.3.attn.*",))))


def test_names_of_one_tensor_twice_do_not_make_a_file_larger_than_it_is(tmp_path: Path) -> None:
    state = {key: value.clone() for key, value in vit().state_dict().items()}
    block = {key: value for key, value in state.items() if key.startswith("blocks.0.")}
    for number in range(1, 12):
        state |= {key.replace("blocks.0.", f"blocks.{number}."): value for key, value in block.items()}
    torch.save(state, tmp_path / "weights.pth")
    understood = understand(tmp_path / "weights.pth", Request())
    with pytest.raises(CheckpointError, match="share their numbers"):
        check(understood)


def test_a_whole_number_where_a_weight_belongs_is_an_error(tmp_path: Path) -> None:
    state: dict[str, torch.Tensor] = {**resnet().state_dict(), "bn1.weight": torch.ones(64, dtype=torch.uint8)}
    torch.save(state, tmp_path / "weights.pth")
    understood = understand(tmp_path / "weights.pth", Request())
    with pytest.raises(CheckpointError, match=r"bn1\.weight is of type uint8"):
        check(understood)


def test_half_precision_is_read_and_said(tmp_path: Path) -> None:
    half = {key: value.half() if value.is_floating_point() else value for key, value in resnet().state_dict().items()}
    torch.save(half, tmp_path / "weights.pth")
    card = encoder_card(str(tmp_path / "weights.pth"))
    encoder = load(card, recognise(Path(card.weights), read_contents(Path(card.weights)), Request()))
    assert encoder.checkpoint is not None
    assert encoder.checkpoint.dtype == "float16"
    assert all(value.dtype != torch.float16 for value in encoder.state_dict().values())
