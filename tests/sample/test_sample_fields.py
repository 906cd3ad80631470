"""The alphabet: exact waves and angles, noise within its bounds, dice that can be thrown again."""

import math

import numpy as np
import pytest

from virb.sample.engine import fields
from virb.sample.engine.fields import Dice, balanced
from virb.sample.engine.materials import PATTERNS


@pytest.fixture
def plane():
    steps = np.linspace(-7, 9, 120, dtype=np.float32)
    return np.meshgrid(steps, steps * np.float32(0.7))


def test_a_wave_is_a_sine_of_full_turns():
    turns = np.linspace(-3, 3, 2001, dtype=np.float32)
    assert np.abs(fields.wave(turns) - np.sin(2 * math.pi * turns.astype(np.float64))).max() < 1.2e-3


def test_an_angle_is_the_arc_tangent_in_turns():
    turns = np.linspace(-0.499, 0.499, 997)
    x, y = np.cos(2 * math.pi * turns).astype(np.float32) * 3, np.sin(2 * math.pi * turns).astype(np.float32) * 3
    assert np.abs(fields.angle(x, y) - turns).max() < 1e-3


def test_noise_stays_between_0_and_1_and_has_no_steps(plane):
    for make in (fields.noise, fields.clouds, fields.ridges):
        value = make(*plane, 5)
        assert value.min() >= 0
        assert value.max() <= 1
        assert value.std() > 0.05
    assert np.abs(np.diff(fields.noise(*plane, 5), axis=1)).max() < 0.3  # knots 1 apart, samples 0.13 apart


def test_the_nearest_of_scattered_points_is_found():
    u, v = np.meshgrid(np.linspace(3, 6, 40, dtype=np.float32), np.linspace(-2, 1, 40, dtype=np.float32))
    found = fields.cells(u, v, 3)
    points = {
        (float(x), float(y))
        for x, y in zip((u + found.across).ravel().round(3), (v + found.up).ravel().round(3), strict=True)
    }
    every = np.array(sorted(points))
    distance = np.sqrt((u[..., None] - every[:, 0]) ** 2 + (v[..., None] - every[:, 1]) ** 2)
    assert np.abs(found.nearest - distance.min(-1)).max() < 2e-3
    assert (found.second >= found.nearest).all()


def test_patterns_stay_in_32_bits_and_between_0_and_1(plane):
    width = np.full_like(plane[0], 0.05)
    for name, pattern in PATTERNS.items():
        share = pattern(*plane, width)
        assert share.dtype == np.float32, name
        assert share.min() >= -1e-5, name
        assert share.max() <= 1 + 1e-5, name
        assert name == "plain" or share.std() > 0.05, name


def test_patterns_fade_where_a_pixel_covers_many_cells(plane):
    for name, pattern in PATTERNS.items():
        near, far = (pattern(*plane, np.full_like(plane[0], width)) for width in (0.05, 4.0))
        assert name in ("plain", "panes") or far.std() < 0.6 * near.std(), name


def test_the_same_name_throws_the_same_dice():
    one, other, another = Dice(1, "a"), Dice(1, "a"), Dice(1, "b")
    first = [one.between(0, 1), one.whole(0, 9), one.pick("abc"), one.order(4), one.bytes(5).tolist()]
    assert first == [other.between(0, 1), other.whole(0, 9), other.pick("abc"), other.order(4), other.bytes(5).tolist()]
    assert another.between(0, 1) != Dice(1, "a").between(0, 1)


def test_each_run_of_items_holds_every_kind_once_in_no_fixed_order():
    kinds = [balanced(index, 8, "x") for index in range(80)]
    runs = [kinds[start : start + 8] for start in range(0, 80, 8)]
    assert all(sorted(run) == list(range(8)) for run in runs)
    assert len({tuple(run) for run in runs}) > 5
