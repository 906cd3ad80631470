"""Show: a picture of what a head answers, named in the record; and that what it shows is what was answered."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from virb.cards.encoder_names import encoder_card
from virb.cards.select import protocol, select_tasks
from virb.cli import main
from virb.core.errors import MissingData
from virb.core.types import IGNORED, Dataset, LabelKind, Labels, Pool, Split
from virb.data.facts import facts_of
from virb.metrics import metric_for
from virb.records.record import Record, read_all, read_record
from virb.run import harness
from virb.run.options import Asked, Options
from virb.run.pictures import prediction_sheet
from virb.run.pictures.answers import Answers, spread
from virb.run.pictures.colours import UNSCORED_FLOW, Scale, class_colours, draw_error, draw_target, error_of
from virb.run.pictures.layout import ALARM, GAP, INK, MARGIN, PAPER, Words, cut, folded
from virb.run.show import show

TASKS = ("pets_seg", "nyu_depth", "kitti_flow", "taskonomy_inpainting", "dtd", "thor_egomotion", "kinetics400")
"""Classes, values, flow, colours; one picture, two, six."""
GREEN = (30, 130, 60)
NAMES = ("left", "right")


@pytest.fixture(scope="module")
def light(small_world: Path) -> Options:
    """Return options with the quick protocol cut short: two epochs, two seeds."""
    rules = protocol("quick")
    assert rules.pixel is not None
    short = rules.model_copy(
        update={
            "image": rules.image.model_copy(update={"epochs": 2, "seeds": 2}),
            "pixel": rules.pixel.model_copy(update={"epochs": 2, "seeds": 2}),
        }
    )
    return replace(Asked(sample=True, workers=0).options(), protocol=short, root=small_world)


def shown(options: Options, out: Path, task: str, count: int = 3) -> tuple[Path, Record]:
    path = show(encoder_card("baseline:pixels"), select_tasks(task), replace(options, out=out), count)
    return path, read_record(path.with_suffix(".json"))


@pytest.fixture(scope="module")
def results(light: Options, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Record, Record]]:
    """Return the picture of a task, and its record before and after it was drawn."""
    done: dict[str, tuple[Path, Record, Record]] = {}

    def of(task: str) -> tuple[Path, Record, Record]:
        if task not in done:
            out = tmp_path_factory.mktemp(task)
            harness.run([encoder_card("baseline:pixels")], select_tasks(task), replace(light, out=out))
            (before,) = read_all(out)[0]
            done[task] = (*shown(light, out, task), before)
        return done[task]

    return of


Results = Callable[[str], tuple[Path, Record, Record]]


@pytest.mark.parametrize("task", TASKS)
def test_the_picture_stands_beside_the_record_and_in_it(results: Results, task: str) -> None:
    path, after, before = results(task)
    assert before.picture is None
    assert after.picture is not None
    assert after.picture.file == path.name == f"{after.stem}.png"
    assert after.picture.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert after.model_copy(update={"picture": None}) == before
    assert [record.stem for record in read_all(path.parents[2])[0]] == [after.stem]
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert picture.mode == "RGB"


@pytest.mark.parametrize("task", ["pets_seg", "dtd"])
def test_without_a_record_the_task_is_evaluated_and_the_picture_is_the_same(
    results: Results, light: Options, tmp_path: Path, task: str
) -> None:
    path, after, before = results(task)
    again, record = shown(light, tmp_path, task)
    assert again.read_bytes() == path.read_bytes()
    assert record.score == before.score
    assert record.picture == after.picture
    assert record.samples == before.samples
    assert (again.parent / record.samples.file).is_file()
    report = harness.run([encoder_card("baseline:pixels")], select_tasks(task), replace(light, out=tmp_path))
    assert [one.picture for one in report.resumed] == [record.picture]


def test_a_card_whose_heads_are_another_task_s_is_shown_too(light: Options, tmp_path: Path) -> None:
    path, record = shown(light, tmp_path, "imagenetv2")
    assert record.task.name == "imagenetv2"
    assert path.is_file()


def test_an_image_level_picture_has_a_frame_for_each_sample_in_the_colour_of_its_answer(
    light: Options, tmp_path: Path
) -> None:
    path, record = shown(light, tmp_path, "clevr_count", count=500)
    sheet = np.asarray(Image.open(path))
    with np.load(path.parent / record.samples.file) as samples:
        right = samples["targets"] == samples["predictions"][0]
    frames = {}
    for colour in (GREEN, ALARM):
        solid = (sheet == colour).all(2)
        run = np.lib.stride_tricks.sliding_window_view(solid, (4, 30)).all((2, 3))
        frames[colour] = int((run & ~np.roll(run, 1, 1) & ~np.roll(run, 1, 0)).sum()) // 2  # top edge and bottom
    assert frames == {GREEN: right.sum(), ALARM: (~right).sum()}


def test_missing_data_is_an_error_and_leaves_no_picture(light: Options, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with pytest.raises(MissingData):
        shown(replace(light, root=tmp_path / "data"), tmp_path / "out", "dtd")
    assert not list(tmp_path.rglob("*.png"))


# The sheet, from arrays made by hand


def toy(folder: Path, kind: LabelKind, frames: int = 1) -> Dataset:
    """Return a data set with two test pictures, gray, 48 x 24."""
    paths = [folder / f"{number}.png" for number in range(2 * frames)]
    for path in paths:
        Image.new("RGB", (48, 24), (120, 120, 120)).save(path)
    pool = Pool("toy", tuple(path.stem for path in paths), tuple(paths))
    test = Split(("a", "b"), np.arange(2 * frames).reshape(2, frames), np.arange(2), np.arange(2))
    none = test.take(np.arange(0))
    labels = Labels(kind, ("a", "b"), tuple(paths[:2]), (0, 0), lambda path, row: np.zeros((24, 48)))
    return Dataset(pool, none, none, test, NAMES if kind == "classes" else (), "toy 1", labels=labels)


def answers(kind: LabelKind, targets: np.ndarray, predictions: np.ndarray) -> Answers:
    known = targets != IGNORED if kind == "classes" else np.isfinite(targets)
    known = known.all(3) if known.ndim == 4 else known
    return Answers(np.arange(2), np.array([0.1, 0.9]), targets, predictions, known)


@pytest.fixture
def sheet(results: Results, tmp_path: Path) -> Callable[..., np.ndarray]:
    """Return a function that draws targets and predictions of the two pictures, as pixels of the sheet."""
    record = results("pets_seg")[1]

    def draw(kind: LabelKind, targets: np.ndarray, predictions: np.ndarray, frames: int = 1) -> np.ndarray:
        found = answers(kind, targets, predictions)
        return np.asarray(prediction_sheet(record, toy(tmp_path, kind, frames), found))

    return draw


def half_maps() -> np.ndarray:
    targets = np.zeros((2, 24, 24), np.int64)
    targets[:, :, 12:] = 1
    return targets


def panel(drawn: np.ndarray, column: int, row: int = 0, width: int = 288, frames: int = 1) -> np.ndarray:
    """Return one panel of a toy's sheet: pictures are gray and twice as wide as high."""
    gray = (drawn == 120).all(2)
    starts = np.flatnonzero(gray[:, MARGIN : MARGIN + width].all(1))
    tops = [int(start) for start in starts if start - 1 not in starts]
    left = MARGIN + column * (width + GAP)
    return drawn[tops[row] : tops[row] + width // 2, left : left + width]


def is_red(pixels: np.ndarray) -> np.ndarray:
    found = pixels.astype(int)
    return np.asarray((found[..., 0] > found[..., 1] + 60) & (found[..., 0] > found[..., 2] + 60))


def test_a_perfect_prediction_shows_no_red_and_looks_like_its_target(sheet: Callable[..., np.ndarray]) -> None:
    drawn = sheet("classes", half_maps(), half_maps())
    for row in (0, 1):
        assert not is_red(panel(drawn, 3, row)).any()
        assert (panel(drawn, 1, row) == panel(drawn, 2, row)).all()
    colours = class_colours(NAMES)
    assert (panel(drawn, 1)[:, :144] == colours[0]).all()
    assert (panel(drawn, 1)[:, 144:] == colours[1]).all()


def test_a_wrong_prediction_is_red_where_it_is_wrong_and_only_there(sheet: Callable[..., np.ndarray]) -> None:
    wrong = half_maps()
    wrong[0, :6, 12:] = 0  # top right quarter, half as high
    red = is_red(panel(sheet("classes", half_maps(), wrong), 3))
    assert red[:36, 144:].all()
    assert not red[36:].any()
    assert not red[:, :144].any()
    assert not is_red(panel(sheet("classes", half_maps(), wrong), 3, row=1)).any()


def test_void_is_hatched_and_never_wrong(sheet: Callable[..., np.ndarray]) -> None:
    targets, wrong = half_maps(), 1 - half_maps()
    targets[:, :, :12] = IGNORED
    error = panel(sheet("classes", targets, wrong), 3)
    assert set(error[:, :144].reshape(-1, 3)[:, 0].tolist()) == {70, 150}
    assert is_red(error[:, 144:]).all()


def test_values_share_a_scale_and_their_error_grows_brighter(sheet: Callable[..., np.ndarray]) -> None:
    targets = np.tile(np.linspace(1.0, 5.0, 24), (2, 24, 1))
    predictions = targets.copy()
    predictions[0] += np.linspace(0.0, 3.0, 24)[:, None]
    targets[:, :3] = np.nan
    drawn = sheet("values", targets, predictions)
    assert (panel(drawn, 1, 1)[18:] == panel(drawn, 2, 1)[18:]).all()
    assert (panel(drawn, 2, 1)[10:] == panel(drawn, 1, 0)[18:20][:1]).all()
    error = panel(drawn, 3).astype(int).sum(2)
    assert set(error[:18].ravel().tolist()) == {3 * 70, 3 * 150}
    assert (np.diff(error[20::6, 40]) >= 0).all()
    assert error[-1, 40] > 600 > 150 > error[20, 40]
    assert panel(drawn, 3, 1)[20:].max() <= 5


def test_flow_shares_a_radius_and_its_error_is_the_length_of_the_difference(sheet: Callable[..., np.ndarray]) -> None:
    targets = np.zeros((2, 24, 24, 2))
    targets[..., 0] = 4.0
    predictions = -targets
    predictions[1] = targets[1]
    targets[:, :6] = np.nan
    drawn = sheet("flow", targets, predictions, frames=2)
    panels = [panel(drawn, column, row, width=280) for row in (0, 1) for column in (2, 3, 4)]
    right, left, off, same, also, none = panels
    assert (right[40:] == (255, 0, 0)).all()
    assert (left[40:] == (0, 255, 255)).all()
    assert (same[40:] == also[40:]).all()
    assert (off[:30] == UNSCORED_FLOW).all()
    assert off[40:].sum(2).min() > 600
    assert none[40:].max() <= 5


def test_errors_are_worked_by_hand() -> None:
    known = np.array([[True, False]])
    assert error_of("classes", np.array([[1, 1]]), np.array([[0, IGNORED]]), known)[0, 0] == 1
    assert error_of("values", np.array([[2.0, 1.0]]), np.array([[5.0, np.nan]]), known)[0, 0] == 3
    colours = error_of("values", np.array([[[0.0, 0.5, 1.0]] * 2]), np.full((1, 2, 3), 0.5), known)
    assert colours[0, 0] == pytest.approx(1 / 3)
    flow = error_of("flow", np.array([[[3.0, 0.0]] * 2]), np.array([[[0.0, 4.0]] * 2]), known)
    assert flow[0, 0] == 5
    assert np.isnan(flow[0, 1])
    picture = np.full((1, 2, 3), 90, np.uint8)
    assert (draw_error("classes", np.array([[0.0, 0.0]]), picture, Scale(0, 1)) == 90).all()


def test_what_the_metric_does_not_look_at_is_not_scored_in_the_picture() -> None:
    depth = torch.full((96, 96), 2.0)
    depth[40, 40], depth[50, 50] = 11.0, torch.nan
    looked = metric_for("delta1", 0, facts_of("nyu", "depth")).counted(depth)
    assert not looked[:9].any()  # the border outside of Eigen's crop
    assert not looked[40, 40]
    assert not looked[50, 50]
    assert looked[60, 60]
    hidden = metric_for("pixel_mae", 0, facts_of("taskonomy", "inpainting")).counted(torch.zeros(3, 224, 224))
    assert hidden.sum() == 96 * 96
    assert hidden[64:160, 64:160].all()
    classes = torch.tensor([[0, IGNORED]], dtype=torch.uint8)
    assert metric_for("miou", 2).counted(classes).tolist() == [[True, False]]
    flow = torch.zeros(2, 1, 2)
    flow[1, 0, 1] = torch.nan
    assert metric_for("epe").counted(flow).tolist() == [[True, False]]


# Which samples


@pytest.mark.parametrize(("name", "worst"), [("delta1", 0.0), ("pixel_mae", 20.0)])
def test_samples_go_from_the_worst_to_the_best_at_even_steps(name: str, worst: float) -> None:
    metric = metric_for(name)
    values = np.random.default_rng(0).permutation(21).astype(float)
    rows, found = spread(metric, np.stack([values, np.ones(21)], 1), "digest", 5)
    steps = [0.0, 5.0, 10.0, 15.0, 20.0]
    assert found.tolist() == (steps if worst == 0 else steps[::-1])
    assert values[rows].tolist() == found.tolist()


def test_samples_with_nothing_to_score_are_left_out_and_equal_ones_drawn_by_the_digest() -> None:
    metric = metric_for("delta1")
    statistics = np.ones((30, 2))
    statistics[:10] = 0.0
    rows, _ = spread(metric, statistics, "one", 6)
    assert len(set(rows.tolist())) == 6
    assert min(rows) >= 10
    assert rows.tolist() == spread(metric, statistics, "one", 6)[0].tolist()
    assert rows.tolist() != spread(metric, statistics, "two", 6)[0].tolist()
    assert len(spread(metric, statistics, "one", 500)[0]) == 20
    assert len(spread(metric, np.zeros((4, 2)), "one", 6)[0]) == 4


# Words


@pytest.mark.parametrize("keep", ["start", "end"])
def test_words_that_do_not_fit_are_cut_with_dots(keep: str) -> None:
    words = Words("Indian elephant, Elephas maximus, of all elephants", keep="start" if keep == "start" else "end")
    assert cut(words, 1000) == words.text
    short = cut(words, 120)
    assert words.font.getlength(short) <= 120
    assert short.startswith("Indian") if keep == "start" else short.endswith("elephants")
    assert ".." in short
    assert all(words.font.getlength(line.text) <= 120 for line in folded(words, 120))
    assert [line.text for line in folded(replace(words, text="short"), 120)] == ["short"]
    (one,) = folded(replace(words, text="x" * 300), 120)
    assert ".." in one.text


def test_long_names_stay_inside_the_sheet_and_do_not_run_into_each_other(results: Results, tmp_path: Path) -> None:
    record = results("pets_seg")[1]
    long = record.model_copy(
        update={"encoder": record.encoder.model_copy(update={"name": "-".join(["encoder"] * 12) + "x" * 80})}
    )
    dataset = replace(toy(tmp_path, "classes"), labels=None, classes=("a very long name of a class, " * 9, "b" * 400))
    found = Answers(np.arange(2), np.zeros(2), np.arange(2), 1 - np.arange(2), np.ones(2, bool))
    drawn = np.asarray(prediction_sheet(long, dataset, found))
    assert (drawn[:, -MARGIN + 2 :] == PAPER).all()
    assert (drawn[:, : MARGIN - 2] == PAPER).all()
    tile = MARGIN + 248 + 1  # the gap between the two tiles
    under = np.flatnonzero((drawn == ALARM).all(2).any(1)).max()
    assert (drawn[under - 60 : under, tile : tile + GAP - 2] == PAPER).all()
    assert (drawn == INK).all(2).any()


# The command


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("show pets_sge -e baseline:color --sample", "did you mean 'pets_seg'"),
        ("show pets_seg,dtd -e baseline:color --sample", "stands for 2 tasks"),
        ("show image -e baseline:color --sample", "name one"),
        ("show dtd -e baseline:color -e baseline:pixels --sample", "2 encoders were given"),
        ("show dtd -e baseline:colour --sample", "baseline"),
        ("show dtd -e baseline:color --data nowhere", "no data folder nowhere"),
    ],
)
def test_wrong_use_says_what_was_found_expected_and_to_be_done(
    line: str, words: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(line.split()) in (1, 2)
    error = capsys.readouterr().err
    assert words in error
    assert "Expected: " in error
    assert "What to do: " in error


def test_an_encoder_without_maps_cannot_be_shown_on_pixels(light: Options, tmp_path: Path) -> None:
    class Flat(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.mean((2, 3))

    with pytest.raises(Exception, match="returns no maps") as caught:
        show(Flat(), select_tasks("pets_seg"), replace(light, out=tmp_path))
    assert "What to do: " in str(caught.value)


def test_the_command_prints_where_the_picture_is(
    small_world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = f"show clevr_count -e baseline:color --data {small_world} --protocol quick --seeds 1 --count 2 --workers 0"
    assert main([*line.split(), "--out", str(tmp_path)]) == 0
    path = Path(capsys.readouterr().out.strip())
    assert path.is_file()
    assert path.parent.parent == tmp_path / "records"


def test_classes_of_one_colour_with_the_error_are_told_apart_by_its_swatch() -> None:
    red = draw_target("classes", np.zeros((2, 2), np.uint8), Scale(0, 1), np.array([[214, 39, 40]], np.uint8))
    gray = np.full((2, 2, 3), 140, np.uint8)
    wrong = draw_error("classes", np.ones((2, 2)), gray, Scale(0, 1))
    assert not (red == wrong).all()
