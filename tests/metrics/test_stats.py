"""Intervals and paired differences against scipy, against formulae and against a bootstrap written as a loop."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest
import scipy.stats

from virb.core.errors import VirbError
from virb.metrics.stats import Interval, bootstrap, interval, paired_difference, resample, seed_draws, weight_blocks

MANY = 10_000


def totals(statistics: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Sum and count: the metric of these tests is the mean of one number per sample."""
    return np.stack([weights @ statistics[:, 0], weights.sum(-1)], axis=-1)


def mean(summed: np.ndarray) -> np.ndarray:
    return np.asarray(summed[..., 0] / summed[..., 1])


def hits(count: int, share: float = 0.7, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).random((count, 1)) < share).astype(float)


def replicates_of(
    statistics: list[np.ndarray], groups: np.ndarray | None = None, seed: str = "test", count: int = 1000
) -> np.ndarray:
    groups = np.arange(len(statistics[0])) if groups is None else groups
    return bootstrap(statistics, groups, seed, totals, mean, count)


def clusters(groups: int = 40, members: int = 8, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Hits whose chance is a matter of the group, so that members of one tell nearly the same."""
    random = np.random.default_rng(seed)
    chance = random.beta(0.7, 0.7, groups)
    codes = np.repeat(np.arange(groups), members)
    return (random.random((groups * members, 1)) < chance[codes][:, None]).astype(float), codes


# --- weights -----------------------------------------------------------------------------------------------------


def test_as_many_samples_are_drawn_as_there_are() -> None:
    weights = np.concatenate(list(weight_blocks(np.arange(30), "seed", 200)))
    assert weights.shape == (200, 30)
    assert (weights.sum(1) == 30).all()
    assert (weights == weights.round()).all()
    np.testing.assert_allclose(weights.mean(0), 1, atol=0.35)
    np.testing.assert_allclose(weights.var(), 1 - 1 / 30, atol=0.05)  # of a multinomial


def test_a_group_is_drawn_whole_and_as_many_groups_as_there_are() -> None:
    groups = np.array([7, 7, 2, 9, 2, 7])
    weights = np.concatenate(list(weight_blocks(groups, "seed", 300)))
    for code in (7, 2, 9):
        members = weights[:, groups == code]
        assert (members == members[:, :1]).all()
    assert (weights[:, [0, 2, 3]].sum(1) == 3).all()
    assert len({tuple(row) for row in weights[:, [0, 2, 3]].tolist()}) == 10, "all ways to draw three of three occur"


def test_names_of_groups_do_not_matter_only_who_shares_one() -> None:
    groups = np.array([0, 0, 1, 2, 1])
    one = np.concatenate(list(weight_blocks(groups, "seed", 20)))
    two = np.concatenate(list(weight_blocks(groups * 100 + 5, "seed", 20)))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("block", [1, 37, 120, 999, 10**9])
def test_the_size_of_blocks_does_not_change_the_replicates(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    statistics, groups = clusters(15, 3)
    before = replicates_of([statistics, 1 - statistics], groups, count=101)
    monkeypatch.setattr(resample, "_BLOCK", block)
    np.testing.assert_array_equal(replicates_of([statistics, 1 - statistics], groups, count=101), before)
    sizes = [len(weights) for weights in weight_blocks(groups, "seed", 101)]
    assert sum(sizes) == 101
    assert max(sizes) <= max(1, block // 45)


# --- replicates --------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_replicates_and_another_does_not() -> None:
    statistics = [hits(80)]
    np.testing.assert_array_equal(replicates_of(statistics), replicates_of(statistics))
    assert (replicates_of(statistics) != replicates_of(statistics, seed="another")).any()


def test_replicates_leave_the_global_random_state_alone() -> None:
    before = np.random.get_state()[1].tolist()
    replicates_of([hits(20)], count=10)
    assert np.random.get_state()[1].tolist() == before


def test_replicates_are_what_a_plain_loop_over_drawn_samples_gives() -> None:
    statistics = [hits(25, seed=seed) for seed in range(3)]
    weights = np.concatenate(list(weight_blocks(np.arange(25), "test", 40)))
    draws = seed_draws(3, "test", 40)
    expected = []
    for row, chosen in zip(weights, draws, strict=True):
        drawn = np.repeat(np.arange(25), row.astype(int))
        expected.append(np.mean([statistics[seed][drawn, 0].mean() for seed in chosen]))
    np.testing.assert_allclose(replicates_of(statistics, count=40), expected)


def test_seeds_that_agree_add_no_width_and_seeds_that_differ_do() -> None:
    one = hits(200)
    width = replicates_of([one]).std()
    assert replicates_of([one, one, one]).std() == pytest.approx(width)
    other = one.copy()
    other[:60] = 1 - other[:60]
    assert replicates_of([one, other]).std() > 1.5 * width


def test_seeds_are_drawn_with_replacement_and_evenly() -> None:
    draws = seed_draws(3, "test", 3000)
    assert draws.shape == (3000, 3)
    np.testing.assert_allclose(np.bincount(draws.ravel()) / 9000, 1 / 3, atol=0.02)
    assert len(np.unique(draws, axis=0)) == 27


# --- intervals ---------------------------------------------------------------------------------------------------


def test_an_interval_agrees_with_scipys_percentile_bootstrap() -> None:
    data = np.random.default_rng(4).exponential(size=150)
    found = interval(data.mean(), replicates_of([data[:, None]], count=MANY))
    theirs = scipy.stats.bootstrap(
        (data,), np.mean, n_resamples=MANY, method="percentile", rng=np.random.default_rng(5), batch=1000
    )
    error = theirs.standard_error
    assert found.low == pytest.approx(theirs.confidence_interval.low, abs=0.12 * error)
    assert found.high == pytest.approx(theirs.confidence_interval.high, abs=0.12 * error)


def test_the_spread_of_replicates_is_the_standard_error_of_a_mean() -> None:
    data = hits(300)[:, 0]
    found = replicates_of([data[:, None]], count=MANY)
    assert found.std() == pytest.approx(data.std() / np.sqrt(300), rel=0.03)
    assert found.mean() == pytest.approx(data.mean(), abs=0.002)
    span = interval(data.mean(), found)
    assert (span.high - span.low) / 2 == pytest.approx(1.96 * data.std() / np.sqrt(300), rel=0.06)


def test_grouped_samples_have_the_wider_interval_of_a_cluster_bootstrap() -> None:
    statistics, groups = clusters()
    found = replicates_of([statistics], groups, count=4000)
    random = np.random.default_rng(6)
    by_hand = []
    for _ in range(4000):
        drawn = random.integers(0, 40, 40)
        by_hand.append(np.mean([statistics[groups == group].mean() for group in drawn]))
    assert found.std() == pytest.approx(np.std(by_hand), rel=0.06)
    assert found.std() > 1.8 * replicates_of([statistics], count=4000).std()


def test_groups_of_unequal_size_weigh_by_their_samples() -> None:
    groups = np.repeat([0, 1, 2], [10, 1, 1])
    statistics = (groups == 0).astype(float)[:, None]
    found = replicates_of([statistics], groups, count=300)
    # The large group drawn 0, 1, 2 or 3 times in three: 0/(0+3), 10/(10+2), 20/(20+1), 30/30.
    assert {round(value, 6) for value in found} == {0.0, round(10 / 12, 6), round(20 / 21, 6), 1.0}


def test_about_95_of_100_intervals_hold_the_truth() -> None:
    """Percentile intervals of 60 samples hold the truth a little less often than they say: about 94 %."""
    random = np.random.default_rng(8)
    held = 0
    for trial in range(400):
        data = random.normal(3.0, 2.0, (60, 1))
        span = interval(float(data.mean()), replicates_of([data], seed=f"trial {trial}", count=400))
        held += span.low <= 3.0 <= span.high
    assert 0.91 <= held / 400 <= 0.975


def test_about_95_of_100_intervals_of_grouped_samples_hold_the_truth() -> None:
    random = np.random.default_rng(9)
    groups = np.repeat(np.arange(40), 5)
    held = 0
    for trial in range(300):
        data = (random.normal(size=40)[groups] + 0.3 * random.normal(size=200))[:, None]
        span = interval(float(data.mean()), replicates_of([data], groups, f"trial {trial}", 400))
        held += span.low <= 0.0 <= span.high
    assert 0.90 <= held / 300 <= 0.98, "taken as 200 samples they would hold it about 60 times in 100"


def test_an_interval_is_the_middle_share_of_its_replicates() -> None:
    replicates = np.random.default_rng(0).permutation(np.arange(1001.0))
    assert astuple(interval(500.0, replicates)) == pytest.approx((500.0, 25.0, 975.0))
    assert astuple(interval(500.0, replicates, level=0.5)) == pytest.approx((500.0, 250.0, 750.0))


# --- paired differences --------------------------------------------------------------------------------------------


def scored(statistics: np.ndarray) -> tuple[float, list[float]]:
    return float(statistics.mean()), replicates_of([statistics]).tolist()


def test_a_score_and_itself_differ_by_nothing_at_all() -> None:
    one = scored(hits(100))
    assert paired_difference(one, one) == Interval(0.0, 0.0, 0.0)


def test_scores_that_differ_by_the_same_everywhere_have_a_difference_without_width() -> None:
    data = np.random.default_rng(1).normal(size=(100, 1))
    found = paired_difference(scored(data + 0.25), scored(data))
    assert (found.value, found.low, found.high) == pytest.approx((0.25, 0.25, 0.25), abs=1e-12)


def test_a_difference_has_a_sign_and_turns_with_its_operands() -> None:
    better, worse = scored(hits(200, 0.9)), scored(hits(200, 0.5, seed=1))
    one, two = paired_difference(better, worse), paired_difference(worse, better)
    assert 0 < one.low < one.value < one.high
    assert (two.value, two.low, two.high) == pytest.approx((-one.value, -one.high, -one.low))


def test_pairing_narrows_the_difference_of_encoders_that_fail_on_the_same_samples() -> None:
    one = hits(400)
    two = one.copy()
    two[np.flatnonzero(two)[:12]] = 0
    found = paired_difference(scored(one), scored(two))
    error = (one - two).std() / np.sqrt(400)
    assert found.value == pytest.approx(0.03)
    assert found.low > 0
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.12)
    apart = interval(0, replicates_of([one]) - replicates_of([two], seed="not the same test split"))
    assert apart.high - apart.low > 3 * (found.high - found.low)


def test_scores_with_different_numbers_of_replicates_are_not_compared() -> None:
    value, replicates = scored(hits(50))
    with pytest.raises(VirbError, match="1000 and 999"):
        paired_difference((value, replicates), (value, replicates[1:]))
