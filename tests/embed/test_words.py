"""Words and sentences: trained here, gone on with, written, read, and beside gensim's own numbers."""

# ruff: noqa: A002  # `format` is the option's name

from __future__ import annotations

import unicodedata
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.corpora import NO_GLOVE, WORDS, glove_text, judged_pairs, lee, newsgroups, questions
from tests.support.words import VECTORS

import adjoin
from adjoin.embed import saved
from adjoin.embed.words import Neighbour
from adjoin.embed.words.glove import co_occurrences
from adjoin.embed.words.jamo import composed, taken_apart
from adjoin.embed.words.phrases import joined
from adjoin.embed.words.sentences import common_components, word_weights
from adjoin.embed.words.subwords import all_ngram_hashes, ngram_hashes
from adjoin.errors import InvalidContent, InvalidOption, InvalidVector, NotFitted, NotFound, UnreadableFile, Unsupported
from adjoin.text.analyse import ALL_WORDS, Analyser

gensim_models = pytest.importorskip("gensim.models")

FAMILIES = ("word2vec", "fasttext", "glove")
SMALL: dict[str, Any] = {"dim": 20, "epochs": 2, "min_count": 3}
KOREAN = ["데이터베이스에서 벡터를 검색한다", "벡터 검색은 빠르다", "데이터베이스가 크다", "각각의 값어치가 있다"] * 5
ANALYSER = Analyser(pattern=ALL_WORDS, korean="words")


def options(family: str) -> dict[str, Any]:
    return SMALL | ({"buckets": 5000} if family == "fasttext" else {})


def new(family: str, **more: Any) -> Any:
    return adjoin.embedder(family, **options(family) | more)


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return lee()


@pytest.fixture(scope="module")
def trained(texts: list[str]) -> dict[str, Any]:
    return {family: new(family).fit([*texts, *KOREAN]) for family in FAMILIES}


@pytest.fixture(params=FAMILIES)
def model(request: pytest.FixtureRequest, trained: dict[str, Any]) -> Any:
    return trained[request.param]


# ── Training ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_texts_and_seed_give_the_same_vectors(texts: list[str], family: str) -> None:
    one = new(family).fit(texts[:60])
    other = new(family).fit(text for text in texts[:60])  # a generator is read once
    assert one.identity == other.identity
    np.testing.assert_array_equal(one.vectors, other.vectors)
    assert new(family, seed=2).fit(texts[:60]).identity.fingerprint != one.identity.fingerprint


@pytest.mark.parametrize("algorithm", ["skip-gram", "cbow"])
def test_word2vec_is_gensim_s(texts: list[str], algorithm: str) -> None:
    lists = [ANALYSER.terms(text) for text in texts]
    rate = {"skip-gram": 0.025, "cbow": 0.05}[algorithm]
    theirs = gensim_models.Word2Vec(
        lists, vector_size=20, min_count=3, sg=algorithm == "skip-gram", alpha=rate, workers=1, seed=1, epochs=2
    )
    ours = new("word2vec", algorithm=algorithm).fit(texts)
    assert ours.words == theirs.wv.index_to_key
    np.testing.assert_array_equal(ours.vectors, theirs.wv.vectors)
    assert [word for word, _ in ours.nearest("government", 5)] == [
        word for word, _ in theirs.wv.most_similar("government", topn=5)
    ]
    assert [word for word, _ in ours.analogy("government", "australia", "israel", k=5)] == [
        word for word, _ in theirs.wv.most_similar(positive=["government", "israel"], negative=["australia"], topn=5)
    ]


def test_fasttext_is_gensim_s_for_unknown_words_too(texts: list[str]) -> None:
    lists = [ANALYSER.terms(text) for text in texts]
    theirs = gensim_models.FastText(
        lists, vector_size=20, min_count=3, sg=1, alpha=0.05, workers=1, seed=1, epochs=2, bucket=5000
    )
    ours = new("fasttext").fit(texts)
    np.testing.assert_array_equal(ours.vectors, theirs.wv.vectors)
    for word in ("goverment", "zyzzyva", "값어치", "a"):
        np.testing.assert_allclose(ours.word_vector(word), theirs.wv[word], atol=1e-6)


@pytest.mark.parametrize("word", ["night", "a", "값어치", "ㄱㅏ_", "🎉", "naïve"])
@pytest.mark.parametrize("lengths", [(3, 6), (1, 4), (2, 2)])
def test_n_grams_are_hashed_as_gensim_does(word: str, lengths: tuple[int, int]) -> None:
    from gensim.models.fasttext import ft_ngram_hashes

    assert sorted(ngram_hashes(word, *lengths, 2_000_000)) == sorted(ft_ngram_hashes(word, *lengths, 2_000_000))


@pytest.mark.parametrize("lengths", [(3, 6), (1, 4), (2, 2)])
def test_n_grams_of_many_words_are_those_of_each(lengths: tuple[int, int]) -> None:
    words = ["night", "a", "값어치", "ㄱㅏ_", "🎉", "naïve", "", "가"]
    word, buckets = all_ngram_hashes(words, *lengths, 2_000_000)
    assert [buckets[word == at].tolist() for at in range(len(words))] == [
        ngram_hashes(one, *lengths, 2_000_000) for one in words
    ]
    assert not len(all_ngram_hashes([], *lengths, 100)[0]) + len(all_ngram_hashes(words, *lengths, 0)[0])


def test_unknown_words_are_built_together_as_alone(trained: dict[str, Any]) -> None:
    subwords = trained["fasttext"]._trained.subwords
    words = ["goverment", "zyzzyva", "값어치", "a", "", "🎉"]
    np.testing.assert_allclose(subwords.of_all(words), [subwords.of(word) for word in words], atol=1e-6)


def test_progress_counts_epochs(texts: list[str]) -> None:
    seen: list[tuple[int, int | None]] = []
    for family in FAMILIES:
        new(family, epochs=3).fit(texts[:40], progress=lambda *told: seen.append(told))
    assert seen == [(1, 3), (2, 3), (3, 3)] * 3


@pytest.mark.parametrize("family", FAMILIES)
def test_training_goes_on_with_more_texts_after_reopening_too(texts: list[str], family: str, tmp_path: Path) -> None:
    first = new(family).fit(texts[:150])
    known, held = set(first.words), first.word_vector("government")
    first.save(tmp_path / "model")
    reopened = adjoin.embedder(tmp_path / "model")
    for model in (first, reopened):
        model.fit_more(texts[150:])
        assert known < set(model.words)
        assert not np.array_equal(model.word_vector("government"), held)
        assert model.reopened_by is None
    # Its neighbours of before are near still: it went on, and did not begin anew.
    assert first.identity == reopened.identity
    np.testing.assert_array_equal(first.vectors, reopened.vectors)
    both = {word: sum(ANALYSER.terms(text).count(word) for text in texts) for word in ("government", "australia")}
    counts = dict(zip(first.words, first.counts.tolist(), strict=True))
    assert {word: counts[word] for word in both} == both


def test_going_on_starts_from_what_was_learned(texts: list[str]) -> None:
    for family in FAMILIES:
        model = new(family, epochs=10).fit(texts[:150])
        before = model.word_vector("government")
        model.fit_more(texts[150:160], epochs=1)
        after = model.word_vector("government")
        assert before @ after / np.linalg.norm(before) / np.linalg.norm(after) > 0.9


# ── GloVe ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_co_occurrences_are_counted_with_one_over_their_distance() -> None:
    texts = [np.array([0, 1, 2, 0]), np.array([2, 1]), np.array([], np.int64), np.array([1])]
    counted = co_occurrences(texts, 3, 2).toarray()
    expected = np.zeros((3, 3))
    for text in texts:
        for at, word in enumerate(text):
            for distance in (1, 2):
                if at + distance < len(text):
                    expected[word, text[at + distance]] += 1 / distance
    np.testing.assert_allclose(counted, expected)


def test_glove_fits_the_logarithms_of_the_counts(texts: list[str]) -> None:
    model = new("glove", dim=30, epochs=40, x_max=10.0, min_count=10).fit(texts[:100])
    state = model._trained.state
    (rows, columns), counts = state["pairs"], state["pair_counts"]
    symmetric = np.zeros((len(model), len(model)))
    np.add.at(symmetric, (rows, columns), counts)
    symmetric += symmetric.T
    rows, columns = symmetric.nonzero()
    words, contexts = state["words"], state["contexts"]
    fitted = np.einsum("ij,ij->i", words[rows, :-1], contexts[columns, :-1]) + words[rows, -1] + contexts[columns, -1]
    wanted = np.log(symmetric[rows, columns])
    weights = np.minimum(1, (symmetric[rows, columns] / 10) ** 0.75)
    assert np.average((fitted - wanted) ** 2, weights=weights) < 0.15 * np.average(
        (wanted - np.average(wanted, weights=weights)) ** 2, weights=weights
    )
    np.testing.assert_allclose(model.vectors, words[:, :-1] + contexts[:, :-1])


def test_a_step_of_one_pair_is_adagrad_s() -> None:
    from adjoin.embed.words.glove import _Fit, _Step

    fit = _Fit(3, new("glove").settings, None)
    w, c = fit.words[1].astype(float), fit.contexts[2].astype(float)
    log, weight, rate = 0.7, 0.4, 0.05
    error = w[:-1] @ c[:-1] + w[-1] + c[-1] - log
    pull = rate * weight * error
    towards_w, towards_c = np.append(pull * c[:-1], pull), np.append(pull * w[:-1], pull)
    cost = fit._step(_Step(np.array([1]), np.array([2]), np.array([log], np.float32), np.array([weight], np.float32)))
    assert cost == pytest.approx(weight * error**2 / 2, rel=1e-5)
    np.testing.assert_allclose(fit.words[1], w - towards_w, atol=1e-6)  # the sums of squares start at one
    np.testing.assert_allclose(fit.contexts[2], c - towards_c, atol=1e-6)
    np.testing.assert_allclose(fit.words_squared[1], 1 + towards_w**2, atol=1e-6)
    np.testing.assert_allclose(fit.contexts_squared[2], 1 + towards_c**2, atol=1e-6)


def test_glove_s_cost_falls_with_each_epoch(texts: list[str]) -> None:
    from scipy import sparse

    from adjoin.embed.words.glove import _Fit

    chosen = np.random.default_rng(0)
    pairs = sparse.random(200, 200, 0.2, random_state=0, data_rvs=lambda n: chosen.integers(1, 200, n)).tocoo()
    costs = _Fit(200, new("glove").settings, None).run(pairs, 8, None)
    assert all(after < before for before, after in pairwise(costs))


# ── Using ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_neighbours_come_best_first_without_the_word_itself(model: Any) -> None:
    near = model.nearest("Government", 5)
    assert all(isinstance(one, Neighbour) for one in near)
    assert "government" not in [one.word for one in near]
    scores = [one.score for one in near]
    assert scores == sorted(scores, reverse=True)
    assert near[0].score == pytest.approx(model.similarity("government", near[0].word), abs=1e-5)
    assert len(model.nearest("government", 10**6)) == len(model) - 1
    with pytest.raises(InvalidOption, match="k must be"):
        model.nearest("government", 0)


def test_words_of_an_analogy_are_left_out(model: Any) -> None:
    found = model.analogy("government", "australia", "israel", k=len(model))
    assert {"government", "australia", "israel"}.isdisjoint(one.word for one in found)
    assert found == model.analogy(positive=["government", "israel"], negative=["australia"], k=len(model))
    with pytest.raises(InvalidOption, match="three words"):
        model.analogy("government", "australia")
    with pytest.raises(InvalidOption, match="at least one positive"):
        model.analogy(negative=["australia"])


def test_a_text_is_the_weighted_mean_of_its_words_less_what_is_common(model: Any) -> None:
    text = "the government of Israel"
    words = ANALYSER.terms(text)
    weights = dict(zip(model.words, word_weights(model.counts, len(model), 1e-3), strict=True))
    assert weights["the"] < weights["israel"]
    mean = sum(weights[word] * model.word_vector(word) for word in words) / len(words)
    [common] = model._common
    assert np.linalg.norm(common) == pytest.approx(1, abs=1e-5)
    mean = mean - (mean @ common) * common
    np.testing.assert_allclose(model.embed([text])[0], mean / np.linalg.norm(mean), atol=1e-4)


def test_the_common_component_is_the_first_singular_vector() -> None:
    rows = np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32) + 2
    first = np.linalg.svd(rows)[2][0]
    assert abs(first @ common_components(rows, 1)[0]) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_common_component_is_that_of_the_texts_as_they_are_embedded(texts: list[str], family: str) -> None:
    model = new(family, oov="subwords" if family == "fasttext" else "zero").fit([*texts, ""])
    found, model._common = model._common, None
    vectors = model._means([model._analysed(text) for text in [*texts, ""]], None)
    assert abs(np.linalg.svd(vectors)[2][0] @ found[0]) == pytest.approx(1, abs=1e-5)


def test_several_common_components_and_of_nothing() -> None:
    rows = np.random.default_rng(0).normal(size=(50, 40)).astype(np.float32) + np.linspace(0, 2, 40, dtype=np.float32)
    for number in (3, 30):
        found = common_components(rows, number)
        assert np.abs(np.linalg.svd(rows)[2][:number] @ found.T).round(4).tolist() == np.eye(number).tolist()
    assert common_components(np.zeros((50, 40), np.float32), 1).shape == (0, 40)


def test_texts_that_are_all_alike_keep_a_direction() -> None:
    model = new("word2vec", min_count=1).fit(["one single sentence"] * 12)
    vectors = model.embed(["one single sentence", "one"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert model._common is not None
    few = new("word2vec", min_count=1).fit(["one single sentence"] * 3)
    assert few._common is None
    with pytest.raises(InvalidContent, match="too few"):
        few.fit_common(["one"] * 9)


def test_plain_means_are_plain(texts: list[str]) -> None:
    model = new("word2vec", pooling="mean", normalize=False).fit(texts[:60])
    words = ["the", "government", "said"]
    expected = np.mean([model.word_vector(word) for word in words], axis=0)
    np.testing.assert_allclose(model.embed(["The government said"])[0], expected, atol=1e-6)
    np.testing.assert_allclose(model.embed(["government"])[0], model.word_vector("government"), atol=1e-6)


def test_a_vector_is_the_same_in_any_company(model: Any, texts: list[str]) -> None:
    together = model.embed(texts[:30])
    np.testing.assert_array_equal(together, np.concatenate([model.embed([text]) for text in texts[:30]]))
    np.testing.assert_array_equal(together, model.embed(texts[:30], "query"))


def test_what_unknown_words_get_is_as_asked(texts: list[str]) -> None:
    fitted = {
        oov: new("word2vec", oov=oov, normalize=False, pooling="mean").fit(texts[:60])
        for oov in ("skip", "zero", "refuse")
    }
    text, known = "government zyzzyva", fitted["skip"].word_vector("government")
    np.testing.assert_allclose(fitted["skip"].embed([text])[0], known, atol=1e-6)
    np.testing.assert_allclose(fitted["zero"].embed([text])[0], known / 2, atol=1e-6)
    with pytest.raises(InvalidContent, match=r"item 1 .* does not know: 'zyzzyva'"):
        fitted["refuse"].embed(["government", text])
    for oov in ("skip", "refuse"):
        with pytest.raises(NotFound, match="zyzzyva"):
            fitted[oov].word_vector("zyzzyva")
    assert not fitted["zero"].word_vector("zyzzyva").any()
    assert "zyzzyva" not in fitted["skip"]
    with pytest.raises(InvalidOption, match="whole words only"):
        new("word2vec", oov="subwords")
    with pytest.raises(InvalidContent, match=r"item 0 .* has no word"):
        new("word2vec", empty="refuse").fit(texts[:60]).embed([""])


def test_misspelt_words_are_near_the_right_ones(trained: dict[str, Any]) -> None:
    model = new("fasttext", epochs=5).fit(lee())
    assert model.similarity("goverment", "government") > 0.9
    assert model.embed(["goverment"]).any()
    assert not trained["word2vec"].embed(["goverment"]).any()


# ── Korean ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_syllable_comes_back_from_its_letters() -> None:
    syllables = "".join(chr(code) for code in range(0xAC00, 0xD7A4))
    assert len(taken_apart(syllables)) == 3 * len(syllables)
    assert composed(taken_apart(syllables)) == syllables


def test_jamo_brings_misspelt_korean_nearer(tmp_path: Path) -> None:
    plain, jamo = (new("fasttext", jamo=jamo, min_count=1, epochs=5).fit(KOREAN) for jamo in (False, True))
    assert jamo.words == plain.words
    assert "데이터베이스가" in [one.word for one in jamo.nearest("데이타베이스가", 5)]
    assert jamo.similarity("겁어치가", "값어치가") > plain.similarity("겁어치가", "값어치가")
    jamo.save(tmp_path / "model")
    again = adjoin.embedder(tmp_path / "model")
    assert again.nearest("데이타베이스") == jamo.nearest("데이타베이스")
    again.fit_more(["새로운 낱말이 온다"] * 3)
    assert {"낱말이", "벡터를"} <= set(again.words)


def test_korean_can_be_learned_as_morphemes() -> None:
    pytest.importorskip("kiwipiepy")
    model = new("word2vec", korean="morphemes", min_count=2).fit(KOREAN)
    assert {"벡터", "검색", "값어치"} <= set(model.words)
    assert "kiwipiepy" in model.identity.settings


# ── Phrases ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_phrases_are_gensim_s_and_apply_to_texts(texts: list[str], tmp_path: Path) -> None:
    from gensim.models.phrases import Phrases

    lists = [ANALYSER.terms(text) for text in texts]
    theirs = Phrases(lists, min_count=5, threshold=10.0)
    model = new("word2vec", phrases=True).fit(texts)
    assert model.phrases == sorted(theirs.export_phrases())
    assert "new_york" in model.phrases
    for words in lists[:100]:
        assert joined(words, frozenset(model.phrases)) == theirs[words]
    np.testing.assert_array_equal(model.word_vector("New York"), model.word_vector("new_york"))
    np.testing.assert_array_equal(model.embed(["New York"]), model.embed(["new_york"]))
    model.save(tmp_path / "model")
    assert adjoin.embedder(tmp_path / "model").phrases == model.phrases


# ── Files ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_saved_model_gives_the_same_vectors(model: Any, texts: list[str], tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    for mapped in (False, True):
        again = adjoin.embedder(tmp_path / "model", mapped=mapped)
        assert again.identity == model.identity
        assert again.reopened_by == str(tmp_path / "model")
        assert again.words == model.words
        np.testing.assert_array_equal(again.embed([*texts[:40], "zyzzyva"]), model.embed([*texts[:40], "zyzzyva"]))
        assert again.nearest("government") == model.nearest("government")
    assert isinstance(again.vectors, np.memmap)
    smaller = model.save(tmp_path / "small", training=False)
    assert adjoin.embedder(smaller).identity == model.identity
    with pytest.raises(Unsupported, match="without what training needs"):
        adjoin.embedder(smaller).fit_more(texts[:3])
    assert len(saved.load(smaller).arrays) < len(saved.load(tmp_path / "model").arrays)


@pytest.mark.parametrize("format", ["word2vec", "word2vec-binary", "glove"])
def test_files_are_read_back_bit_for_bit_and_by_gensim(model: Any, format: str, tmp_path: Path) -> None:
    file = model.write(tmp_path / "vectors", format=format)
    family = "glove" if format == "glove" else "word2vec"
    again = adjoin.embedder(family, file=file)
    assert again.words == model.words
    np.testing.assert_array_equal(again.vectors, model.vectors)
    assert adjoin.embedder(again.reopened_by).identity == again.identity
    if format != "glove":  # there gensim leaves its file open
        theirs = gensim_models.KeyedVectors.load_word2vec_format(str(file), binary=format == "word2vec-binary")
        assert theirs.index_to_key == model.words
        np.testing.assert_array_equal(theirs.vectors, model.vectors)
    with pytest.raises(Unsupported, match="file of vectors alone"):
        again.fit_more(["a text"])


@pytest.mark.parametrize("format", ["word2vec", "word2vec-binary"])
def test_files_that_gensim_wrote_are_read(texts: list[str], format: str, tmp_path: Path) -> None:
    theirs = gensim_models.Word2Vec([ANALYSER.terms(text) for text in texts], vector_size=20, min_count=5, epochs=1)
    theirs.wv.save_word2vec_format(str(tmp_path / "vectors.gz"), binary=format == "word2vec-binary")
    ours = adjoin.embedder("word2vec", file=tmp_path / "vectors.gz")
    assert ours.words == theirs.wv.index_to_key
    np.testing.assert_allclose(ours.vectors, theirs.wv.vectors, atol=1e-7)


def test_a_fasttext_bin_is_written_read_and_gone_on_with(
    trained: dict[str, Any], texts: list[str], tmp_path: Path
) -> None:
    from gensim.models.fasttext import load_facebook_model

    model = trained["fasttext"]
    file = model.write(tmp_path / "model.bin", format="fasttext")
    theirs, ours = load_facebook_model(str(file)), adjoin.embedder("fasttext", file=file)
    for word in ("government", "goverment", "zyzzyva", "벡터"):
        np.testing.assert_allclose(theirs.wv[word], model.word_vector(word), atol=1e-6)
        np.testing.assert_allclose(ours.word_vector(word), model.word_vector(word), atol=1e-6)
    assert ours.fit_more(texts[:50])
    with pytest.raises(Unsupported, match="no n-grams"):
        trained["word2vec"].write(tmp_path / "other.bin", format="fasttext")


def test_a_bin_of_facebook_s_own_program_is_read() -> None:
    from gensim.test.utils import datapath

    ours = adjoin.embedder("fasttext", file=datapath("lee_fasttext.bin"))
    rows = dict(line.split(" ", 1) for line in Path(datapath("lee_fasttext.vec")).read_text().splitlines()[1:])
    for word in ("the", "australian", "rejection"):
        expected = np.array(rows.get(word, "").split(), np.float32)
        if len(expected):
            np.testing.assert_allclose(ours.word_vector(word), expected, atol=1e-3)
    assert "rejection" not in ours
    assert ours.word_vector("rejection").any()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no file of word vectors"),
        (b"\x89PNG\r\n\x1a\n rubbish", "no file of word vectors"),
        (b"3 2\na 1 2\nb 3 4\n", "promises 3 words and holds 2"),
        (b"2 2\na 1 2\nb 3\n", "line 3 has 1 numbers"),
        (b"a 1 2\nb 3 x\n", "is no number"),
        (b"a 1 2\nb nan 1\n", "NaN or infinity"),
        (b"2 2\na \x00\x00\x80\x3f\x00\x00\x80\x3f\nb \x00\x00", "ends after 1 of 2"),
        (b"999999999 300\na \x00\x00\x80\x3f", "too small"),
        (b"\xba\x16\x4f\x2f\x0c\x00\x00\x00rubbish", "cannot be read as fasttext"),
    ],
    ids=str,
)
def test_damaged_files_are_refused(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "vectors").write_bytes(content)
    with pytest.raises(UnreadableFile, match=said):
        adjoin.embedder("fasttext" if b"\xba\x16" in content else "word2vec", file=tmp_path / "vectors")


def test_a_file_that_is_not_there_or_unknown_formats_are_named(tmp_path: Path, trained: dict[str, Any]) -> None:
    with pytest.raises(NotFound, match="there is no file"):
        adjoin.embedder("glove", file=tmp_path / "missing.txt")
    (tmp_path / "v.txt").write_text("a 1 2\nb 2 1\n")
    with pytest.raises(InvalidOption, match="unknown format"):
        adjoin.embedder("glove", file=tmp_path / "v.txt", format="csv")
    with pytest.raises(InvalidOption, match="unknown format"):
        trained["glove"].write(tmp_path / "x", format="csv")
    with pytest.raises(InvalidOption, match="no file= was given"):
        adjoin.embedder("glove", format="glove")
    with pytest.raises(InvalidOption, match="has vectors of 2 dimensions, and dim=3"):
        adjoin.embedder("glove", file=tmp_path / "v.txt", dim=3)
    with pytest.raises(InvalidOption, match="no n-grams"):
        adjoin.embedder("fasttext", file=tmp_path / "v.txt")


def test_capitals_of_a_file_are_kept(tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_text("Paris 1 0\nparis 0 1\n")
    model = adjoin.embedder("glove", file=tmp_path / "v.txt", pooling="mean")
    assert model.embed(["Paris", "paris"]).tolist() == [[1, 0], [0, 1]]


# ── Real vectors ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_published_glove_vectors_answer_as_they_are_known_to(tmp_path: Path) -> None:
    if not (VECTORS.exists() and WORDS.exists()):
        pytest.skip(NO_GLOVE)
    from scipy.stats import spearmanr

    model: Any = adjoin.embedder("glove", file=glove_text(tmp_path / "glove.txt", 30_000))
    assert model.dim == 50
    assert model.analogy("king", "man", "woman", k=1)[0].word == "queen"
    assert model.nearest("frog", 3)[0].word in ("toad", "snake", "ape", "monkey")
    known = [row for row in judged_pairs() if row[0] in model and row[1] in model]
    rho = spearmanr([model.similarity(a, b) for a, b, _ in known], [score for *_, score in known])[0]
    assert len(known) > 330
    assert rho > 0.45
    asked = [
        row[1:] for row in questions() if row[0] == "capital-common-countries" and all(w in model for w in row[1:])
    ][:100]
    assert np.mean([model.analogy(b, a, c, k=1)[0].word == d for a, b, c, d in asked]) > 0.5
    near, far = (
        model.embed(["the cat sat on the mat", "a dog lay on a rug"]),
        model.embed(["shares fell on wall street"]),
    )
    assert near[0] @ near[1] > near[0] @ far[0]
    before = model.identity
    model.fit_common(lee())
    assert model.identity.fingerprint != before.fingerprint
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(adjoin.embedder(tmp_path / "model").embed(["the cat"]), model.embed(["the cat"]))


def test_sif_finds_a_topic_s_posts_better_than_means() -> None:
    chosen = [row for row in newsgroups() if row[0] in ("sci.space", "rec.autos", "sci.med")][::4]
    if not (VECTORS.exists() and WORDS.exists() and chosen):
        pytest.skip(NO_GLOVE)
    groups = np.array([group for group, _ in chosen])
    posts = [" ".join(text.split()[:40]) for _, text in chosen]
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        file = glove_text(Path(folder) / "glove.txt", 20_000)
        sif: Any = adjoin.embedder("glove", file=file)
        mean: Any = adjoin.embedder("glove", file=file, pooling="mean")
    sif.fit_common(posts)

    def right(model: Any) -> float:
        vectors = model.embed(posts)
        likeness = vectors @ vectors.T
        np.fill_diagonal(likeness, -1)
        return float((groups[likeness.argmax(axis=1)] == groups).mean())

    assert right(sif) > right(mean) + 0.02


# ── What is odd ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_odd_texts_get_finite_vectors(model: Any) -> None:
    odd = ["", "🎉🎉", "مرحبا بالعالم", " \n\t", "\x00", "a", "government " * 90_910]
    assert len(odd[-1]) > 1_000_000
    vectors = model.embed(odd)
    assert vectors.shape == (len(odd), model.dim)
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()
    np.testing.assert_allclose(vectors[-1], model.embed(["government"])[0], atol=1e-3)
    assert not vectors[0].any()
    for text in KOREAN[:4]:
        a, b = model.embed([text]), model.embed([unicodedata.normalize("NFD", text)])
        np.testing.assert_array_equal(a, b)
    assert model.embed([]).shape == (0, model.dim)


def test_a_long_text_is_learned_to_its_end() -> None:
    model = new("word2vec", min_count=1).fit(["early " * 30_000 + "late " * 10])
    assert dict(zip(model.words, model.counts.tolist(), strict=True)) == {"early": 30_000, "late": 10}


def test_what_is_no_text_is_refused_by_its_position_and_nothing_changes(model: Any, texts: list[str]) -> None:
    held = model.identity
    for bad, said in (("a\ud800b", "item 3 has a lone surrogate .* at character 1"), (7, "item 3 is int")):
        with pytest.raises(InvalidContent, match=said):
            model.embed([*texts[:3], bad])
        for learn in (model.fit, model.fit_more):
            with pytest.raises(InvalidContent, match=said):
                learn(iter([*texts[:3], bad]))
    for nothing in ([], [""], ["all words once"]):
        with pytest.raises(InvalidContent):
            model.fit(nothing)
    assert model.identity == held


@pytest.mark.parametrize("family", FAMILIES)
def test_before_fit_nothing_can_be_asked(family: str) -> None:
    model = new(family)
    for ask in (lambda m: m.embed(["a"]), lambda m: m.identity, lambda m: m.dim, lambda m: m.nearest("a"),
                lambda m: m.save("/nowhere"), lambda m: m.fit_more(["a"]), lambda m: m.write("/nowhere/x")):  # fmt: skip
        with pytest.raises(NotFitted, match=family):
            ask(model)
    assert "not fitted" in repr(model)


@pytest.mark.parametrize(
    ("family", "wrong", "said"),
    [
        ("word2vec", {"dim": 0}, "dim must be"),
        ("word2vec", {"algorithm": "glove"}, "unknown algorithm"),
        ("word2vec", {"oov": "guess"}, "unknown oov"),
        ("word2vec", {"pooling": "max"}, "unknown pooling"),
        ("word2vec", {"a": 0}, "a must be a number above 0"),
        ("fasttext", {"min_n": 5, "max_n": 3}, "max_n=3"),
        ("glove", {"learning_rate": -1}, "learning_rate must be"),
        ("glove", {"negative": 5}, "unknown embedder option 'negative'"),
    ],
)
def test_wrong_options_are_refused(family: str, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidOption, match=said):
        adjoin.embedder(family, **wrong)


def test_a_collection_keeps_its_word_model_and_names_texts_without_direction(
    trained: dict[str, Any], texts: list[str], tmp_path: Path
) -> None:
    model = trained["fasttext"]
    model.save(tmp_path / "model")
    with adjoin.open(tmp_path / "store") as db:
        rows = db.collection("news", embedder=model)
        rows.add(texts[:30])
        with pytest.raises(InvalidVector, match="is zero"):
            rows.add([""])
    with adjoin.open(tmp_path / "store") as db:
        assert db.collection("news").search(texts[7], k=1, recall=1.0)[0].content == texts[7]


def test_a_collection_finds_the_file_of_its_words_again(model: Any, texts: list[str], tmp_path: Path) -> None:
    file = model.write(tmp_path / "한글 vectors.txt")
    with adjoin.open(tmp_path / "store") as db:
        db.collection("news", embedder=adjoin.embedder("word2vec", file=file, pooling="mean")).add(texts[:10])
    with adjoin.open(tmp_path / "store") as db:
        assert db.collection("news").search(texts[7], k=1, recall=1.0)[0].content == texts[7]


@pytest.mark.parametrize(("option", "family"), [("oov", "word2vec"), ("empty", "glove")])
def test_a_collection_takes_a_model_that_refuses_unknown_words(
    option: str, family: str, texts: list[str], tmp_path: Path
) -> None:
    refusing = new(family, min_count=1, **{option: "refuse"}).fit(texts[:30])
    refusing.save(tmp_path / "model")
    with adjoin.open(tmp_path / "store") as db:
        db.collection("news", embedder=refusing).add(texts[:10])
    with adjoin.open(tmp_path / "store") as db:
        news = db.collection("news")
        assert news.search(texts[7], k=1, recall=1.0)[0].content == texts[7]
        with pytest.raises(InvalidContent, match="zyzzyva"):
            news.add(["zyzzyva"])


def test_threads_get_the_same_vectors(model: Any, texts: list[str]) -> None:
    from concurrent.futures import ThreadPoolExecutor

    expected = model.embed(texts[:40])
    model._forget()
    with ThreadPoolExecutor(8) as pool:
        for vectors in pool.map(lambda _: model.embed(texts[:40]), range(16)):
            np.testing.assert_array_equal(vectors, expected)


def test_missing_gensim_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    for name in [name for name in sys.modules if name.split(".")[0] == "gensim"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "gensim", None)
    with pytest.raises(ImportError, match=r"adjoin\[words\]"):
        new("word2vec").fit(["a text of words"] * 5)


def test_the_page_s_examples_are_true() -> None:
    import doctest

    page = Path(__file__).parents[2] / "docs" / "embed-words.md"
    failed, tried = doctest.testfile(str(page), module_relative=False)
    assert tried > 8
    assert failed == 0
