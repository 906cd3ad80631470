"""The ray caster against formulas and against a slow tracer written another way."""

import math

import numpy as np
import pytest

from virb.sample.engine.camera import Camera
from virb.sample.engine.fields import Dice
from virb.sample.engine.materials import Material
from virb.sample.engine.render import develop, render
from virb.sample.engine.scene import Lamp, Scene
from virb.sample.engine.shapes import Primitive, rotation
from virb.sample.places.rooms import room, starting_pose

WHITE = Material((0.9, 0.9, 0.9))
HIGH_LAMP = Lamp((0.0, 0.0, 50.0))


def scene(*solids, lamp=HIGH_LAMP, **others):
    return Scene(tuple(solids), lamp, noise=0.0, **others)


def ahead(width=65, height=65, pitch=0.0, position=(0.0, 0.0, 0.0), yaw=0.0):
    return Camera(position, yaw, pitch, 60.0, width, height)


def slow_trace(solids, origin, direction):
    """Return distance in ray lengths and index of the first solid, with textbook formulas in 64 bits."""
    best, which = np.full(len(direction), np.inf), np.full(len(direction), -1)
    for number, solid in enumerate(solids):
        matrix = np.array(rotation(solid.turn, solid.tilt))
        start = ((np.array(origin) - solid.centre) @ matrix) / np.maximum(solid.half, 1e-4)
        ray = (direction @ matrix) / np.maximum(solid.half, 1e-4)
        with np.errstate(all="ignore"):
            candidates = _slow_meetings(solid.kind, start, ray)
        candidates = np.where(np.isfinite(candidates) & (candidates > 1e-5), candidates, np.inf)
        first = candidates.min(0)
        which = np.where(first < best, number, which)
        best = np.minimum(first, best)
    return best, which


def _slow_meetings(kind, start, ray):
    if kind == "sphere":
        return _quadratic(start, ray, 3)
    if kind == "plane":
        return _on_face(start, ray, 2, [0.0], lambda place: (np.abs(place[:, :2]) <= 1).all(1))
    if kind == "box":
        faces = [
            _on_face(start, ray, axis, [-1.0, 1.0], lambda place, axis=axis: _within(place, axis)) for axis in range(3)
        ]
        return np.concatenate(faces)
    side = _quadratic(start, ray, 2)
    side = np.stack([np.where(np.abs(start[2] + t * ray[:, 2]) <= 1, t, np.inf) for t in side])
    caps = _on_face(start, ray, 2, [-1.0, 1.0], lambda place: (place[:, :2] ** 2).sum(1) <= 1)
    return np.concatenate([side, caps])


def _within(place, axis):
    return (np.abs(np.delete(place, axis, 1)) <= 1).all(1)


def _on_face(start, ray, axis, levels, valid):
    found = []
    for level in levels:
        t = (level - start[axis]) / ray[:, axis]
        found.append(np.where(valid(start + t[:, None] * ray), t, np.inf))
    return np.stack(found)


def _quadratic(start, ray, axes):
    a, b = (ray[:, :axes] ** 2).sum(1), 2 * ray[:, :axes] @ start[:axes]
    c = (start[:axes] ** 2).sum() - 1
    root = np.sqrt(b * b - 4 * a * c)
    return np.stack([(-b - root) / (2 * a), (-b + root) / (2 * a)])


def slow_rays(camera):
    rows, columns = np.mgrid[: camera.height, : camera.width] + 0.5
    right, up, forward = (np.array(axis) for axis in camera.axes)
    across, upward = (columns - camera.width / 2) / camera.focal, (camera.height / 2 - rows) / camera.focal
    return (forward + across[..., None] * right + upward[..., None] * up).reshape(-1, 3)


@pytest.mark.parametrize(
    ("kind", "half", "expected"),
    [("sphere", (1, 1, 1), 4.0), ("sphere", (1.5, 2, 3), 3.5), ("box", (0.5, 1, 1), 4.5), ("cylinder", (1, 1, 2), 4.0)],
)
def test_depth_of_a_solid_is_exact_at_its_centre(kind, half, expected):
    picture = render(scene(Primitive(kind, (5, 0, 0), half, WHITE, 3)), ahead())
    assert picture.depth[32, 32] == pytest.approx(expected, abs=1e-5)
    assert picture.instance[32, 32] == 3


def test_depth_is_measured_along_the_axis_and_not_along_the_ray():
    picture = render(scene(Primitive("box", (5, 0, 0), (1, 9, 9), WHITE)), ahead())
    assert picture.depth == pytest.approx(np.full((65, 65), 4.0), abs=1e-4)


def test_a_cylinder_seen_from_above_shows_its_cap():
    above = ahead(position=(0, 0, 10), pitch=-90)
    picture = render(scene(Primitive("cylinder", (0, 0, 1), (2, 2, 1), WHITE)), above)
    assert picture.depth[32, 32] == pytest.approx(8.0, abs=1e-4)
    assert picture.depth[32, 44] == pytest.approx(8.0, abs=1e-4)


def test_depth_of_the_ground_follows_the_formula_in_every_pixel():
    camera = ahead(80, 60, pitch=-25, position=(0, 0, 1.7))
    picture = render(scene(Primitive("plane", (0, 0, 0), (500, 500, 0), WHITE)), camera)
    row = np.arange(60) + 0.5
    below = -math.sin(math.radians(-25)) - (30 - row) / camera.focal * math.cos(math.radians(25))
    expected = np.where(below > 0.01, 1.7 / below, np.nan)[:, None].repeat(80, 1)
    seen = np.isfinite(expected)
    assert seen.mean() > 0.8
    assert picture.depth[seen] == pytest.approx(expected[seen], rel=1e-4)


def test_where_nothing_is_depth_is_infinite_and_instance_is_minus_1():
    picture = render(scene(Primitive("sphere", (5, 0, 0), (1, 1, 1), WHITE)), ahead())
    assert picture.depth[0, 0] == np.inf
    assert picture.instance[0, 0] == -1
    assert (np.isinf(picture.depth) == (picture.instance == -1)).all()


def test_the_nearer_solid_hides_the_farther_in_any_order():
    near = Primitive("sphere", (4, 0, 0), (0.5, 0.5, 0.5), WHITE, 1)
    far = Primitive("sphere", (8, 0, 0), (2, 2, 2), WHITE, 2)
    for solids in ((near, far), (far, near)):
        picture = render(scene(*solids), ahead())
        assert picture.instance[32, 32] == 1
        assert picture.instance[32, 44] == 2


def test_a_positive_turn_of_a_box_is_to_the_left():
    long = Primitive("box", (6, 0, 0), (3, 0.2, 0.2), WHITE, turn=30)
    picture = render(scene(long), ahead())
    left, right = picture.depth[32, :32], picture.depth[32, 33:]
    assert left[np.isfinite(left)].max() > right[np.isfinite(right)].max()


def test_a_tilted_plane_stands_upright_and_faces_its_turn():
    wall = Primitive("plane", (6, 0, 0), (1, 2, 0), WHITE, turn=180, tilt=90)
    picture = render(scene(wall), ahead())
    rows, columns = np.nonzero(picture.instance == 0)
    assert np.ptp(columns) > 1.8 * np.ptp(rows)
    assert picture.depth[32, 32] == pytest.approx(6.0, abs=1e-4)


def test_a_world_point_projects_back_into_its_pixel():
    camera = ahead(40, 30, pitch=-20, position=(1, 2, 3), yaw=70)
    picture = render(scene(Primitive("plane", (0, 0, 0), (500, 500, 0), WHITE)), camera)
    for row, column in ((29, 0), (20, 17), (25, 39)):
        found = camera.project(tuple(float(part) for part in picture.point[row, column]))
        assert found == pytest.approx((column + 0.5, row + 0.5, picture.depth[row, column]), abs=2e-3)


@pytest.mark.parametrize("number", range(6))
def test_every_pixel_agrees_with_a_slow_tracer_that_tries_everything(number):
    dice = Dice("slow", number)
    solids = []
    for index in range(14):
        kind = dice.pick(("box", "sphere", "cylinder", "plane"))
        centre = (dice.between(-2, 7), dice.between(-4, 4), dice.between(-2, 2))
        half = (dice.between(0.1, 1.2), dice.between(0.1, 1.2), dice.between(0.1, 1.2))
        solids.append(Primitive(kind, centre, half, WHITE, index, dice.between(0, 360), dice.between(0, 180)))
    camera = ahead(60, 44, pitch=dice.between(-30, 30), yaw=dice.between(-40, 40))
    distance, which = slow_trace(solids, camera.position, slow_rays(camera))
    picture = render(scene(*solids), camera)
    assert (picture.instance.ravel() == which).mean() > 0.998
    same = (picture.instance.ravel() == which) & (which >= 0)
    assert same.sum() > 500
    assert picture.depth.ravel()[same] == pytest.approx(distance[same], rel=1e-3, abs=1e-3)


def test_a_beam_that_begins_behind_the_camera_is_seen_where_it_comes_into_view():
    beam = Primitive("box", (0, -2, 0), (5.8, 0.2, 0.2), WHITE, turn=-31)  # from behind on the left to ahead right
    camera = Camera((0.0, 0.0, 0.0), 0.0, 0.0, 120.0, 60, 40)
    _, which = slow_trace([beam], camera.position, slow_rays(camera))
    assert (which == 0).sum() > 20
    assert (render(scene(beam), camera).instance.ravel() == which).mean() > 0.998


def test_a_furnished_room_agrees_with_the_slow_tracer():
    place = room(Dice("slow room"))
    camera = starting_pose(place, Dice("slow pose")).camera(place, 48)
    solids = list(place.scene.primitives)
    _, which = slow_trace(solids, camera.position, slow_rays(camera))
    instance = np.array([solid.instance for solid in solids])
    assert (render(place.scene, camera).instance.ravel() == instance[which]).mean() > 0.998


def test_the_shadow_falls_on_the_far_side_of_the_lamp():
    ground = Primitive("plane", (0, 0, 0), (50, 50, 0), WHITE, 0)
    ball = Primitive("sphere", (0, 0, 1), (1, 1, 1), WHITE, 1)
    above = ahead(position=(0, 0, 12), pitch=-90, yaw=90)  # the picture's right is +x
    picture = render(scene(ground, ball, lamp=Lamp((-6.0, 0.0, 6.0))), above)
    lit, dark = picture.rgb[32, 20].astype(int), picture.rgb[32, 44].astype(int)
    assert (picture.instance[32, [20, 44]] == 0).all()
    assert (lit > dark + 40).all()


@pytest.mark.parametrize("lamp", [Lamp((2.0, -3.0, 6.0)), Lamp.sun(130.0, 35.0)])
def test_every_shadow_agrees_with_a_slow_tracer(lamp):
    ground = Primitive("plane", (0, 0, 0), (40, 40, 0), WHITE, 0, casts=False)
    solids = [
        Primitive("box", (0, 0, 0.5), (0.7, 0.4, 0.5), WHITE, 1, turn=25),
        Primitive("cylinder", (2, 1, 0.6), (0.5, 0.5, 0.6), WHITE, 2),
        Primitive("sphere", (1, -2, 1.2), (0.6, 0.4, 0.8), WHITE, 3, turn=50, tilt=30),
    ]
    camera = Camera((-8.0, 0.0, 5.0), 0.0, -30.0, 55.0, 72, 54)
    picture = render(scene(ground, *solids, lamp=lamp), camera)
    on_ground = picture.instance.ravel() == 0
    way = picture.point.reshape(-1, 3).astype(np.float64)[on_ground] - lamp.position
    reach, _ = slow_trace(solids, lamp.position, way)
    dark = reach < 1 - 1e-6
    tone = picture.rgb.reshape(-1, 3)[on_ground, 1].astype(int)
    unlit = round(255 * math.sqrt(0.9**2 * 0.35))
    assert 0.02 < dark.mean() < 0.6
    assert ((tone <= unlit + 2) == dark).mean() > 0.97  # pixels on the rim are part lit
    assert np.median(tone[dark]) == pytest.approx(unlit, abs=1)


def test_edges_are_softened():
    box = Primitive("box", (5, 0, 0), (1, 1, 1), WHITE, turn=20, tilt=10)
    picture = render(scene(box, horizon=(0, 0, 0), zenith=(0, 0, 0)), ahead())
    shades = np.unique(picture.rgb[..., 1])
    assert len(shades[(shades > 10) & (shades < shades.max() - 60)]) > 5


def test_sensor_noise_has_the_promised_spread_and_no_bias():
    flat = np.full((80, 80, 3), 0.5, np.float32)
    noisy = develop(flat, 3.0, Dice("noise")).astype(float) - 127.5
    assert abs(noisy.mean()) < 0.1
    assert noisy.std() == pytest.approx(3.0, rel=0.03)
    assert (develop(flat) == 128).all()


def test_pictures_stay_in_32_bits():
    place = room(Dice("bits"))
    picture = render(place.scene, starting_pose(place, Dice("bits")).camera(place, 32), Dice("bits"))
    assert (picture.rgb.dtype, picture.depth.dtype, picture.instance.dtype) == (np.uint8, np.float32, np.int32)
    assert picture.point.dtype == np.float32
