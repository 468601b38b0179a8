"""Records of real tables: equal parts of fields, missing values, explanations that add up, and folders that come back."""

from __future__ import annotations

import json
import sys
from collections import namedtuple
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.support.tables import TABLES, table

import adjoin
from adjoin.embed import Embedder, embed_all, saved
from adjoin.embed.records import RecordsEmbedder, Schema
from adjoin.embed.records.categories import FOLDS
from adjoin.errors import InvalidContent, InvalidInput, InvalidOption, NotFitted, UnreadableFile, Unsupported

Array = np.ndarray[Any, np.dtype[Any]]

real = pytest.mark.skipif(not (TABLES / "done").exists(), reason="run python -m tests.support.fetch: no real tables")

PEOPLE = [
    {"age": 31, "city": "서울", "member": True, "tags": ["a", "b"], "joined": date(2020, 1, 5), "home": (37.5, 127.0)},
    {"age": 45, "city": "부산", "member": False, "tags": ["b"], "joined": date(2021, 6, 1), "home": (35.2, 129.1)},
    {"age": None, "city": "서울", "member": True, "tags": [], "joined": date(2022, 3, 9), "home": None},
    {
        "age": 27,
        "city": "대구",
        "member": False,
        "tags": ["c", "a"],
        "joined": date(2019, 11, 30),
        "home": (35.9, 128.6),
    },
]
SCHEMA = {"age": "number", "city": "category", "member": "boolean", "tags": "list", "joined": "date", "home": "place"}


def records(**options: Any) -> RecordsEmbedder:
    made = adjoin.embedder("records", **options)
    assert isinstance(made, RecordsEmbedder)
    return made


def people(**options: Any) -> RecordsEmbedder:
    return records(schema=SCHEMA, **options).fit(PEOPLE)


def squared(vectors: Array) -> Array:
    given = vectors.astype(np.float64)
    return np.asarray(((given[:, None] - given[None]) ** 2).sum(-1))


# ── What fields add ──────────────────────────────────────────────────────────────────────────────────────────────────


@real
@pytest.mark.parametrize("name", ["weather", "countries", "macro", "penguins", "seattle"])
def test_every_field_of_a_real_table_adds_the_same_on_average(name: str) -> None:
    frame = table(name)
    frame = frame.iloc[:: max(1, len(frame) // 1500)]
    embedder = records().fit(frame)
    vectors = embedder.embed(frame)
    assert vectors.shape == (len(frame), embedder.dim)
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()
    for field, columns in embedder.columns.items():
        added = (
            squared(vectors[:400, columns]).mean()
            if len(frame) <= 400
            else 2 * vectors[:, columns].astype(float).var(0).sum()
        )
        if field == "year" and name == "weather":  # one year
            assert added == 0
        else:
            assert added == pytest.approx(1, rel=1e-4), field


@real
def test_weights_multiply_what_fields_add_and_zero_takes_them_out() -> None:
    frame = table("penguins")
    plain = records().fit(frame)
    heavy = records(weights={"island": 3, "sex": 0}).fit(frame)
    rows = frame.to_dict("records")
    before, after = plain.explain(rows[0], rows[-1]), heavy.explain(rows[0], rows[-1])
    assert before["island"] > 0
    assert before["sex"] > 0
    assert after["island"] == pytest.approx(3 * before["island"], rel=1e-5)
    assert after["sex"] == 0
    assert after["body_mass_g"] == pytest.approx(before["body_mass_g"], rel=1e-5)
    assert plain.identity.fingerprint != heavy.identity.fingerprint
    in_schema = records(schema={**plain.schema, "island": {"kind": "category", "weight": 3}}, weights={"sex": 0}).fit(
        frame
    )
    np.testing.assert_array_equal(in_schema.embed(rows), heavy.embed(rows))


@real
def test_an_explanation_adds_up_to_the_squared_distance() -> None:
    frame = table("weather").iloc[::37]
    embedder, rows = records().fit(frame), frame.to_dict("records")
    vectors = embedder.embed(rows).astype(np.float64)
    rng = np.random.default_rng(0)
    for a, b in rng.integers(0, len(rows), (40, 2)):
        told = embedder.explain(rows[a], rows[b])
        assert sum(told.to_dict().values()) == pytest.approx(((vectors[a] - vectors[b]) ** 2).sum(), abs=1e-9)
        assert told.distance == pytest.approx(np.linalg.norm(vectors[a] - vectors[b]), abs=1e-9)
        assert sum(one.share for one in told) == pytest.approx(1 if a != b else 0)
    assert [one.squared for one in told] == sorted((one.squared for one in told), reverse=True)


def test_an_explanation_shows_as_a_table() -> None:
    told = people().explain(PEOPLE[0], {**PEOPLE[0], "city": "<b>"})
    lines = str(told).splitlines()
    assert lines[0] == f"distance {told.distance:.4f}"
    assert lines[2].startswith("city")
    assert "100.0%" in lines[2]
    assert "서울" in lines[2]
    assert "<td>&lt;b&gt;</td>" in told._repr_html_()
    assert len(told) == 6
    with pytest.raises(KeyError):
        told["no such"]


def test_a_missing_value_is_as_far_as_the_known_ones_are_on_average() -> None:
    rng = np.random.default_rng(5)
    known = [{"x": float(x), "c": str(c)} for x, c in zip(rng.normal(size=300), rng.integers(0, 4, 300), strict=True)]
    embedder = records(schema={"x": {"kind": "number", "clip": None}, "c": "category"}).fit(known)
    vectors = embedder.embed([*known, {}])
    for columns in embedder.columns.values():
        block = vectors[:, columns]
        to_missing = ((block[:-1] - block[-1]).astype(float) ** 2).sum(1)
        assert to_missing.mean() == pytest.approx(squared(block[:-1]).mean(), rel=1e-4)
    for absent in (
        {},
        {"x": None, "c": None},
        {"x": float("nan"), "c": ""},
        {"x": pd.NA, "c": pd.NaT},
        {"x": np.float32("nan")},
    ):
        np.testing.assert_array_equal(embedder.embed([absent])[0], vectors[-1])


def test_unseen_categories_have_a_place_of_their_own() -> None:
    embedder = people()
    seen, other, unseen = embedder.embed([{"city": "서울"}, {"city": "부산"}, {"city": "제주"}])
    assert np.linalg.norm(seen - unseen) == pytest.approx(np.linalg.norm(seen - other))
    assert embedder.explain({"city": "제주"}, {"city": "강릉"}).squared_distance == 0


# ── Labels without a leak ────────────────────────────────────────────────────────────────────────────────────────────


BY_LABELS = {"town": {"kind": "category", "encode": "target"}, "house": {"kind": "number", "weight": 0}}


def coin_tosses() -> tuple[list[dict[str, Any]], list[int]]:
    """Many categories of few records each, and labels that have nothing to do with them."""
    rng = np.random.default_rng(7)
    return [{"town": f"t{n % 300}", "house": n} for n in range(900)], rng.integers(0, 2, 900).tolist()


def test_no_label_is_in_its_own_record_s_vector() -> None:
    rows, labels = coin_tosses()
    for row in range(0, 900, 100):
        turned = [1 - label if n == row else label for n, label in enumerate(labels)]
        before, after = (records(schema=BY_LABELS).fit(rows, given) for given in (labels, turned))
        own = int.from_bytes(before.hash_of(rows[row])[:4], "big") % FOLDS
        for fold in range(FOLDS):
            means = [one._blocks["town"].kind.rows([("str", rows[row]["town"])], [fold]) for one in (before, after)]
            assert (means[0] == means[1]).all() == (fold == own)  # the label does count for the other folds


def test_neighbours_by_coin_tosses_tell_nothing() -> None:
    rows, labels = coin_tosses()
    vectors = records(schema=BY_LABELS).fit(rows, labels).embed(rows)
    given = np.asarray(labels)
    right = (vectors[:, 0] > np.median(vectors[:, 0])) == given
    assert right.mean() < 0.56
    leaking = np.asarray(
        [np.mean([y for r, y in zip(rows, labels, strict=True) if r["town"] == row["town"]]) for row in rows]
    )
    assert ((leaking > 0.5) == given).mean() > 0.7  # what the plain mean of a town would have given away


def test_categories_with_like_labels_lie_near() -> None:
    rng = np.random.default_rng(1)
    towns = rng.integers(0, 20, 2000)
    labels = (towns % 4 + rng.normal(0, 0.5, 2000)).tolist()
    for rows in ([{"town": f"t{t}", "house": n} for n, t in enumerate(towns)], [{"town": f"t{t}"} for t in towns]):
        schema = {name: BY_LABELS[name] for name in rows[0]}
        vectors = records(schema=schema).fit(rows, labels).embed(rows)[:, 0]
        assert np.corrcoef(vectors, towns % 4)[0, 1] > 0.99


def test_weights_by_labels_make_neighbours_of_like_records(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    rows = [
        {"tells": tells, **{f"noise {n}": one for n, one in enumerate(noise)}}
        for tells, *noise in rng.normal(size=(600, 8)).tolist()
    ]
    labels = [row["tells"] > 0.3 for row in rows]

    def right(embedder: RecordsEmbedder) -> float:
        vectors, known = embedder.embed(rows), np.asarray(labels)
        apart = ((vectors[400:, None] - vectors[None, :400]) ** 2).sum(-1)
        return float((known[apart.argmin(1)] == known[400:]).mean())

    plain = records().fit(rows[:400])
    weighed = records(weights="labels").fit(rows[:400], labels[:400])
    assert right(weighed) > 0.9 > right(plain) + 0.1
    weights = {name: one.weight for name, one in weighed.schema.fields.items()}
    assert weights["tells"] >= 1
    assert sum(weight for name, weight in weights.items() if name != "tells") < 0.4 * weights["tells"]
    np.testing.assert_array_equal(records(schema=weighed.schema).fit(rows[:400]).embed(rows), weighed.embed(rows))
    again = adjoin.embedder(weighed.save(tmp_path / "m"))
    np.testing.assert_array_equal(again.embed(rows), weighed.embed(rows))
    same = records(weights="labels").fit(rows[:400], labels[:400])
    assert same.identity.fingerprint == weighed.identity.fingerprint
    few = records(weights="labels").fit(rows[:30], labels[:30]).schema
    assert all(one.weight == 1 for one in few.fields.values())
    with pytest.raises(InvalidOption, match="needs labels, and fit was given none"):
        records(weights="labels").fit(rows)
    with pytest.raises(InvalidOption, match='or "labels", not'):
        records(weights="label")


def test_labels_are_asked_for_and_counted() -> None:
    schema = {"c": {"kind": "category", "encode": "target"}}
    with pytest.raises(InvalidOption, match="'c' is encoded by labels, and fit was given none"):
        records(schema=schema).fit([{"c": "a"}] * 4)
    with pytest.raises(InvalidInput, match="5 labels for 4 records"):
        records(schema=schema).fit([{"c": "a"}] * 4, [1, 2, 3, 4, 5])
    with pytest.raises(InvalidInput, match="2 labels, and more records"):
        records(schema=schema).fit(({"c": "a"} for _ in range(4)), [1, 2])


# ── Forms of records ─────────────────────────────────────────────────────────────────────────────────────────────────

Row = namedtuple("Row", ["age", "city"])


@dataclass
class Person:
    age: int
    city: str


def test_records_come_in_any_form() -> None:
    embedder = records(schema={"age": "number", "city": "category"}).fit(
        [{"age": 3, "city": "a"}, {"age": 5, "city": "b"}]
    )
    frame = pd.DataFrame({"age": [3, 5], "city": ["a", "b"]})
    expected = embedder.embed([{"age": 3, "city": "a"}, {"city": "b", "age": 5.0}])
    for same in (
        frame, [Row(3, "a"), Person(5, "b")], [(3, "a"), [5, "b"]], [frame.iloc[0], frame.iloc[1]], frame.to_dict("records"),
        [np.array([3, "a"], object), np.array([5, "b"], object)], [{"age": np.int8(3), "city": np.str_("a")}, {"age": "5", "city": "b"}],
    ):  # fmt: skip
        np.testing.assert_array_equal(embedder.embed(same), expected)  # type: ignore[arg-type]
    assert embedder.embed([]).shape == (0, embedder.dim)
    fitted = records().fit(frame)
    np.testing.assert_array_equal(records().fit(r for r in frame.to_dict("records")).embed(frame), fitted.embed(frame))


def test_hangul_is_one_text_however_it_was_typed() -> None:
    import unicodedata

    rows = [{"도시": "서울", "tags": ["가", "나"]}, {"도시": "부산", "tags": ["다"]}]
    apart = json.loads(unicodedata.normalize("NFD", json.dumps(rows, ensure_ascii=False)))
    assert apart != rows
    embedder = records().fit(rows)
    np.testing.assert_array_equal(embedder.embed(apart), embedder.embed(rows))
    assert records().fit(apart).identity.fingerprint == embedder.identity.fingerprint


def test_nested_records_are_read_by_dotted_names_and_fields_from_other_keys() -> None:
    rows = [{"a": {"b": n, "c": {"d": "xy"[n % 2]}}, "lat": n / 10, "lon": 2 * n / 10} for n in range(30)]
    assert list(records().fit(rows).schema) == ["a.b", "a.c.d", "lat,lon"]
    schema = {"where": {"kind": "place", "from": ["lat", "lon"]}, "size": {"kind": "number", "from": "a.b"}}
    embedder = records(schema=schema, unknown="ignore").fit(rows)
    told = embedder.explain({"lat": 1, "lon": 2, "a": {"b": 3}}, {"lat": 1, "lon": 3})
    assert told["where"] > 0
    assert {one.field: one.a for one in told} == {"where": [1, 2], "size": 3}
    assert embedder.embed([{"lat": 5}]).tolist() == embedder.embed([{}]).tolist()


def test_units_are_converted_or_refused() -> None:
    embedder = records(schema={"way": {"kind": "number", "unit": "km"}}).fit([{"way": n} for n in range(1, 20)])
    vectors = embedder.embed(
        [{"way": "10 mi"}, {"way": (10, "mi")}, {"way": 16.09344}, {"way": {"value": 16093.44, "unit": "m"}}]
    )
    np.testing.assert_allclose(vectors, vectors[[0] * 4], atol=1e-6)
    with pytest.raises(InvalidContent, match=r"item 1, field 'way' \(number\): 'kg' is a unit of mass"):
        embedder.embed([{"way": 1}, {"way": "3 kg"}])


# ── The schema ───────────────────────────────────────────────────────────────────────────────────────────────────────


@real
def test_a_schema_is_inferred_printed_and_used_again(tmp_path: Path) -> None:
    frame = table("weather").iloc[:3000]
    embedder = records().fit(frame)
    kinds = {name: spec["kind"] for name, spec in embedder.schema.items()}
    assert kinds["rownames"] == "ignore"
    assert kinds["origin"] == "category"
    assert kinds["time_hour"] == "date"
    assert kinds["temp"] == kinds["wind_gust"] == "number"
    assert embedder.schema["wind_dir"] == {"kind": "cyclic", "period": 360}
    assert embedder.schema["precip"]["scale"] == "log"
    lines = str(embedder.schema).splitlines()
    assert lines[0].split() == ["field", "kind", "weight", "why"]
    assert len(lines) == 1 + frame.shape[1]
    assert "<table>" in embedder.schema._repr_html_()
    plain = json.loads(json.dumps({name: dict(spec) for name, spec in embedder.schema.items()}))
    for schema in (embedder.schema, plain):
        again = records(schema=schema).fit(frame)
        assert again.identity.fingerprint == embedder.identity.fingerprint
    assert isinstance(again.schema, Schema)


def test_kinds_are_inferred_from_values() -> None:
    n = 40
    rng = np.random.default_rng(0)
    columns: dict[str, tuple[list[Any], str]] = {
        "id": ([f"u-{i}" for i in range(n)], "ignore"), "user_id": ([1000 - i for i in range(n)], "ignore"),
        "price": (rng.lognormal(3, 2, n).tolist(), "number"), "text number": ([str(i / 7) for i in range(n)], "number"),
        "way": ([f"{i} km" for i in range(n)], "number"), "flag": ([bool(i % 2) for i in range(n)], "boolean"),
        "said": (["yes", "no"] * (n // 2), "boolean"), "colour": (["red", "green"] * (n // 2), "category"),
        "town": ([f"t{i % 30}" for i in range(n)], "category"), "month": ([i % 12 + 1 for i in range(n)], "cyclic"),
        "on": ([date(2024, 1, 1 + i % 28) for i in range(n)], "date"), "at": ([f"2024-01-{1 + i % 28:02} 10:00" for i in range(n)], "date"),
        "where": ([{"lat": i, "lon": i} for i in range(n)], "place"), "position": ([(i, -i) for i in range(n)], "place"),
        "tags": ([["a", "b"][: i % 3] for i in range(n)], "list"), "run": ([list(range(i, i + 12)) for i in range(n)], "series"),
        "note": ([f"a remark of several words about number {i}" for i in range(n)], "text"), "mixed": (["a", 1] * (n // 2), "category"),
    }  # fmt: skip
    from adjoin.embed.records.schema import inferred

    rows = [{name: values[i] for name, (values, _) in columns.items()} for i in range(n)]
    found = inferred(rows)
    assert {name: spec["kind"] for name, spec in found.items()} == {name: kind for name, (_, kind) in columns.items()}
    assert found["way"]["unit"] == "km"
    mixed = inferred([{"way": way} for way in (3, "2 mi", "5 km", (7, "km"), 4.5)])
    assert mixed["way"]["unit"] == "km"
    assert all(one.why for one in found.fields.values())
    with pytest.raises(InvalidOption, match=r"'x' has values of the types complex, of which no kind"):
        inferred([{"x": 1j}])
    with pytest.raises(InvalidOption, match="no record has a field with a value"):
        inferred([{}, {}])


def test_a_frame_says_which_columns_are_ordered() -> None:
    sizes = pd.Categorical(["S", "L", "M", "S"], categories=["S", "M", "L"], ordered=True)
    embedder = records().fit(pd.DataFrame({"size": sizes, "n": [1, 2, 3, 4]}))
    assert embedder.schema["size"] == {"kind": "ordered", "order": ["S", "M", "L"]}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"schema": {"a": "nummer"}}, "unknown kind of the field 'a' 'nummer'. Known: number, cyclic"),
        ({"schema": {"a": {"kind": "number", "scael": "log"}}}, "unknown option of the field 'a' 'scael'. Known: scale, unit, clip"),
        ({"schema": {"a": {"kind": "ordered"}}}, "the field 'a', of the kind ordered: missing .*'order'"),
        ({"schema": {"a": {"kind": "number", "unit": "parsec"}}}, "the field 'a': the unit 'parsec' is not known"),
        ({"schema": {"a": "number", "b": {"kind": "text", "from": "a"}}}, "'a' and 'b' of the schema are both read from 'a'"),
        ({"schema": {"a": {"kind": "number", "from": ["x", "y"]}}}, "is read `from` one key"),
        ({"schema": {}}, "schema is"), ({"schema": "automatic"}, "schema is"), ({"schema": {3: "number"}}, "name of a field"),
        ({"schema": {"a": "number"}, "weights": {"b": 1}}, "unknown field in weights 'b'. Known: a"),
        ({"schema": {"a": "number"}, "weights": {"a": -1}}, "weight of 'a'"), ({"unknown": "drop"}, "unknown answer"),
        ({"schema": {"a": {"kind": "number", "weight": float("nan")}}}, "weight of 'a'"), ({"sample": 0}, "sample"),
        ({"shema": "auto"}, "unknown embedder option 'shema'. Known: schema, weights, unknown, sample, seed"),
    ],
)  # fmt: skip
def test_wrong_options_are_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidOption, match=told):
        records(**options)


# ── Bad input ────────────────────────────────────────────────────────────────────────────────────────────────────────

BAD: list[tuple[Any, str]] = [
    ({"age": 1, "hieght": 2}, r"item 1 has the field 'hieght', which the schema does not know. Known: age, city"),
    ({"age": "old"}, r"item 1, field 'age' \(number\): 'old' is not a number"),
    ({"age": float("-inf")}, r"item 1, field 'age' \(number\): -inf is not finite"),
    ({"city": ["a"]}, r"item 1, field 'city' \(category\): \['a'\] is list, not a category"),
    ({"member": "maybe"}, "item 1, field 'member'"), ({"tags": 5}, "item 1, field 'tags'"), ({"joined": "soon"}, "item 1, field 'joined'"),
    ({"home": (91, 0)}, "item 1, field 'home'"), ("a text", "item 1 is str, and a record is a dict"), (None, "item 1 is NoneType"),
    ({5: 1}, "item 1 has a field named 5 of type int"), ((1, 2), r"item 1 has 2 values, and the schema 6 fields"),
]  # fmt: skip


@pytest.mark.parametrize(("bad", "told"), BAD)
def test_a_bad_record_is_refused_by_its_place_and_field(bad: Any, told: str) -> None:
    embedder = people()
    with pytest.raises(InvalidContent, match=told):
        embedder.embed([PEOPLE[0], bad])
    with pytest.raises(InvalidContent, match=told):
        records(schema=SCHEMA).fit([PEOPLE[0], bad])


def test_the_rest_of_a_batch_goes_on() -> None:
    embedder = people()
    batch = [PEOPLE[0], *(bad for bad, _ in BAD), PEOPLE[1], {}]
    vectors, places, refused = embed_all(embedder, batch)
    assert places == [0, len(batch) - 2, len(batch) - 1]
    assert [one.position for one in refused] == list(range(1, 1 + len(BAD)))
    np.testing.assert_array_equal(vectors[:2], embedder.embed(PEOPLE[:2]))


def test_unknown_fields_can_be_ignored() -> None:
    embedder = records(schema={"age": "number"}, unknown="ignore").fit(PEOPLE)
    np.testing.assert_array_equal(embedder.embed(PEOPLE), embedder.embed([{"age": one["age"]} for one in PEOPLE]))
    assert (
        embedder.identity.fingerprint
        != records(schema={"age": "number"}).fit([{"age": p["age"]} for p in PEOPLE]).identity.fingerprint
    )


def test_one_record_alone_is_told_to_stand_in_a_list() -> None:
    for one in (PEOPLE[0], "x", Row(1, "a"), Person(1, "a"), 5):
        with pytest.raises(InvalidContent, match=r"Write \[record\]"):
            people().embed(one)  # type: ignore[arg-type]


def test_huge_and_odd_values_leave_no_infinity() -> None:
    rows = [{"n": v, "l": v, "q": v} for v in (0, 1e308, -1e308, 5, 1e-308, 10**300, 3.2)]
    embedder = records(schema={"n": {"kind": "number", "clip": None}, "l": {"kind": "number", "scale": "log"},
                               "q": {"kind": "number", "scale": "quantile"}}).fit(rows)  # fmt: skip
    assert np.isfinite(embedder.embed(rows)).all()
    text = {"c": "😀" * 1000, "t": "؟ مرحبا \u202e" + "x" * 1_000_000}
    odd = records(schema={"c": "category", "t": {"kind": "category", "encode": "hashed"}}).fit([text, {"c": "a"}])
    assert np.isfinite(odd.embed([text, {"c": "\ud800"}])).all()


def test_nothing_works_before_fit() -> None:
    embedder = records(schema=SCHEMA)
    for use in (lambda: embedder.dim, lambda: embedder.identity, lambda: embedder.embed(PEOPLE), lambda: embedder.save("x"),
                lambda: embedder.explain({}, {}), lambda: records().schema):  # fmt: skip
        with pytest.raises(NotFitted, match="'records' has not seen any data yet"):
            use()
    with pytest.raises(InvalidInput, match="no record to learn from"):
        embedder.fit([])
    with pytest.raises(InvalidOption, match="every field of the schema is ignored"):
        records(schema={"a": "ignore"}).fit([{"a": 1}])


def test_a_refused_fit_leaves_what_was_learned() -> None:
    embedder = people()
    before = embedder.identity.fingerprint
    with pytest.raises(InvalidContent):
        embedder.partial_fit([{"age": "old"}])
    assert embedder.identity.fingerprint == before
    assert (
        embedder.partial_fit(PEOPLE[:1]).identity.fingerprint == people().fit([*PEOPLE, PEOPLE[0]]).identity.fingerprint
    )


# ── Same again ───────────────────────────────────────────────────────────────────────────────────────────────────────


@real
def test_a_record_s_vector_depends_on_the_record_alone() -> None:
    frame = table("weather").iloc[::500]
    rows = [*frame.to_dict("records")]
    embedder = records().fit(frame)
    together = embedder.embed(rows)
    alone = np.concatenate([embedder.embed([row], "query") for row in rows])
    np.testing.assert_array_equal(alone, together)


@real
@pytest.mark.parametrize("name", ["weather", "countries", "seattle"])
def test_a_saved_one_is_the_same_and_two_saves_have_one_digest(name: str, tmp_path: Path) -> None:
    frame = table(name).iloc[:800]
    embedder = records(weights={frame.columns[2]: 2.5}).fit(frame)
    before = embedder.embed(frame)
    first, second = embedder.save(tmp_path / "one"), embedder.save(tmp_path / "two")
    assert saved.load(first).digest == saved.load(second).digest
    assert records(weights={frame.columns[2]: 2.5}).fit(frame).identity.fingerprint == embedder.identity.fingerprint
    for path in (first, second):
        again = adjoin.embedder(path)
        assert isinstance(again, RecordsEmbedder)
        np.testing.assert_array_equal(again.embed(frame), before)  # type: ignore[arg-type]
        assert again.identity.fingerprint == embedder.identity.fingerprint
        assert again.reopened_by == str(path)
        assert str(again.schema) == str(embedder.schema)
        assert again.save(path) == path
        assert saved.load(path).digest == saved.load(second).digest
    assert {file.suffix for file in first.iterdir()} == {".json", ".npy"}


def test_all_kinds_come_back_from_a_folder(tmp_path: Path) -> None:
    rows = [
        {**person, "month": n + 1, "size": "SML"[n % 3], "q": n**3, "l": 10.0**n, "h": f"h{n}", "g": "ab"[n % 2],
         "run": np.sin(np.arange(30) * (n + 1) / 3).tolist(), "id": n, "note": f"note {n}", "long": [f"m{n}", n]}
        for n, person in enumerate(PEOPLE)
    ]  # fmt: skip
    schema = {
        **SCHEMA, "month": {"kind": "cyclic", "period": 12}, "size": {"kind": "ordered", "order": ["S", "M", "L"]},
        "q": {"kind": "number", "scale": "quantile"}, "l": {"kind": "number", "scale": "log", "unit": "kg"},
        "h": {"kind": "category", "encode": "hashed", "dim": 16}, "g": {"kind": "category", "encode": "target"}, "run": "series",
        "id": "ignore", "note": {"kind": "text", "embedder": "default", "weight": 2}, "long": {"kind": "list", "encode": "hashed"},
    }  # fmt: skip
    embedder = records(schema=schema).fit(rows, [1, 0, 1, 0])
    before, path = embedder.embed(rows), embedder.save(tmp_path / "all")
    again = adjoin.embedder(str(path))
    np.testing.assert_array_equal(again.embed(rows), before)
    assert again.identity.fingerprint == embedder.identity.fingerprint
    assert dict(again.schema) == dict(embedder.schema)  # type: ignore[attr-defined]
    canaries = embedder.canary_items
    assert set(canaries[0]) == set(schema) - {"id"}
    assert np.isfinite(again.embed(canaries)).all()
    kept = json.loads(json.dumps([embedder.kept(row) for row in rows]))
    np.testing.assert_array_equal(again.embed(kept), before)
    assert [embedder.hash_of(row) for row in kept] == [embedder.hash_of(row) for row in rows]


def test_another_text_embedder_behind_a_field_is_noticed(tmp_path: Path) -> None:
    with_default = records(schema={"t": "text"}).fit([{"t": "rain"}, {"t": "sun"}])
    path = with_default.save(tmp_path / "m")
    held = json.loads((path / "embedder.json").read_text("utf-8"))
    held["settings"]["texts"]["t"] = "0" * 64
    (path / "embedder.json").write_text(json.dumps(held), "utf-8")
    with pytest.raises(adjoin.errors.IdentityMismatch, match="text field 't'"):
        adjoin.embedder(path)

    class Own:
        identity, dim = "own", 2

        def embed(self, items: list[str], kind: str = "document") -> Any:
            return [[len(item), 1.0] for item in items]

    own = records(schema={"t": {"kind": "text", "embedder": Own()}}).fit([{"t": "rain"}, {"t": "sunny"}])
    assert own.explain({"t": "a"}, {"t": "abc"})["t"] > 0
    assert own.identity.fingerprint != with_default.identity.fingerprint
    with pytest.raises(InvalidOption, match="no name finds again"):
        own.save(tmp_path / "own")


def test_a_folder_that_says_nonsense_is_unreadable(tmp_path: Path) -> None:
    path = people().save(tmp_path / "m")
    held = json.loads((path / "embedder.json").read_text("utf-8"))
    del held["settings"]["order"]
    (path / "embedder.json").write_text(json.dumps(held), "utf-8")
    with pytest.raises(UnreadableFile, match="does not describe an embedder of records"):
        adjoin.embedder(path)


def test_more_records_join_as_if_all_had_come_at_once(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    rows = [
        {"x": float(x), "c": f"c{int(c)}"} for x, c in zip(rng.normal(size=90), rng.integers(0, 9, 90), strict=True)
    ]
    at_once = records(sample=50).fit(rows)
    in_parts = records(sample=50).fit(rows[:20]).partial_fit(rows[20:60]).partial_fit(r for r in rows[60:])
    assert in_parts.identity.fingerprint == at_once.identity.fingerprint
    assert in_parts.identity.fingerprint != records(sample=90).fit(rows).identity.fingerprint
    loaded = adjoin.embedder(at_once.save(tmp_path / "m"))
    with pytest.raises(Unsupported, match="are not in its folder"):
        loaded.partial_fit(rows)  # type: ignore[attr-defined]


def test_without_scikit_learn_the_extra_is_named_and_loaded_ones_still_embed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder = people()
    before, path = embedder.embed(PEOPLE), embedder.save(tmp_path / "m")
    for name in [name for name in sys.modules if name.split(".")[0] == "sklearn"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(adjoin.errors.MissingExtra, match=r"pip install 'adjoin\[learn\]'"):
        people()
    np.testing.assert_array_equal(adjoin.embedder(path).embed(PEOPLE), before)


def test_fit_tells_its_progress() -> None:
    told: list[tuple[int, int | None]] = []
    records(schema=SCHEMA).fit(PEOPLE, progress=lambda done, total: told.append((done, total)))
    assert told == [(n, 6) for n in range(1, 7)]


# ── In a collection ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_collection_of_records_is_searched_by_record_and_opens_again(tmp_path: Path) -> None:
    embedder = people()
    embedder.save(tmp_path / "m")
    with adjoin.open(tmp_path / "db") as db:
        kept = db.collection("people", embedder=embedder, metric="euclidean")
        kept.upsert(PEOPLE, ids=["a", "b", "c", "d"])
        hit = kept.search({**PEOPLE[1], "age": 44}, k=1)[0]
        assert hit.id == "b"
        assert hit.distance == pytest.approx(embedder.explain(PEOPLE[1], {**PEOPLE[1], "age": 44}).distance, rel=1e-4)
        assert hit.content["joined"] == "2021-06-01"
    with adjoin.open(tmp_path / "db") as db:
        again = db.collection("people")
        stored = again.get("c").content if hasattr(again.get("c"), "content") else again.get(["c"])[0].content
        assert again.search(stored, k=1)[0].id == "c"


def test_a_difference_of_identities_names_the_field() -> None:
    told = people().identity.differences(people(weights={"city": 2}).identity)
    assert [line.split(":")[0] for line in told] == ["weights (SHA-256)", "field city"]
    learned = people().identity.differences(records(schema=SCHEMA).fit(PEOPLE[:3]).identity)
    assert learned[0].startswith("dim") or learned[0].startswith("weights")


def test_it_is_an_embedder_of_records() -> None:
    embedder = people()
    assert isinstance(embedder, Embedder)
    assert embedder.takes == "record"
    assert embedder.reopened_by is None
    assert not embedder.identity.normalize
    assert embedder.hash_of({"age": 1}) == embedder.hash_of({"age": 1.0, "city": None}) != embedder.hash_of({"age": 2})
    assert embedder.kept({"joined": datetime(2024, 5, 1, 9), "tags": {"b", "a"}}) == {
        "joined": "2024-05-01T09:00:00",
        "tags": ["a", "b"],
    }


def test_labels_weigh_the_fields_unless_weights_were_given() -> None:
    rng = np.random.default_rng(3)
    rows = [
        {"told": float(told), "noise": float(noise), "more": float(more)}
        for told, noise, more in rng.normal(size=(200, 3))
    ]
    labels = [row["told"] > 0 for row in rows]
    weighed = adjoin.embedder("records").fit(rows, labels)
    asked = adjoin.embedder("records", weights="labels").fit(rows, labels)
    same = adjoin.embedder("records", weights={}).fit(rows, labels)
    said = adjoin.embedder(
        "records", schema={"told": "number", "noise": {"kind": "number", "weight": 2}, "more": "number"}
    )
    assert weighed.identity.fingerprint == asked.identity.fingerprint
    assert weighed.schema.fields["told"].weight > weighed.schema.fields["noise"].weight
    assert {field.weight for field in same.schema.fields.values()} == {1}
    assert [field.weight for field in said.fit(rows, labels).schema.fields.values()] == [1, 2, 1]
