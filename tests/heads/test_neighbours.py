"""Neighbours: the same predictions as scikit-learn's, ties included, whatever the chunks and the device."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier
from torch import nn

import virb
from virb.cards.protocol import Neighbours, Protocol
from virb.cli import main
from virb.core.errors import NumericsError
from virb.core.types import Features, Split
from virb.heads.fit import FittedNeighbours, NeighbourProbe, neighbours
from virb.heads.fit.stack import Matrix
from virb.metrics import METRICS

CPU = torch.device("cpu")


def split(rows: np.ndarray, targets: np.ndarray, frames: int = 1) -> Split:
    index = rows.reshape(-1, frames)
    return Split(tuple(f"{rows[0]}-{place}" for place in range(len(index))), index, targets, np.arange(len(index)))


def world(count: int = 600, width: int = 24, classes: int = 7, frames: int = 1) -> tuple[Features, Split, Split, Split]:
    """Return clusters that overlap, so that no number of neighbours is right everywhere."""
    random = np.random.default_rng(3)
    targets = random.integers(0, classes, count)
    centres = random.normal(size=(classes, frames * width))
    pooled = centres[targets] + 2.5 * random.normal(size=(count, frames * width))
    features = Features(np.arange(count * frames), torch.from_numpy(pooled.reshape(-1, width)).float())
    rows = np.arange(count * frames).reshape(count, frames)
    parts = [
        split(rows[chosen].ravel(), targets[chosen], frames)
        for chosen in np.split(np.arange(count), [count * 2 // 3, count * 5 // 6])
    ]
    return features, *parts


def fit(features: Features, train: Split, val: Split, *counts: int) -> FittedNeighbours:
    return NeighbourProbe(Neighbours(neighbours=counts), 7, METRICS["top1"], CPU).fit(features, train, val)


def inputs(features: Features, part: Split) -> np.ndarray:
    return features.pooled.double().numpy()[part.index].reshape(len(part), -1)


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("count", [1, 2, 5, 20])
def test_the_predictions_are_those_of_scikit_learn(count: int, frames: int) -> None:
    features, train, val, test = world(frames=frames)
    reference = KNeighborsClassifier(count, metric="cosine", algorithm="brute").fit(
        inputs(features, train), train.targets
    )
    fitted = fit(features, train, val, count)
    predicted = torch.cat([outputs[0] for outputs, _ in fitted.answers(features, test)]).argmax(1).numpy()
    assert (predicted == reference.predict(inputs(features, test))).all()


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    features, train, _, test = world()
    matrix, asked = Matrix(features, train, CPU), features.pooled[test.index[:, 0]]
    whole = neighbours.nearest_targets(matrix, asked, 30)
    monkeypatch.setattr(neighbours, "_COLUMNS", 17)
    assert torch.equal(neighbours.nearest_targets(matrix, asked, 30), whole)


def test_of_samples_alike_the_earlier_is_nearer_and_of_classes_alike_the_first_wins() -> None:
    pooled = torch.tensor([[1.0, 0.0]] * 4 + [[2.0, 0.0]])
    train = split(np.arange(4), np.array([3, 1, 3, 1]))
    matrix = Matrix(Features(np.arange(5), pooled), train, CPU)
    nearest = neighbours.nearest_targets(matrix, pooled[4:], 3)
    assert nearest.tolist() == [[3, 1, 3]]
    assert neighbours.votes(nearest[:, :2], 5).argmax(1).item() == 1
    assert neighbours.votes(nearest, 5).argmax(1).item() == 3
    assert neighbours.votes(nearest, 5).topk(5).indices.tolist() == [[3, 1, 0, 2, 4]], "the fifth guess is settled too"


def test_the_number_of_neighbours_is_the_one_that_does_best_on_validation() -> None:
    features, train, val, _ = world()
    counts = (1, 5, 20, 50)
    fitted = fit(features, train, val, *counts)
    scores = [
        KNeighborsClassifier(count, metric="cosine", algorithm="brute")
        .fit(inputs(features, train), train.targets)
        .score(inputs(features, val), val.targets)
        for count in counts
    ]
    assert fitted.choice.validation == pytest.approx(
        [100 * score for score in scores] if max(fitted.choice.validation) > 1 else scores
    )
    assert fitted.choice.setting.neighbours == counts[int(np.argmax(scores))]


def test_no_more_neighbours_are_asked_than_there_are_samples() -> None:
    features, train, val, _ = world(count=60)
    fitted = fit(features, train, val, 1, 100, 500)
    assert [setting.neighbours for setting in fitted.choice.settings] == [1, 40]


def test_features_that_are_not_finite_are_an_error() -> None:
    features, train, val, _ = world(count=60)
    features.pooled[3, 0] = float("nan")
    with pytest.raises(NumericsError, match="NaN"):
        fit(features, train, val, 1)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_predicts_the_same() -> None:
    features, train, val, test = world()
    answers = []
    for device in (CPU, torch.device("cuda")):
        there = Features(features.rows, features.pooled.to(device))
        training = Neighbours(neighbours=(1, 5, 20))
        fitted = NeighbourProbe(training, 7, METRICS["top1"], device).fit(there, train, val)
        answers.append(torch.cat([outputs[0] for outputs, _ in fitted.answers(there, test)]).argmax(-1).cpu())
    assert torch.equal(*answers)


@pytest.mark.parametrize("more", ["choice: none", "published: true", "neighbours: []"])
def test_a_protocol_of_neighbours_has_nothing_else(tmp_path: Path, more: str) -> None:
    lines = {"choice": "choice: validation", "published": "published: false", "neighbours": "neighbours: [1]"}
    lines[more.partition(":")[0]] = more
    (tmp_path / "mine.yaml").write_text(
        "\n".join(["name: mine", "title: Mine", "version: 1", "size: 96", *lines.values()])
    )
    with pytest.raises(virb.VirbError, match="neighbours"):
        Protocol.read(tmp_path / "mine.yaml")


def test_protocols_that_train_heads_keep_their_digest() -> None:
    from virb.cards.select import protocol
    from virb.core.digest import digest

    card = protocol("quick")
    assert card.digest() == digest(card.model_dump(mode="json", exclude={"title", "neighbours"}))


def test_the_probe_measures_image_tasks_and_names_the_others(
    sample_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["evaluate", "-e", "baseline:color", "--sample", "--probe", "knn", "--out", str(tmp_path), "--limit", "40"]
    assert main([*line, "--tasks", "dtd,pixel-semantic"]) == 0
    said = capsys.readouterr()
    assert "protocol knn_quick" in said.out
    assert "left out: cityscapes" in said.err
    assert main([*line, "--tasks", "pets_seg"]) == 1
    assert "does not train pixel-wise heads" in capsys.readouterr().err
    table = virb.load_results(tmp_path)
    assert set(table.task) == {"dtd"}
    assert set(table.protocol) == {"knn_quick"}


def test_a_module_of_ones_own_is_probed_from_python(sample_root: Path, tmp_path: Path) -> None:
    table = virb.evaluate(
        nn.AdaptiveAvgPool2d(2), "dtd", sample=True, probe="knn", out=tmp_path, limit=40, save_heads=True
    )
    assert list(table.status) == ["measured"]


def test_a_probe_goes_with_no_protocol(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "-e", "baseline:color", "--sample", "--probe", "knn", "--protocol", "quick"]) == 2
    assert main(["evaluate", "-e", "baseline:color", "--sample", "--probe", "knnn"]) == 2
    assert "one of heads, knn" in capsys.readouterr().err
