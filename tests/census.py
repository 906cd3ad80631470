"""What stands on disk, told from lists, folders and label files alone: the adapters have no part in it.

A sample is known by the files of its frames, relative to the data folder. What it is, is the class's name or its
number, whichever the owner's own files say, or None where the label is a picture.
"""

from __future__ import annotations

import json
import pickle
import re
from collections import Counter
from collections.abc import Callable, Iterator, Set
from pathlib import Path
from typing import Any, NamedTuple

from virb.core.types import Dataset, Split

Key = tuple[str, ...]
Part = dict[Key, str | int | None]
Parts = dict[str, Part]
"""What the owner calls train, val and test, as far as there is such a part; "all" where the owner divides nothing."""

TINY_VAL = {"collierville", "corozal", "darden", "markleeville", "wiconisco"}
TINY_TEST = {"ihlen", "mcdade", "muleshoe", "noxapater", "uvalda"}
CITIES_VAL = {"monchengladbach", "zurich"}
VIDEOS_TEST = set(
    "CARDS_COURTYARD_B_T CARDS_OFFICE_S_B CHESS_COURTYARD_B_T CHESS_LIVINGROOM_T_H JENGA_LIVINGROOM_S_T "
    "JENGA_OFFICE_H_T PUZZLE_COURTYARD_H_T PUZZLE_LIVINGROOM_T_B".split()
)
VIDEOS_VAL = set("CARDS_LIVINGROOM_S_H CHESS_COURTYARD_H_S JENGA_COURTYARD_T_S PUZZLE_OFFICE_S_T".split())


def files(root: Path, pattern: str) -> Iterator[str]:
    return (path.relative_to(root).as_posix() for path in sorted(root.glob(pattern)) if path.name[0] != ".")


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def folder(file: str, up: int = 1) -> str:
    return file.split("/")[-1 - up]


def by_folder(root: Path, pattern: str) -> Part:
    return {(file,): folder(file) for file in files(root, pattern)}


def unlabelled(root: Path, pattern: str) -> Part:
    return {(file,): None for file in files(root, pattern)}


def divided(part: Part, split_of: Callable[[str], str]) -> Parts:
    found: Parts = {"train": {}, "val": {}, "test": {}}
    for key, label in part.items():
        found[split_of(key[0])][key] = label
    return found


# One data set each


def imagenet(root: Path) -> Parts:
    return {"train": by_folder(root, "imagenet/train/*/*"), "test": by_folder(root, "imagenet/val/*/*")}


def imagenetv2(root: Path) -> Parts:
    test = by_folder(root, "imagenetv2-matched-frequency-format-val/*/*.jpeg")
    return {"train": {}, "test": {key: int(str(label)) for key, label in test.items()}}


def pets(root: Path) -> Parts:
    def part(name: str) -> Part:
        rows = [line.split() for line in lines(root / "oxford-iiit-pet/annotations" / f"{name}.txt")]
        return {(f"oxford-iiit-pet/images/{name}.jpg",): int(number) - 1 for name, number, _, _ in rows}

    return {"train": part("trainval"), "test": part("test")}


def caltech101(root: Path) -> Parts:
    every = by_folder(root, "101_ObjectCategories/*/*.jpg")
    return {"all": {key: label for key, label in every.items() if label != "BACKGROUND_Google"}}


def cifar100(root: Path) -> Parts:
    def part(name: str) -> Part:
        with open(root / "cifar-100-python" / name, "rb") as stream:
            labels = pickle.load(stream, encoding="latin1")["fine_labels"]
        return {(f"cifar-100-python/{name}#{row}",): int(label) for row, label in enumerate(labels)}

    return {"train": part("train"), "test": part("test")}


def sun397(root: Path) -> Parts:
    classes = lines(root / "SUN397/ClassName.txt")

    def part(name: str) -> Part:
        listed = lines(root / "SUN397" / f"{name}_01.txt")
        return {(f"SUN397{line}",): classes.index(line.rpartition("/")[0]) for line in listed}

    return {"train": part("Training"), "test": part("Testing")}


def eurosat(root: Path) -> Parts:
    return {"all": by_folder(root, "2750/*/*.jpg")}


def dtd(root: Path) -> Parts:
    def part(name: str) -> Part:
        listed = lines(root / "dtd/labels" / f"{name}1.txt")
        return {(f"dtd/images/{line}",): line.partition("/")[0] for line in listed}

    return {name: part(name) for name in ("train", "val", "test")}


def kinetics400(root: Path) -> Parts:
    def part(name: str) -> Part:
        listed = json.loads((root / "kinetics400/annotations" / f"{name}.json").read_text())
        return {
            (f"kinetics400/{name}/{clip[:2]}/{clip}",): facts["annotations"]["label"] for clip, facts in listed.items()
        }

    return {"train": part("train"), "test": part("validate")}


def clevr(root: Path, label: Callable[[list[dict[str, Any]]], str | int]) -> Parts:
    def part(name: str) -> Part:
        scenes = json.loads((root / "CLEVR_v1.0/scenes" / f"CLEVR_{name}_scenes.json").read_text())["scenes"]
        return {
            (f"CLEVR_v1.0/images/{name}/{scene['image_filename']}",): label(scene["objects"])
            for scene in sorted(scenes, key=lambda scene: int(scene["image_index"]))
        }

    return {"train": part("train"), "test": part("val")}


def clevr_count(root: Path) -> Parts:
    return clevr(root, lambda objects: len(objects) - 3)


def clevr_distance(root: Path) -> Parts:
    def bin_of(objects: list[dict[str, Any]]) -> int:
        nearest = min(one["pixel_coords"][2] for one in objects)
        return sum(nearest >= edge for edge in (8, 8.5, 9, 9.5, 10))

    return clevr(root, bin_of)


def thor(root: Path, top: str, endings: tuple[str, ...]) -> Parts:
    def part(name: str) -> Part:
        pairs = [line.rsplit(" ", 1) for line in lines(root / top / f"{name}_labels.txt")]
        return {tuple(f"{top}/{prefix}{ending}.jpg" for ending in endings): label for prefix, label in pairs}

    return {"train": part("train"), "test": part("val")}


def thor_num_steps(root: Path) -> Parts:
    return thor(root, "thor_num_steps", ("_rgb",))


def thor_egomotion(root: Path) -> Parts:
    return thor(root, "thor_action_prediction", ("_rgb_a", "_rgb_b"))


def nuscenes(root: Path) -> Parts:
    def part(name: str) -> Part:
        pairs = json.loads((root / "nuScenes" / f"nuScenes_{name}.json").read_text())
        return {(f"nuScenes/{pair['img_a']}", f"nuScenes/{pair['img_b']}"): pair["label"] for pair in pairs}

    return {"train": part("train"), "test": part("test")}


def pets_seg(root: Path) -> Parts:
    return {name: dict.fromkeys(part) for name, part in pets(root).items()}


def cityscapes(root: Path) -> Parts:
    top = "cityscapes/leftImg8bit"
    train = unlabelled(root, f"{top}/train/*/*_leftImg8bit.png")
    parts = divided(train, lambda file: "val" if folder(file) in CITIES_VAL else "train")
    return {**parts, "test": unlabelled(root, f"{top}/val/*/*_leftImg8bit.png")}


def egohands(root: Path) -> Parts:
    every = unlabelled(root, "egohands_data/_LABELLED_SAMPLES/*/frame_*.jpg")
    splits = {**dict.fromkeys(VIDEOS_TEST, "test"), **dict.fromkeys(VIDEOS_VAL, "val")}
    return divided(every, lambda file: splits.get(folder(file), "train"))


def nyu(root: Path) -> Parts:
    return {name: unlabelled(root, f"nyu/{name}/images/*.png") for name in ("train", "test")}


def thor_depth(root: Path) -> Parts:
    return {name: unlabelled(root, f"thor_depth_prediction/{name}/*/*rgb.jpg") for name in ("train", "test")}


def taskonomy(root: Path) -> Parts:
    every = unlabelled(root, "taskonomy/rgb/taskonomy/*/*.png")
    splits = {**dict.fromkeys(TINY_TEST, "test"), **dict.fromkeys(TINY_VAL, "val")}
    return divided(every, lambda file: splits.get(folder(file), "train"))


def kitti_flow(root: Path) -> Parts:
    top = "kitti_flow/training"
    numbers = [re.findall(r"(\d{6})_10", file)[0] for file in files(root, f"{top}/flow_occ/*.png")]
    every: Part = {tuple(f"{top}/image_2/{number}_{frame}.png" for frame in (10, 11)): None for number in numbers}

    def split_of(file: str) -> str:
        number = int(file.rpartition("/")[2][:6])
        return "train" if number < 140 else "val" if number < 160 else "test"

    return divided(every, split_of)


def coco_panoptic(root: Path) -> Parts:
    def part(name: str) -> Part:
        listed = json.loads((root / "coco/annotations" / f"panoptic_{name}.json").read_text())
        names = {picture["id"]: picture["file_name"] for picture in listed["images"]}
        return {(f"coco/{name}/{names[one['image_id']]}",): None for one in listed["annotations"]}

    return {"train": part("train2017"), "test": part("val2017")}


def of_folder(key: Key) -> str:
    return folder(key[0])


class Row(NamedTuple):
    """What TASKS.md says of a task's split, and where to count."""

    count: Callable[[Path], Parts]
    classes: int
    """0: the target is a number per pixel; -1: as many as the lists say."""
    carved: str
    """How validation comes about: what is drawn, or "owner" where its part is fixed by name."""
    share: float = 0.1
    group: Callable[[Key], str] | None = None
    """What samples that stay together have in common."""
    kind: str = ""
    """Of its labels, where each pixel has one: classes, values or flow."""
    label: str = ""
    """Its label files below its data set's folder, one to a label."""


TASKS_TABLE = {
    "imagenet": Row(imagenet, 1000, "class", 0.02),
    "imagenetv2": Row(imagenetv2, 1000, "none"),
    "pets": Row(pets, 37, "class"),
    "caltech101": Row(caltech101, 101, "25 and 5"),
    "cifar100": Row(cifar100, 100, "class"),
    "sun397": Row(sun397, 397, "class"),
    "eurosat": Row(eurosat, 10, "60, 20 and 20"),
    "dtd": Row(dtd, 47, "owner"),
    "kinetics400": Row(kinetics400, 400, "class", group=lambda key: key[0]),
    "clevr_count": Row(clevr_count, 8, "last"),
    "clevr_distance": Row(clevr_distance, 6, "last"),
    "thor_num_steps": Row(thor_num_steps, -1, "group", group=lambda key: folder(key[0])),
    "thor_egomotion": Row(thor_egomotion, 5, "group", group=lambda key: folder(key[0])),
    "nuscenes_egomotion": Row(nuscenes, 3, "group", group=lambda key: folder(key[0], 0).partition("__CAM_FRONT__")[0]),
    "pets_seg": Row(pets_seg, 2, "class", kind="classes", label="annotations/trimaps/*.png"),
    "cityscapes": Row(
        cityscapes, 19, "owner", group=lambda key: folder(key[0]), kind="classes", label="gtFine/val/*/*labelIds.png"
    ),
    "egohands": Row(egohands, 5, "owner", group=of_folder, kind="classes", label="*/*/polygons.mat"),
    "nyu_walkable": Row(nyu, 2, "sample", kind="classes", label="train/walkable/*.png"),
    "nyu_depth": Row(nyu, 0, "sample", kind="values", label="test/depths/*.tiff"),
    "thor_depth": Row(
        thor_depth, 0, "group", group=lambda key: folder(key[0]), kind="values", label="test/*/*depth.jpg"
    ),
    "taskonomy_depth": Row(
        taskonomy, 0, "owner", group=lambda key: folder(key[0]), kind="values", label="depth_zbuffer/*/*/*.png"
    ),
    "kitti_flow": Row(kitti_flow, 0, "owner", kind="flow", label="training/flow_occ/*.png"),
    "coco_panoptic": Row(
        coco_panoptic, 133, "sample", 0.02, kind="classes", label="annotations/panoptic_train2017/*.png"
    ),
    "taskonomy_edges": Row(
        taskonomy, 0, "owner", group=lambda key: folder(key[0]), kind="values", label="edge_texture/*/*/*.png"
    ),
    "taskonomy_inpainting": Row(taskonomy, 0, "owner", group=of_folder, kind="values"),
}


class Layout(NamedTuple):
    """Where the parts of a data set lie below the data folder; patterns whose last match is harmed."""

    top: str
    picture: str | None = None
    """A picture that a list names, or that a label belongs to. None: folders alone say what there is."""
    listing: str | None = None
    inner: str = ""
    """A folder that every target needs, below the top."""
    proof: str = ""
    """Without it nobody could tell that the data set is there."""


LAYOUTS = {
    "imagenet": Layout("imagenet", inner="val"),
    "imagenetv2": Layout("imagenetv2-matched-frequency-format-val"),
    "pets": Layout("oxford-iiit-pet", "images/*_25.jpg", "annotations/trainval.txt", "images", "annotations"),
    "caltech101": Layout("101_ObjectCategories"),
    "cifar100": Layout("cifar-100-python", listing="train", proof="train"),
    "sun397": Layout("SUN397", "*/*/*.jpg", "Training_01.txt", "b", "ClassName.txt"),
    "eurosat": Layout("2750", inner="Forest"),
    "dtd": Layout("dtd", "images/*/*.jpg", "labels/train1.txt", "images", "labels"),
    "kinetics400": Layout("kinetics400", None, "annotations/train.json", "validate"),
    "clevr": Layout("CLEVR_v1.0", "images/val/*.png", "scenes/CLEVR_train_scenes.json", "images/train", "scenes"),
    "thor_num_steps": Layout("thor_num_steps", "val/*/*.jpg", "val_labels.txt", "val", "*_labels.txt"),
    "thor_egomotion": Layout("thor_action_prediction", "val/*/*_a.jpg", "train_labels.txt", "val", "*_labels.txt"),
    "nuscenes": Layout("nuScenes", "sweeps/CAM_FRONT/*.jpg", "nuScenes_test.json", "samples", "*.json"),
    "cityscapes": Layout("cityscapes", "leftImg8bit/train/*/*.png", None, "leftImg8bit", "gtFine"),
    "egohands": Layout("egohands_data", "*/*/*.jpg", "*/*/polygons.mat", "_LABELLED_SAMPLES/CHESS_OFFICE_S_B"),
    "nyu": Layout("nyu", "test/images/*.png", None, "test/images"),
    "thor_depth": Layout("thor_depth_prediction", "train/*/*rgb.jpg", None, "test"),
    "taskonomy": Layout("taskonomy", None, None, "rgb"),
    "kitti_flow": Layout("kitti_flow", "training/image_2/*_11.png", None, "training/image_2", "training"),
    "coco_panoptic": Layout("coco", "val2017/*.jpg", "annotations/panoptic_val2017.json", "train2017", "annotations"),
}


# The same, of what an adapter returned


def frames_of(data: Dataset, split: Split, row: int, root: Path, shared: Set[Path] = frozenset()) -> Key:
    """Return the files of a sample's frames; one of a file that is shared with its number."""
    places = split.index[row].tolist()
    files = [(data.pool.paths[place], place) for place in places]
    return tuple(
        path.relative_to(root).as_posix() + (f"#{data.pool.rows[place]}" if path in shared else "")
        for path, place in files
    )


def keys_of(name: str, data: Dataset, split: Split, root: Path) -> list[Key]:
    """Return what each sample of a split is known by; a clip of Kinetics by the name that its frames share."""
    shared = {path for path, count in Counter(data.pool.paths).items() if count > 1}
    found = [frames_of(data, split, row, root, shared) for row in range(len(split))]
    return [clip_of(frames) for frames in found] if name == "kinetics400" else found


def clip_of(frames: Key) -> Key:
    clips = {frame.rpartition("_")[0] for frame in frames}
    assert len(clips) == 1, f"frames of several clips: {frames}"
    return (clips.pop(),)
