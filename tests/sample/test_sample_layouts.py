"""The sample world in its owners' layouts, parsed here from the files alone."""

import json
import re
from collections import Counter

import numpy as np
from PIL import Image

from virb.data.classes import DTD, THOR_ACTIONS
from virb.sample.sets import WRITERS


def test_textures_lie_as_dtd_lays_them(small):
    top = small / "dtd"
    assert {path.name for path in top.iterdir()} == {"images", "labels"}
    assert {path.name for path in (top / "images").iterdir()} == set(DTD)
    listed = []
    for split in ("train", "val", "test"):
        lines = (top / "labels" / f"{split}1.txt").read_text().splitlines()
        assert len(lines) == 47
        assert all(re.fullmatch(r"([a-z-]+)/\1_\d{4}\.jpg", line) for line in lines)
        listed += lines
    found = {str(path.relative_to(top / "images")) for path in (top / "images").rglob("*.jpg")}
    assert len(listed) == len(set(listed))
    assert set(listed) == found
    with Image.open(top / "images" / listed[0]) as picture:
        assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", (128, 128))


def test_tabletops_lie_as_clevr_lays_them(small):
    top = small / "CLEVR_v1.0"
    for split, expected in (("train", 19), ("val", 10)):
        scenes = json.loads((top / "scenes" / f"CLEVR_{split}_scenes.json").read_text())
        assert scenes["info"]["split"] == split
        names = [scene["image_filename"] for scene in scenes["scenes"]]
        assert names == [f"CLEVR_{split}_{number:06d}.png" for number in range(expected)]
        assert sorted(path.name for path in (top / "images" / split).iterdir()) == names
        for scene in scenes["scenes"]:
            assert scene["split"] == split
            assert 3 <= len(scene["objects"]) <= 10
            keys = {"shape", "size", "material", "color", "rotation", "3d_coords", "pixel_coords"}
            assert all(set(thing) == keys for thing in scene["objects"])
            with Image.open(top / "images" / split / scene["image_filename"]) as picture:
                assert (picture.format, picture.mode, picture.size) == ("PNG", "RGBA", (144, 96))
                assert picture.getextrema()[3] == (255, 255)


def test_pixel_coordinates_lie_on_the_thing_they_belong_to(small):
    """A yellow thing's pixel is yellow, and so on, unless something stands in front of it."""
    top = small / "CLEVR_v1.0"
    strong = {"red": (1, 0, 0), "blue": (0, 0, 1), "cyan": (0, 1, 1), "yellow": (1, 1, 0), "green": (0, 1, 0)}
    right = total = 0
    for scene in json.loads((top / "scenes" / "CLEVR_train_scenes.json").read_text())["scenes"]:
        with Image.open(top / "images" / "train" / scene["image_filename"]) as picture:
            pixels = np.asarray(picture).astype(int)
        for thing in scene["objects"]:
            if thing["color"] in strong and thing["material"] == "rubber":
                column, row, _ = thing["pixel_coords"]
                colour = pixels[row, column, :3]
                wanted = np.array(strong[thing["color"]], bool)
                right += colour[wanted].min() > colour[~wanted].max()
                total += 1
    assert total >= 10
    assert right / total > 0.85


def test_relationships_agree_with_where_things_are_in_the_picture(small):
    scenes = json.loads((small / "CLEVR_v1.0" / "scenes" / "CLEVR_train_scenes.json").read_text())["scenes"]
    for scene in scenes:
        things, related = scene["objects"], scene["relationships"]
        assert set(related) == {"left", "right", "front", "behind"}
        for number, thing in enumerate(things):
            for other in related["behind"][number]:
                assert number in related["front"][other]
                both_low = thing["size"] == things[other]["size"] and thing["shape"] == things[other]["shape"]
                assert not both_low or things[other]["pixel_coords"][2] > thing["pixel_coords"][2]
            assert not set(related["left"][number]) & set(related["right"][number])


def test_the_usual_size_holds_what_was_promised():
    assert len(WRITERS["dtd"].items(1.0)) == 47 * (8 + 2 + 4)
    assert Counter(split for split, _, _ in WRITERS["clevr"].items(1.0)) == {"train": 960, "val": 480}
    assert Counter(split for split, _, _ in WRITERS["thor_egomotion"].items(1.0)) == {"train": 480, "val": 192}


def test_counts_and_nearest_depths_are_balanced(small):
    scenes = json.loads((small / "CLEVR_v1.0" / "scenes" / "CLEVR_train_scenes.json").read_text())["scenes"]
    assert sorted(len(scene["objects"]) for scene in scenes[:8]) == list(range(3, 11))
    nearest = [min(thing["pixel_coords"][2] for thing in scene["objects"]) for scene in scenes[:6]]
    assert sorted(np.digitize(nearest, [0, 8, 8.5, 9, 9.5, 10, 100])) == [1, 2, 3, 4, 5, 6]


def test_pairs_lie_as_virb_lays_them(small):
    top = small / "thor_action_prediction"
    scenes = {}
    for split, count in (("train", 20), ("val", 12)):
        lines = (top / f"{split}_labels.txt").read_text().splitlines()
        assert len(lines) == count
        parsed = [re.fullmatch(rf"({split}/(FloorPlan\d+_physics)/\d{{4}}) (\w+)", line) for line in lines]
        assert all(parsed)
        scenes[split] = {match[2] for match in parsed}
        pictures = {str(path.relative_to(top)) for path in (top / split).rglob("*.jpg")}
        assert pictures == {f"{match[1]}_rgb_{frame}.jpg" for match in parsed for frame in "ab"}
        numbers = Counter(match[3] for match in parsed)
        assert set(numbers) <= set(THOR_ACTIONS)
        assert max(numbers.values()) - min(numbers.values()) <= 1
    assert not scenes["train"] & scenes["val"]


def test_what_the_frames_show_agrees_with_the_action_on_the_label(small):
    """By correlating shifted pictures alone: a turn to the left moves things right, looking up moves them down."""
    top = small / "thor_action_prediction"
    ways = {"RotateLeft": (1, 1), "RotateRight": (1, -1), "LookUp": (0, 1), "LookDown": (0, -1)}
    right = total = 0
    for line in (top / "train_labels.txt").read_text().splitlines():
        prefix, action = line.split()
        if action in ways:
            frames = [np.asarray(Image.open(top / f"{prefix}_rgb_{frame}.jpg").convert("RGB"), float) for frame in "ab"]
            axis, sign = ways[action]
            right += np.sign(best_shift(*frames, axis)) == sign
            total += 1
    assert total >= 16
    assert right / total >= 0.75


def best_shift(one, other, axis):
    one, other = (np.moveaxis(frame, axis, 0) for frame in (one, other))
    scores = {}
    for shift in (*range(-70, -14, 2), *range(16, 72, 2)):
        a, b = (one[:-shift], other[shift:]) if shift > 0 else (one[-shift:], other[:shift])
        scores[shift] = np.corrcoef(a.ravel(), b.ravel())[0, 1]
    return max(scores, key=scores.get)


def test_file_names_are_unique_at_any_size():
    for size in (0.02, 0.3, 1.0, 1.7, 2.5):
        for name, writer in WRITERS.items():
            items = writer.items(size)
            assert len(set(items)) == len(items), name
        lists = WRITERS["dtd"].lists([(item, None) for item in WRITERS["dtd"].items(size)])
        names = b"".join(lists.values()).split()
        assert len(set(names)) == len(names) == len(WRITERS["dtd"].items(size))
