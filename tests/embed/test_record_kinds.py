"""Each kind of field against scikit-learn, a closed form, or the meaning that it promises."""

from __future__ import annotations

import itertools
import math
from datetime import date, datetime, time, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from scipy import constants
from sklearn import preprocessing

from adjoin.embed.records.categories import FOLDS, Category, Members, hashed, key_of
from adjoin.embed.records.dates import Moment
from adjoin.embed.records.fields import Boolean, Cyclic, Number, Ordered, Place
from adjoin.embed.records.kind import Kind
from adjoin.embed.records.series import Run, aspects_of, strongest_period
from adjoin.embed.records.units import UNITS, canonical, converted
from adjoin.errors import InvalidInput, InvalidOption

Array = np.ndarray[Any, np.dtype[Any]]


def learned(kind: Kind, values: list[Any], labels: list[Any] | None = None, folds: list[int] | None = None) -> Array:
    """The rows of values after learning from them."""
    read = [kind.read(value) for value in values]
    folds = folds or [0] * len(read)
    kind.learn(read, labels, folds)
    return kind.rows(read, folds)


def rows(kind: Kind, values: list[Any]) -> Array:
    return kind.rows([kind.read(value) for value in values], [0] * len(values))


def distance(kind: Kind, a: Any, b: Any) -> float:
    first, second = rows(kind, [a, b])
    return float(np.linalg.norm(first - second))


# ── Numbers and units ────────────────────────────────────────────────────────────────────────────────────────────────

SKEWED = np.random.default_rng(3).lognormal(2, 1, 400).tolist()


def test_robust_and_standard_scales_are_those_of_scikit_learn() -> None:
    given = np.asarray(SKEWED)[:, None]
    np.testing.assert_allclose(
        learned(Number(scale="robust", clip=None), SKEWED), preprocessing.RobustScaler().fit_transform(given), atol=1e-9
    )
    np.testing.assert_allclose(
        learned(Number(scale="standard", clip=None), SKEWED),
        preprocessing.StandardScaler().fit_transform(given),
        atol=1e-9,
    )


def test_the_quantile_scale_is_that_of_scikit_learn_for_new_values_too() -> None:
    kind = Number(scale="quantile")
    given = [round(value) for value in SKEWED]  # with ties
    found = learned(kind, given)
    theirs = preprocessing.QuantileTransformer(n_quantiles=len(given), subsample=None).fit(np.asarray(given)[:, None])
    np.testing.assert_allclose(found, theirs.transform(np.asarray(given, float)[:, None]), atol=1e-9)
    new = [-5, 3.5, 11.2, 1e6]
    np.testing.assert_allclose(rows(kind, new), theirs.transform(np.asarray(new)[:, None]), atol=1e-9)


def test_the_log_scale_makes_equal_ratios_equal_steps() -> None:
    kind = Number(scale="log", clip=None)
    learned(kind, SKEWED)
    steps = [distance(kind, 10.0**n, 10.0 ** (n + 1)) for n in range(3, 6)]
    assert steps[1] == pytest.approx(steps[2], rel=0.01)
    assert rows(kind, [-50])[0, 0] < rows(kind, [0])[0, 0] < rows(kind, [50])[0, 0]


def test_an_outlier_does_not_stretch_the_robust_scale() -> None:
    kind, spoilt = Number(), Number()
    learned(kind, SKEWED)
    learned(spoilt, [*SKEWED, 1e12])
    assert distance(spoilt, 5, 10) == pytest.approx(distance(kind, 5, 10), rel=0.02)
    assert rows(spoilt, [1e12, 1e300, -1e300]).ravel().tolist() == [10, 10, -10]


def test_mostly_equal_numbers_are_scaled_by_their_deviation() -> None:
    found = learned(Number(), [0.0] * 90 + [100.0] * 10)
    assert found.min() == 0
    assert found.max() == pytest.approx(100 / 30)


@pytest.mark.parametrize(
    ("unit", "base", "value"),
    [
        ("mi", "m", constants.mile), ("in", "m", constants.inch), ("ft", "m", constants.foot), ("yd", "m", constants.yard),
        ("nmi", "m", constants.nautical_mile), ("lb", "kg", constants.pound), ("oz", "kg", constants.ounce),
        ("st", "kg", constants.stone), ("mph", "m/s", constants.mph), ("kn", "m/s", constants.knot),
        ("km/h", "m/s", constants.kmh), ("acre", "m2", constants.acre), ("ha", "m2", constants.hectare),
        ("atm", "Pa", constants.atm), ("bar", "Pa", constants.bar), ("psi", "Pa", constants.psi),
        ("mmHg", "Pa", constants.mmHg), ("cal", "J", constants.calorie), ("hp", "W", constants.hp),
        ("gal", "m3", constants.gallon), ("floz", "m3", constants.fluid_ounce), ("year", "s", constants.Julian_year),
        ("d", "s", constants.day), ("deg", "rad", constants.degree), ("MiB", "B", 2**20),
    ],
)  # fmt: skip
def test_units_are_those_of_scipy(unit: str, base: str, value: float) -> None:
    assert converted(1, unit, base) == pytest.approx(value, rel=1e-6)
    assert converted(converted(7.5, unit, base), base, unit) == pytest.approx(7.5, rel=1e-12)


def test_temperatures_have_their_zero() -> None:
    assert converted(100, "°C", "F") == pytest.approx(212)
    assert converted(-40, "fahrenheit", "celsius") == pytest.approx(-40)
    assert converted(0, "K", "°C") == pytest.approx(-273.15)


def test_every_unit_names_itself_and_plurals_are_known() -> None:
    assert all(canonical(unit) == unit for unit in UNITS)
    assert [canonical(name) for name in ("miles", "Kilograms", "hours", "㎏", "킬로미터")] == [
        "mi",
        "kg",
        "h",
        "kg",
        "km",
    ]


def test_values_with_units_are_converted() -> None:
    kind = Number(unit="km")
    for value in ("12 mi", "12mi", (12, "mi"), {"value": 12, "unit": "miles"}):
        assert kind.read(value) == pytest.approx(12 * 1.609344)
    assert kind.read("5") == kind.read(5) == 5


@pytest.mark.parametrize(
    ("unit", "value", "told"),
    [
        ("km", "3 kg", "is a unit of mass, and this field is in 'km', of length"), ("km", (3, "parsecs"), "'parsecs' is not known"),
        (None, "3 km", "has a unit, and the field has none; say unit='km'"), ("km", "far", "is not a number"),
        ("km", True, "is bool, not a number"), ("km", float("inf"), "is not finite"), ("km", 10**400, "is too large for a float"),
        ("km", [1, 2], "is list, not a number"),
    ],
)  # fmt: skip
def test_numbers_that_are_none_are_refused(unit: str | None, value: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Number(unit=unit).read(value)


def test_impossible_options_are_refused() -> None:
    for make, told in (
        (lambda: Number(unit="parsec"), "parsec"), (lambda: Number(scale="cube"), "unknown scale"),  # type: ignore[arg-type]
        (lambda: Number(clip=0), "clip"), (lambda: Cyclic(period=0), "period"), (lambda: Ordered(order=["a"]), "two values"),
        (lambda: Ordered(order=["a", "b", "a"]), "twice"), (lambda: Category(encode="magic"), "unknown encode"),  # type: ignore[arg-type]
        (lambda: Category(encode="hashed", dim=1), "dim"), (lambda: Moment(parts=["moon"]), "unknown part"),
        (lambda: Run(period=1), "period"), (lambda: Run(aspects=[]), "one aspect"), (lambda: Run(aspects=["x"]), "unknown aspect"),
    ):  # fmt: skip
        with pytest.raises(InvalidOption, match=told):
            make()


# ── Circles, order, yes and no ───────────────────────────────────────────────────────────────────────────────────────


def test_a_circle_closes() -> None:
    kind = Cyclic(period=24)
    assert distance(kind, 23.5, 0.5) == pytest.approx(distance(kind, 11.5, 12.5))
    assert distance(kind, 0, 12) == pytest.approx(2)  # the diameter
    assert distance(kind, 0, 24) == pytest.approx(0, abs=1e-12)
    assert distance(Cyclic(period=360), -10, 350) == pytest.approx(0, abs=1e-9)


def test_ordered_categories_are_as_far_as_their_places() -> None:
    kind = Ordered(order=["low", "middle", "high", "highest"])
    assert distance(kind, "low", "highest") == pytest.approx(3 * distance(kind, "low", "middle"))
    assert distance(kind, "no such", "low") > distance(kind, "low", "middle")
    assert distance(kind, "no such", "other") == 0


def test_words_for_true_and_false() -> None:
    kind = Boolean()
    assert [kind.read(value) for value in (True, 1, 1.0, "Yes", "예", "false", 0, "N")] == [True] * 5 + [False] * 3
    with pytest.raises(ValueError, match="'perhaps' is neither true nor false"):
        kind.read("perhaps")
    with pytest.raises(ValueError, match="2 is neither"):
        kind.read(2)


# ── Categories ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_one_hot_columns_are_those_of_scikit_learn_and_one_for_the_unseen() -> None:
    values = ["red", "green", "blue", "green"]
    kind = Category()
    found = learned(kind, values)
    theirs = preprocessing.OneHotEncoder(sparse_output=False).fit_transform([[value] for value in values])
    np.testing.assert_array_equal(found[:, :-1], theirs)
    unseen = rows(kind, ["violet", "red"])
    assert unseen[0].tolist() == [0, 0, 0, 1]
    assert np.linalg.norm(unseen[0] - unseen[1]) == pytest.approx(2**0.5)  # as far as two that were seen


def test_one_category_has_one_form() -> None:
    assert key_of(1) == key_of(1.0) == key_of(np.float64(1).item())
    assert len({key_of(1), key_of("1"), key_of(True)}) == 3
    with pytest.raises(ValueError, match="not a category"):
        key_of({"a": 1})


def test_rare_categories_share_a_column() -> None:
    kind = Category(most=2)
    assert learned(kind, ["a"] * 5 + ["b"] * 4 + ["c", "d"]).shape[1] == 3
    assert distance(kind, "c", "d") == 0
    assert distance(kind, "c", "a") > 0


def test_hashed_categories_differ_though_they_were_never_seen() -> None:
    kind = Category(encode="hashed", dim=64)
    found = rows(kind, [f"town {n}" for n in range(300)])
    squared = ((found[:, None] - found[None]) ** 2).sum(-1)[np.triu_indices(300, 1)]
    assert squared.min() > 0
    assert squared.mean() == pytest.approx(2, rel=0.05)  # as of one-hot columns
    assert hashed([], 8).shape == (0, 8)


def test_means_by_labels_are_those_of_scikit_learn_on_the_other_folds() -> None:
    rng = np.random.default_rng(0)
    values = rng.choice(list("abcdef"), 300).tolist()
    labels = (rng.random(300) + np.asarray([ord(value) % 3 for value in values])).tolist()
    folds = rng.integers(0, FOLDS, 300).tolist()
    kind = Category(encode="target")
    found = learned(kind, values, labels, folds)
    for fold in range(FOLDS):
        others, own = np.asarray(folds) != fold, np.asarray(folds) == fold
        table = np.asarray(values)[:, None]
        theirs = preprocessing.TargetEncoder(target_type="continuous").fit(table[others], np.asarray(labels)[others])
        np.testing.assert_allclose(found[own], theirs.transform(table[own]), atol=1e-9)
    unseen = kind.rows([kind.read("zzz")], [0])
    assert unseen[0, 0] == pytest.approx(np.mean([x for x, f in zip(labels, folds, strict=True) if f != 0]))


def test_classes_are_encoded_one_by_one_and_labels_are_checked() -> None:
    folds = [n % FOLDS for n in range(60)]
    assert learned(Category(encode="target"), ["a", "b", "c"] * 20, ["x", "y", "z"] * 20, folds).shape == (60, 3)
    assert learned(Category(encode="target"), ["a", "b"] * 30, [True, False] * 30, folds).shape == (60, 1)
    for labels, told in (
        (["x", None] * 30, "label 1 is missing"), ([1.5, "x"] * 30, "labels of one kind"),
        ([f"label {n}" for n in range(80)], "80 different labels"),
    ):  # fmt: skip
        with pytest.raises(InvalidInput, match=told):
            learned(
                Category(encode="target"),
                ["a", "b"] * (len(labels) // 2),
                labels,
                [n % FOLDS for n in range(len(labels))],
            )


def test_lists_are_as_near_as_the_members_they_share() -> None:
    kind = Members()
    learned(kind, [["a", "b", "c"], ["b"], []])
    first, second = rows(kind, [["a", "b"], ["b", "c"]])
    assert first @ second == pytest.approx(0.5)  # one shared, of two and two
    assert distance(kind, ["c", "a"], ("a", "c", "a")) == 0
    assert np.linalg.norm(rows(kind, [[]])) == 0
    assert distance(kind, ["a"], ["never seen"]) == pytest.approx(2**0.5)
    assert distance(Members(encode="hashed"), ["x", "y"], ["y", "x"]) == 0
    assert Members(separator="|").read("b| a") == Members().read(["a", "b"])
    with pytest.raises(ValueError, match="not a list"):
        kind.read("a|b")


# ── Time and place ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_cycles_of_dates_close() -> None:
    year, week, day = (Moment(parts=[part]) for part in ("year", "week", "day"))
    assert distance(year, date(2023, 12, 31), date(2024, 1, 1)) < 0.02
    assert distance(year, "2024-01-01", "2024-07-01") > 1.99
    assert distance(week, date(2024, 5, 5), date(2024, 5, 6)) == pytest.approx(
        distance(week, date(2024, 5, 6), date(2024, 5, 7))
    )
    assert distance(week, date(2024, 5, 5), date(2024, 5, 12)) == pytest.approx(0, abs=1e-12)
    assert distance(day, time(23, 59), time(0, 1)) < 0.01
    assert distance(day, "2024-05-01T06:00", "2021-01-01 18:00") == pytest.approx(2)


def test_the_trend_is_time_that_passed_whatever_the_zone() -> None:
    kind = Moment(parts=["trend"])
    learned(kind, [date(2024, 1, 1) + timedelta(days=n) for n in range(100)])
    seoul = timezone(timedelta(hours=9))
    assert distance(kind, datetime(2024, 1, 2, 9, tzinfo=seoul), datetime(2024, 1, 2)) == pytest.approx(0, abs=1e-12)
    assert distance(kind, "2024-01-01", "2024-01-11") == pytest.approx(10 / np.arange(100).std())


def test_dates_use_the_cycles_that_can_differ() -> None:
    def used(values: list[Any]) -> list[str]:
        kind = Moment()
        learned(kind, values)
        found: list[str] = kind.state()[0]["used"]
        return found

    assert used([date(2020 + n // 12, n % 12 + 1, 1) for n in range(48)]) == ["trend", "year"]
    assert used([date(2024, 1, n + 1) for n in range(20)]) == ["trend", "week"]
    assert used([datetime(2024, 1, 1) + timedelta(hours=n) for n in range(3000)]) == ["trend", "year", "week", "day"]


def test_dates_come_in_several_forms_and_others_are_refused() -> None:
    kind = Moment()
    same = [date(2024, 5, 1), datetime(2024, 5, 1), "2024-05-01", "2024/5/1", "2024.05.01", " 2024-05-01T00:00:00Z "]
    assert len({kind.read(value) for value in same}) == 1
    assert Moment(format="%d.%m.%Y").read("01.05.2024") == kind.read("2024-05-01")
    for value, told in (("1st of May", "no date in the form ISO 8601"), (20240501, "is int, not a date"), ("2024-13-01", "no date"),
                        (time(9), "has no date; say parts")):  # fmt: skip
        with pytest.raises(ValueError, match=told):
            kind.read(value)


CITIES = [
    (37.57, 126.98),
    (35.18, 129.08),
    (35.68, 139.69),
    (40.71, -74.01),
    (-33.87, 151.21),
    (64.15, -21.94),
    (0, 179.9),
    (0, -179.9),
]


def great_circle(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Haversine, in radians."""
    (lat1, lon1), (lat2, lon2) = (tuple(map(math.radians, place)) for place in (a, b))
    h = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2 * math.asin(math.sqrt(h))


def test_places_are_as_far_as_the_chord_of_the_great_circle() -> None:
    kind = Place()
    pairs = [(a, b) for a in CITIES for b in CITIES]
    for a, b in pairs:
        assert distance(kind, a, b) == pytest.approx(2 * math.sin(great_circle(a, b) / 2), abs=1e-12)
    by_chord = sorted(pairs, key=lambda pair: round(distance(kind, *pair), 9))
    ways = [great_circle(*pair) for pair in by_chord]
    assert all(second >= first - 1e-8 for first, second in itertools.pairwise(ways))
    assert distance(kind, CITIES[-1], CITIES[-2]) < 0.01  # across the line of the date


def test_places_come_in_several_forms_and_others_are_refused() -> None:
    kind = Place()
    same = [
        (37.5, 127),
        [37.5, 127],
        "37.5, 127",
        {"lat": 37.5, "lon": 127},
        {"Latitude": 37.5, "lng": 127.0},
        (37.5, 127.0),
    ]
    assert len({kind.read(value) for value in same}) == 1
    for value, told in (((127, 37.5), "latitude 127 is not in"), ((0, 400), "longitude 400"), ("Seoul", "is no place"),
                        ((1, 2, 3), "is no place"), (5, "is no place"), ((None, 3), "is no place")):  # fmt: skip
        with pytest.raises(ValueError, match=told):
            kind.read(value)


# ── Time series ──────────────────────────────────────────────────────────────────────────────────────────────────────

STEPS = np.arange(96)


def test_a_wave_has_its_period_its_phase_and_one_band() -> None:
    wave = np.cos(2 * np.pi * STEPS / 12)
    assert strongest_period([wave, 5 + 2 * np.roll(wave, 3)]) == 12
    found = aspects_of(wave, 12, 8)
    np.testing.assert_allclose(found["seasonality"], [1, 1, 0], atol=0.02)
    np.testing.assert_allclose(
        aspects_of(np.roll(wave, 3), 12, 8)["seasonality"], [1, 0, 1], atol=0.05
    )  # a quarter later
    assert found["spectrum"][1] > 0.97  # 1/12 of a step, in bands of 1/16
    assert found["trend"][0] == pytest.approx(0, abs=0.3)


def test_a_line_is_all_trend_and_a_constant_is_nothing_but_level() -> None:
    line = aspects_of(3 + 2.0 * STEPS, 12, 8)
    assert line["level"].tolist() == pytest.approx([98, math.log1p(2 * STEPS.std())])
    assert line["trend"][0] == pytest.approx(95 / STEPS.std())
    assert not line["seasonality"].any()
    constant = aspects_of(np.full(96, 1e9), 12, 8)
    assert constant["level"].tolist() == pytest.approx([1e9, 0])
    assert not np.concatenate([constant["trend"], constant["seasonality"], constant["spectrum"]]).any()


def test_noise_fills_all_bands_alike() -> None:
    shares = np.mean(
        [aspects_of(np.random.default_rng(n).normal(size=512), None, 4)["spectrum"] for n in range(20)], axis=0
    )
    np.testing.assert_allclose(shares, 0.25, atol=0.03)


def test_series_of_one_shape_are_near_at_any_length_and_with_holes() -> None:
    rng = np.random.default_rng(1)
    made = {
        "wave": [(10 + np.sin(2 * np.pi * np.arange(n) / 7) + rng.normal(0, 0.1, n)).tolist() for n in range(60, 90)],
        "rise": [(10 + np.linspace(0, 3, n) + rng.normal(0, 0.1, n)).tolist() for n in range(60, 90)],
        "noise": [(10 + rng.normal(0, 0.7, n)).tolist() for n in range(60, 90)],
    }
    kind = Run()
    values = [value for some in made.values() for value in some]
    found, names = learned(kind, values), np.repeat(list(made), 30)
    squared = ((found[:, None] - found[None]) ** 2).sum(-1) + np.eye(90) * 1e9
    assert (names[squared.argmin(1)] == names).mean() > 0.95
    holed = list(made["wave"][5])
    holed[10] = holed[40] = None  # type: ignore[call-overload]
    assert distance(kind, holed, made["wave"][5]) < 0.3 * distance(kind, holed, made["rise"][5])
    assert kind.state()[0]["period"] == 7


@pytest.mark.parametrize("value", [[], [None, float("nan")], [5], [1, 2], [0] * 50, [1e200, -1e200] * 20, [1e-200] * 9])
def test_odd_series_are_missing_or_have_finite_rows(value: list[Any]) -> None:
    kind = Run()
    learned(kind, [np.sin(STEPS).tolist(), STEPS.tolist()])
    read = kind.read(value)
    assert read is None or np.isfinite(kind.rows([read], [0])).all()


def test_series_of_other_things_are_refused() -> None:
    for value, told in (
        ("1,2,3", "is str, not a list of numbers"),
        ([1, "x"], "'x' is not a number"),
        ([1, math.inf], "not finite"),
    ):
        with pytest.raises(ValueError, match=told):
            Run().read(value)
