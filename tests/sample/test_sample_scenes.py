"""The scenes: labels are true, things stand apart, actions move the camera as they say, classes are patterns."""

import itertools
import math

import numpy as np
import pytest

from virb.data.classes import DTD, THOR_ACTIONS
from virb.sample.engine.fields import Dice
from virb.sample.engine.render import render
from virb.sample.engine.shapes import rotation
from virb.sample.places.rooms import MARGIN, Pose, after, room, starting_pose
from virb.sample.places.tabletop import COLOURS, DEPTHS, tabletop
from virb.sample.textures.textures import FAMILIES, texture
from virb.sample.things.furniture import AT_WALLS, IN_THE_MIDDLE


def surface_points(solid):
    """Return points on the surface of a solid, found without the renderer."""
    turn, up = np.meshgrid(np.linspace(0, 2 * math.pi, 24), np.linspace(-1, 1, 9))
    flat = np.sqrt(1 - up**2) if solid.kind == "sphere" else np.ones_like(up)
    x, y = np.cos(turn), np.sin(turn)
    if solid.kind == "box":
        widest = np.maximum(np.abs(x), np.abs(y))
        x, y = x / widest, y / widest
    own = np.stack([flat * x, flat * y, up], -1).reshape(-1, 3) * solid.half
    return own @ np.array(rotation(solid.turn, solid.tilt)).T + solid.centre


def holds(solid, points):
    """Return whether any point is inside a solid."""
    own = np.abs((points - solid.centre) @ np.array(rotation(solid.turn, solid.tilt)) / solid.half)
    if solid.kind == "box":
        return bool((own < 1).all(1).any())
    round_part = (own[:, :2] ** 2).sum(1) if solid.kind == "cylinder" else (own**2).sum(1)
    return bool(((round_part < 1) & (own[:, 2] < 1)).any())


@pytest.fixture(scope="module")
def tables():
    return [tabletop(Dice("tables", number), 3 + number % 8, number % 6) for number in range(24)]


@pytest.fixture(scope="module")
def rooms():
    return [room(Dice("rooms", number)) for number in range(6)]


def test_as_many_things_are_seen_as_the_label_says(tables):
    for number, table in enumerate(tables):
        seen, pixels = np.unique(table.rendering.instance[table.rendering.instance > 0], return_counts=True)
        assert len(seen) == len(table.things) == 3 + number % 8
        assert pixels.min() >= 40


def test_no_two_things_intersect(tables):
    for table in tables:
        solids = [solid for solid in table.scene.primitives if solid.instance > 0]
        assert len(solids) == len(table.things)
        for one, other in itertools.permutations(solids, 2):
            assert not holds(other, surface_points(one))


def test_things_stand_on_the_ground(tables):
    for table in tables:
        lowest = [surface_points(solid)[:, 2].min() for solid in table.scene.primitives if solid.instance > 0]
        assert lowest == pytest.approx([0.0] * len(lowest), abs=1e-9)


def test_the_nearest_thing_is_in_its_class_of_depth(tables):
    for number, table in enumerate(tables):
        depths = [table.camera.project(thing.centre)[2] for thing in table.things]
        low, high = DEPTHS[number % 6]
        assert low <= min(depths) < high


def test_every_size_shape_colour_and_surface_is_used(tables):
    things = [thing for table in tables for thing in table.things]
    assert {thing.colour for thing in things} == set(COLOURS)
    assert {(thing.shape, thing.size, thing.surface) for thing in things} == set(
        itertools.product(("cube", "sphere", "cylinder"), ("large", "small"), ("rubber", "metal"))
    )


def test_the_number_of_things_cannot_be_told_from_the_mean_colour(tables):
    counts = np.array([len(table.things) for table in tables])
    colours = np.array([table.rendering.rgb.mean((0, 1)) for table in tables])
    brightness = colours.mean(1)
    assert abs(np.corrcoef(brightness, counts)[0, 1]) < 0.5
    assert brightness.std() > 10


def test_each_texture_class_has_its_recipe():
    assert set(FAMILIES) == set(DTD)


def test_textures_of_one_class_share_no_colour_and_fill_the_picture():
    for name in DTD:
        pictures = [texture(name, Dice("textures", name, number), 64) for number in range(4)]
        assert all(picture.shape == (64, 64, 3) and picture.dtype == np.uint8 for picture in pictures)
        assert np.array([picture.mean((0, 1)) for picture in pictures]).std(0).max() > 15, name
        assert all(picture.astype(float).std((0, 1)).max() > 6 for picture in pictures), name


def test_texture_classes_differ_by_more_than_chance_in_their_structure():
    """Nearest class mean of autocorrelations and edge directions, which colours cannot give away."""
    described = {
        name: np.array([describe(texture(name, Dice("structure", name, number), 96)) for number in range(8)])
        for name in DTD
    }
    every = np.concatenate(list(described.values()))
    scale = every.std(0) + 1e-9
    means = np.array([group[:5].mean(0) for group in described.values()])
    right = 0
    for number, group in enumerate(described.values()):
        distance = (((group[5:, None] - means) / scale) ** 2).sum(-1)
        right += (distance.argmin(1) == number).sum()
    assert right / (3 * len(DTD)) > 0.3  # chance is 0.02


def describe(picture):
    grey = picture.astype(float).mean(2)
    grey = (grey - grey.mean()) / (grey.std() + 1e-9)
    power = np.abs(np.fft.rfft2(grey)) ** 2
    radius = np.hypot(np.fft.fftfreq(96)[:, None], np.fft.rfftfreq(96)[None])
    rings = [power[(radius >= low) & (radius < low * 1.4)].mean() for low in 0.01 * 1.4 ** np.arange(1, 11)]
    peaks = [power[(radius >= low) & (radius < low * 1.4)].max() for low in 0.01 * 1.4 ** np.arange(1, 11)]
    steps = np.abs(np.diff(grey, axis=0)).ravel()
    return np.log(np.concatenate([rings, peaks, np.quantile(steps, [0.3, 0.5, 0.7, 0.9, 0.97]) + 1e-3]))


def test_every_piece_of_furniture_stands_on_the_floor_within_its_footprint():
    for maker in {*AT_WALLS, *IN_THE_MIDDLE}:
        for number in range(4):
            piece = maker(Dice("pieces", number))
            points = np.concatenate([surface_points(solid) for solid in piece.placed(0, 0, 0, 1)])
            assert 0 <= points[:, 2].min() < 0.011, piece.name
            assert np.abs(points[:, 0]).max() <= piece.depth / 2 + 0.1, piece.name
            assert np.abs(points[:, 1]).max() <= piece.width / 2 + 0.1, piece.name


def test_the_camera_never_stands_in_anything(rooms):
    for number, place in enumerate(rooms):
        for action in THOR_ACTIONS:
            dice = Dice("stand", number, action)
            first = starting_pose(place, dice)
            for pose in (first, after(action, first, dice)):
                eye = np.array([[pose.x, pose.y, place.eye]])
                assert MARGIN / 2 < pose.x < place.length - MARGIN / 2
                assert MARGIN / 2 < pose.y < place.width - MARGIN / 2
                assert not any(holds(one, eye) for one in place.scene.primitives if one.kind != "plane")


def test_a_room_closes_all_around(rooms):
    for number, place in enumerate(rooms):
        pose = starting_pose(place, Dice("closed", number))
        for turn in (0, 90, 180, 270):
            camera = Pose(pose.x, pose.y, pose.yaw + turn, 0).camera(place, 24, 100.0)
            assert (render(place.scene, camera).instance >= 0).all()


def test_rooms_differ_and_are_furnished(rooms):
    assert len({(place.length, place.width) for place in rooms}) == len(rooms)
    for place in rooms:
        assert place.names[:2] == ("floor", "ceiling")
        assert place.names[2:6] == ("wall",) * 4
        assert len(place.blocks) >= 4


def test_each_action_moves_the_camera_as_it_says():
    pose = Pose(2.0, 3.0, 90.0, -5.0)
    moved = {action: after(action, pose, Dice("act", action)) for action in THOR_ACTIONS}
    assert moved["MoveAhead"].y - pose.y == pytest.approx(0.5, abs=0.06)  # a yaw of 90 degrees looks along y
    assert 24 < moved["RotateLeft"].yaw - pose.yaw < 46
    assert 24 < pose.yaw - moved["RotateRight"].yaw < 46
    assert 19 < moved["LookUp"].pitch - pose.pitch < 31
    assert 19 < pose.pitch - moved["LookDown"].pitch < 31


def test_the_second_frame_shows_the_same_world_from_where_the_action_leads(rooms):
    for action in THOR_ACTIONS:
        errors, shifts = [], []
        for number, place in enumerate(rooms):
            dice = Dice("match", action, number)
            first = starting_pose(place, dice)
            one, two = first.camera(place, 64), after(action, first, dice).camera(place, 64)
            before, later = render(place.scene, one), render(place.scene, two)
            for row, column in itertools.product(range(4, 64, 8), repeat=2):
                x, y, depth = two.project(tuple(before.point[row, column].tolist()))
                seen = depth > 0 and 0 <= x < 64 and 0 <= y < 64
                if seen and abs(later.depth[int(y), int(x)] - depth) < 0.05 * depth:
                    errors.append(np.abs(before.rgb[row, column].astype(int) - later.rgb[int(y), int(x)]).mean())
                    shifts.append((x - column, y - row))
        assert len(errors) > 60, action
        assert np.median(errors) < 12, action
        across, down = np.median(shifts, axis=0)
        expected = {"RotateLeft": across > 10, "RotateRight": across < -10, "LookUp": down > 8, "LookDown": down < -8}
        assert expected.get(action, abs(across) < 8 and abs(down) < 8), (action, across, down)
