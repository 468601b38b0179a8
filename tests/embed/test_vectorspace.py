"""Counts, TF-IDF and LSA: scikit-learn's numbers, and statistics that documents join and leave."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.corpora import NO_NEWSGROUPS, lee, newsgroups

import adjoin
from adjoin.embed.vectorspace import LSA, VectorSpace
from adjoin.errors import InvalidContent, InvalidOption, InvalidVector, NotFitted, Unsupported

sklearn_text = pytest.importorskip("sklearn.feature_extraction.text")

KOREAN = ["배를 먹고 물을 마셨다", "데이터베이스에서 벡터를 검색한다", "벡터 검색은 빠르다"]
OPTIONS: list[dict[str, Any]] = [
    {},
    {"ngram_range": (1, 2), "min_df": 2},
    {"min_df": 0.02, "max_df": 0.4},
    {"max_features": 500, "binary": True},
    {"max_features": 300, "stop_words": "english"},
    {"analyzer": "char_wb", "ngram_range": (2, 4), "min_df": 3},
    {"analyzer": "char", "ngram_range": (3, 3), "lowercase": False},
]


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return lee()


def space(name: str, **options: Any) -> Any:
    return adjoin.embedder(name, **options)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_counts_are_those_of_scikit_learn(texts: list[str], options: dict[str, Any]) -> None:
    theirs = sklearn_text.CountVectorizer(**options).fit(texts[:200])
    ours = space("counts", **options).fit(texts[:200])
    assert list(ours.vocabulary) == list(theirs.get_feature_names_out())
    assert ours.dim == len(ours.vocabulary)
    assert (ours.transform(texts) != theirs.transform(texts)).nnz == 0
    assert ours.embed(texts[:3]).dtype == np.float32


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize(
    "weights",
    [{}, {"sublinear_tf": True}, {"smooth_idf": False}, {"norm": "l1"}, {"norm": None}, {"use_idf": False}],
    ids=str,
)
def test_tfidf_is_that_of_scikit_learn(texts: list[str], options: dict[str, Any], weights: dict[str, Any]) -> None:
    theirs = sklearn_text.TfidfVectorizer(**options, **weights).fit(texts[:60])
    ours = space("tfidf", **options, **weights).fit(texts[:60])
    assert abs(ours.transform(texts[50:90]) - theirs.transform(texts[50:90])).max() < 1e-6


def test_tfidf_of_real_posts_is_that_of_scikit_learn() -> None:
    posts = [text for _, text in newsgroups()[:1500]]
    if not posts:
        pytest.skip(NO_NEWSGROUPS)
    theirs = sklearn_text.TfidfVectorizer(sublinear_tf=True, min_df=2).fit(posts)
    ours = space("tfidf", sublinear_tf=True, min_df=2).fit(posts)
    assert abs(ours.transform(posts) - theirs.transform(posts)).max() < 1e-6


@pytest.mark.parametrize("options", [{}, {"min_df": 3}, {"max_features": 200}, {"dim": 256}], ids=str)
@pytest.mark.parametrize("name", ["counts", "tfidf"])
def test_joining_in_any_order_equals_one_fit(texts: list[str], name: str, options: dict[str, Any]) -> None:
    whole = space(name, **options).fit(texts)
    parts = texts[:]
    random.Random(0).shuffle(parts)
    joined = space(name, **options).fit(parts[:10])
    before = joined.identity
    joined.partial_fit(parts[10:120]).partial_fit(text for text in parts[120:])
    assert (joined.transform(texts) != whole.transform(texts)).nnz == 0
    assert joined.identity == whole.identity
    assert joined.documents == len(texts)
    if not (name == "counts" and "dim" in options):
        assert joined.identity.fingerprint != before.fingerprint


def test_taking_documents_away_equals_a_fit_on_the_rest(texts: list[str]) -> None:
    less = space("tfidf").fit(texts).remove(texts[100:])
    assert less.vocabulary == space("tfidf").fit(texts[:100]).vocabulary
    assert (less.transform(texts) != space("tfidf").fit(texts[:100]).transform(texts)).nnz == 0
    held = less.identity
    with pytest.raises(InvalidContent, match="not all added before"):
        less.remove(["never seen this zyzzyva"])
    assert less.identity == held


def test_hashed_terms_have_a_fixed_width_and_need_no_fit_without_idf(texts: list[str]) -> None:
    from sklearn.feature_extraction.text import HashingVectorizer

    ours = space("counts", dim=512)
    theirs = HashingVectorizer(n_features=512, norm=None)
    assert abs(ours.transform(texts) - theirs.transform(texts)).max() == 0
    assert adjoin.embedder(ours.reopened_by).identity == ours.identity
    assert (adjoin.embedder(ours.reopened_by).embed(texts[:2]) == ours.embed(texts[:2])).all()
    with pytest.raises(NotFitted):
        space("tfidf", dim=512).embed(["a word"])
    with pytest.raises(Unsupported, match="are not kept"):
        _ = ours.vocabulary


def test_hashed_tfidf_weighs_columns_by_their_documents(texts: list[str]) -> None:
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

    hashed = HashingVectorizer(n_features=2048, norm=None)
    theirs = TfidfTransformer().fit(abs(hashed.transform(texts[:200])))
    ours = space("tfidf", dim=2048).fit(texts[:200])
    assert abs(ours.transform(texts) - theirs.transform(hashed.transform(texts))).max() < 1e-6


def test_memory_of_a_stream_is_that_of_its_terms() -> None:
    import tracemalloc

    def stream(number: int) -> Iterator[str]:
        chosen = random.Random(0)
        for _ in range(number):
            yield " ".join(f"w{chosen.randrange(200)}" for _ in range(30))

    peaks = []
    for number in (1_000, 4_000):
        tracemalloc.start()
        space("tfidf").fit(stream(number))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


@pytest.mark.parametrize("options", [{}, {"dim": 4096}], ids=str)
def test_explaining_gives_the_terms_and_their_weights(texts: list[str], options: dict[str, Any]) -> None:
    model = space("tfidf", **options).fit(texts)
    told = model.explain(texts[0])
    assert [abs(one.weight) for one in told] == sorted((abs(one.weight) for one in told), reverse=True)
    vector = model.embed([texts[0]])[0]
    if not options:
        for term, weight in told:
            assert vector[model.vocabulary[term]] == pytest.approx(weight, abs=1e-6)
        assert len(told) == np.count_nonzero(vector)
    else:
        assert sum(weight for _, weight in told) == pytest.approx(float(vector.sum()), abs=1e-4)


def test_a_text_without_known_terms_gets_what_was_asked_for(texts: list[str]) -> None:
    assert not space("tfidf").fit(texts).embed(["", "zyzzyva"]).any()
    refusing = space("tfidf", empty="refuse").fit(texts)
    with pytest.raises(InvalidContent, match=r"item 1 .* has no term that this tfidf model knows"):
        refusing.embed([texts[0], "zyzzyva"])
    apart = space("tfidf", empty="apart").fit(texts)
    vectors = apart.embed([texts[0], "", "🎉"])
    assert vectors.shape[1] == apart.dim == len(apart.vocabulary) + 1
    assert vectors[:, -1].tolist() == [0, 1, 1]
    assert vectors[1] @ vectors[0] == 0


def test_a_collection_takes_a_model_that_refuses_unknown_terms(texts: list[str], tmp_path: Path) -> None:
    model = space("tfidf", max_features=200, empty="refuse").fit(texts)
    model.save(tmp_path / "model")
    with adjoin.open(tmp_path / "store") as db:
        rows = db.collection("news", embedder=model)
        rows.add(texts[:5])
        with pytest.raises(InvalidContent, match="has no term"):
            rows.add(["zyzzyva"])
    with adjoin.open(tmp_path / "store") as db:
        assert db.collection("news").search(texts[3], k=1, recall=1.0)[0].content == texts[3]


def test_a_collection_takes_what_has_a_direction_and_names_what_has_none(texts: list[str], tmp_path: Path) -> None:
    model = space("tfidf", max_features=300).fit(texts)
    model.save(tmp_path / "model")
    with adjoin.open(tmp_path / "store") as db:
        rows = db.collection("news", embedder=model)
        rows.add(texts[:50])
        assert rows.search(texts[7], k=1, recall=1.0)[0].content == texts[7]
        with pytest.raises(InvalidVector, match="'zyzzyva' is zero"):
            rows.add(["zyzzyva"])
    with adjoin.open(tmp_path / "store") as db:
        assert db.collection("news").search(texts[7], k=1, recall=1.0)[0].content == texts[7]


@pytest.mark.parametrize("name", ["counts", "tfidf", "lsa"])
def test_a_saved_model_gives_the_same_vectors(texts: list[str], name: str, tmp_path: Path) -> None:
    options = {"dim": 20} if name == "lsa" else {"ngram_range": (1, 2), "min_df": 2}
    model = space(name, **options).fit([*texts, *KOREAN * 3])
    model.save(tmp_path / "model")
    again = adjoin.embedder(tmp_path / "model")
    assert again.identity == model.identity
    assert again.reopened_by == model.reopened_by == str(tmp_path / "model")
    np.testing.assert_array_equal(again.embed([*texts, *KOREAN, ""]), model.embed([*texts, *KOREAN, ""]))
    again.partial_fit(texts[:30])
    assert again.reopened_by is None


def test_korean_texts_meet_in_their_stems() -> None:
    pytest.importorskip("kiwipiepy")
    model = space("tfidf").fit(KOREAN)
    assert {"벡터", "검색", "배", "먹"} <= set(model.vocabulary)
    vectors = model.embed(["벡터를", "벡터 검색은 빠르다", "배를 먹고 물을 마셨다"])
    assert vectors[0] @ vectors[1] > 0 == vectors[0] @ vectors[2]
    assert model.identity.settings["korean"] == "morphemes by kiwipiepy"
    assert "kiwipiepy" in model.identity.settings
    pairs = space("tfidf", korean="bigrams").fit(KOREAN)
    assert pairs.identity.settings["korean"] == "bigrams"
    assert {"벡터", "터를"} <= set(pairs.vocabulary)


@pytest.mark.parametrize("name", ["counts", "tfidf", "lsa"])
def test_odd_texts_get_finite_vectors(texts: list[str], name: str) -> None:
    model = space(name, **({"dim": 20} if name == "lsa" else {})).fit([*texts, *KOREAN])
    odd = ["", "🎉🎉", "مرحبا بالعالم", " \n\t", "\x00", "a", "word " * 200_000]
    assert len(odd[-1]) == 1_000_000
    vectors = model.embed(odd)
    assert vectors.shape == (len(odd), model.dim)
    assert np.isfinite(vectors).all()
    for text in KOREAN:
        a, b = model.embed([text]), model.embed([unicodedata.normalize("NFD", text)])
        np.testing.assert_array_equal(a, b)
        assert a.any()
    assert model.embed([]).shape == (0, model.dim)


@pytest.mark.parametrize("name", ["counts", "tfidf", "lsa"])
def test_what_is_no_text_is_refused_by_its_position(texts: list[str], name: str) -> None:
    model = space(name, **({"dim": 5} if name == "lsa" else {})).fit(texts[:50])
    held = model.identity
    for bad, said in (("a\ud800b", "item 3 has a lone surrogate .* at character 1"), (7, "item 3 is int")):
        with pytest.raises(InvalidContent, match=said):
            model.embed([*texts[:3], bad])
        with pytest.raises(InvalidContent, match=said):
            model.fit([*texts[:3], bad])
        with pytest.raises(InvalidContent, match=said):
            model.partial_fit(iter([*texts[:3], bad]))
    with pytest.raises(InvalidContent, match="not one str"):
        model.fit("one text")
    assert model.identity == held


def test_before_fit_nothing_can_be_asked() -> None:
    for name in ("counts", "tfidf", "lsa"):
        model = space(name)
        for ask in (
            lambda m: m.embed(["a"]),
            lambda m: m.identity,
            lambda m: m.save("/nowhere"),
            lambda m: m.vocabulary,
        ):
            with pytest.raises(NotFitted, match=name):
                ask(model)


def test_fitting_on_nothing_is_refused_and_changes_nothing(texts: list[str]) -> None:
    model = space("tfidf").fit(texts[:5])
    held = model.identity
    with pytest.raises(InvalidContent, match="none is left"):
        model.fit(["", "🎉"])
    with pytest.raises(InvalidContent, match="none is left"):
        space("tfidf", min_df=2).fit(["one two", "three four"])
    with pytest.raises(InvalidOption, match="admits fewer documents"):
        space("tfidf", min_df=4).fit(["one two", "one two"])
    assert model.identity == held


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"min_df": -1}, "min_df"),
        ({"max_df": 1.5}, "max_df"),
        ({"norm": "l3"}, "unknown norm"),
        ({"dim": 0}, "dim"),
        ({"dim": 10, "min_df": 2}, "hashes terms"),
        ({"empty": "drop"}, "unknown empty"),
        ({"analyzer": "sentence"}, "unknown units"),
        ({"stop_words": "german"}, "unknown list of stop words"),
        ({"sublinear": True}, "unknown embedder option 'sublinear'"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidOption, match=said):
        space("tfidf", **options)


def test_lsa_is_the_svd_of_tfidf(texts: list[str]) -> None:
    texts = texts[:100]
    model = space("lsa", dim=10, normalize=False).fit(texts)
    weighed = space("tfidf").fit(texts).transform(texts).toarray()
    left, strengths, _ = np.linalg.svd(weighed, full_matrices=False)
    ours = model.embed(texts)
    exact = (left * strengths)[:, :10]
    np.testing.assert_allclose(ours @ ours.T, exact @ exact.T, atol=2e-3)
    assert np.allclose(np.linalg.norm(space("lsa", dim=10).fit(texts).embed(texts), axis=1), 1, atol=1e-5)
    assert len(model.topics(5)) == 10
    assert space("lsa", dim=10).fit(texts).identity == space("lsa", dim=10).fit(texts).identity


def test_documents_that_join_lsa_come_near_a_fit_on_all(texts: list[str]) -> None:
    whole = space("lsa", dim=30).fit(texts)
    joined = space("lsa", dim=30).fit(texts[:200]).partial_fit(texts[200:])
    only = space("lsa", dim=30).fit(texts[:200])
    assert joined.vocabulary == whole.vocabulary

    def overlap(model: Any) -> float:
        near = [
            np.argsort(-(vectors @ vectors.T), axis=1)[200:, 1:11]
            for vectors in (model.embed(texts), whole.embed(texts))
        ]
        return float(np.mean([len(set(a) & set(b)) / 10 for a, b in zip(*near, strict=True)]))

    assert overlap(joined) > 0.7
    assert overlap(joined) > overlap(only) + 0.1


def test_lsa_puts_a_topic_s_posts_together() -> None:
    posts = [(group, text) for group, text in newsgroups() if group in ("sci.space", "rec.autos", "talk.religion.misc")]
    if not posts:
        pytest.skip(NO_NEWSGROUPS)
    posts = random.Random(0).sample(posts, 400)
    groups = np.array([group for group, _ in posts])
    vectors = space("lsa", dim=50, min_df=2).fit([text for _, text in posts]).embed([text for _, text in posts])
    likeness = vectors @ vectors.T
    np.fill_diagonal(likeness, -1)
    assert (groups[likeness.argmax(axis=1)] == groups).mean() > 0.75


def test_lsa_refuses_more_dimensions_than_there_are(texts: list[str]) -> None:
    model = space("lsa", dim=50)
    with pytest.raises(InvalidOption, match="have no 50 dimensions"):
        model.fit(texts[:20])
    with pytest.raises(NotFitted):
        model.embed(["a"])
    with pytest.raises(Unsupported, match="cannot forget"):
        space("lsa", dim=5).fit(texts).remove(texts[:1])


def test_progress_counts_documents(texts: list[str]) -> None:
    seen: list[tuple[int, int | None]] = []
    space("counts").fit(texts * 5, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (1500, 1500)
    space("counts").fit(iter(texts), progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (300, None)


def test_the_models_are_of_their_classes(texts: list[str]) -> None:
    assert isinstance(space("counts"), VectorSpace)
    assert isinstance(space("lsa"), LSA)
    assert "not fitted" in repr(space("lsa"))
    assert "300 documents" in repr(space("counts").fit(texts))
