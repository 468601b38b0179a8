"""Networks that learn from labels: nearer after than before, resumed as if never killed, used without PyTorch."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.labelled import digits, tones

import adjoin
from adjoin.embed.identity import with_canaries
from adjoin.embed.sound.decode import clip_of
from adjoin.embed.train.convolutional import CnnEmbedder
from adjoin.embed.train.history import History
from adjoin.embed.train.items import HOP_S, MELS, log_mel, mel_bands, spectrogram
from adjoin.embed.train.labels import check_labels, split
from adjoin.embed.train.report import TrainReport, judge
from adjoin.errors import InvalidContent, InvalidInput, InvalidOption, NotFitted, NotFound, UnreadableFile

SMALL = {"size": 16, "width": 8, "dim": 16, "epochs": 5, "threads": 1}


@pytest.fixture(scope="module")
def trained() -> CnnEmbedder:
    pytest.importorskip("torch")
    items, labels = digits(500)
    found = adjoin.embedder("cnn", **SMALL | {"epochs": 8}).fit(items, labels)  # type: ignore[attr-defined]
    assert isinstance(found, CnnEmbedder)
    return found


def test_training_brings_the_same_label_nearer_on_digits_held_out(trained: CnnEmbedder) -> None:
    assert trained.report is not None
    before, after = trained.report.rows["before"], trained.report.rows["after"]
    assert after.ratio < before.ratio / 2
    assert after.knn_accuracy > 0.85
    assert after.recall[1] > before.recall[1]
    assert trained.report.labels == 10
    assert trained.report.held_out == 100
    assert "5-NN accuracy" in str(trained.report)
    assert TrainReport.from_dict(json.loads(json.dumps(trained.report.to_dict()))) == trained.report


@pytest.mark.parametrize("net", ["vgg", "resnet"])
@pytest.mark.parametrize("loss", ["triplet", "supcon"])
def test_each_network_learns_with_each_loss(net: str, loss: str) -> None:
    pytest.importorskip("torch")
    items, labels = digits(300)
    model: Any = adjoin.embedder("cnn", net=net, loss=loss, **SMALL).fit(items, labels)  # type: ignore[attr-defined]
    assert model.report.rows["after"].ratio < 0.95 * model.report.rows["before"].ratio
    assert model.report.rows["after"].recall[1] > model.report.rows["before"].recall[1] + 0.05
    assert len(model.history.epochs) == 5
    assert model.history.loss == loss


def test_vectors_have_unit_length_and_do_not_depend_on_company(trained: CnnEmbedder) -> None:
    items, _ = digits(70)
    together = trained.embed(items)
    assert together.shape == (70, 16)
    assert together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(np.vstack([trained.embed([item]) for item in items]), together, atol=1e-5)
    assert trained.embed([]).shape == (0, 16)


def test_a_saved_one_gives_the_same_vectors_and_story(trained: CnnEmbedder, tmp_path: Path) -> None:
    items, _ = digits(20)
    loaded = adjoin.embedder(trained.save(tmp_path / "kept"))
    assert isinstance(loaded, CnnEmbedder)
    np.testing.assert_array_equal(loaded.embed(items), trained.embed(items))
    assert loaded.history == trained.history
    assert loaded.report == trained.report
    assert loaded.labels == tuple("0123456789")
    assert loaded.reopened_by == trained.reopened_by == str(tmp_path / "kept")
    assert with_canaries(loaded).differences(with_canaries(trained)) == []


def test_a_saved_one_is_used_without_pytorch(trained: CnnEmbedder, tmp_path: Path) -> None:
    trained.save(tmp_path / "kept")
    items, _ = digits(5)
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import adjoin, numpy as np, json\n"
        f"items = np.array({np.array(items).tolist()}, np.uint8)\n"
        f"print(json.dumps(adjoin.embedder({str(tmp_path / 'kept')!r}).embed(list(items)).tolist()))\n"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    np.testing.assert_allclose(json.loads(told.stdout), trained.embed(items), atol=1e-6)


def test_training_without_pytorch_names_the_extra() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import adjoin, numpy as np\n"
        "try: adjoin.embedder('cnn').fit([np.zeros((8, 8), np.uint8)] * 4, [0, 0, 1, 1])\n"
        "except adjoin.errors.MissingExtra as error: print(error)\n"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "adjoin[torch]" in told.stdout, told.stderr


def test_the_same_seed_gives_the_same_network_and_another_seed_another() -> None:
    torch = pytest.importorskip("torch")
    items, labels = digits(120)
    state = torch.random.get_rng_state()
    digests = [
        adjoin.embedder("cnn", **SMALL | {"epochs": 1}, seed=seed).fit(items, labels).identity.weights  # type: ignore[attr-defined]
        for seed in (0, 0, 1)
    ]
    assert digests[0] == digests[1] != digests[2]
    assert (torch.random.get_rng_state() == state).all()  # the caller's chance is left alone


RESUMABLE = {"size": 16, "width": 8, "dim": 16, "epochs": 5, "patience": 5, "threads": 1}
KILLED = f"""
import sys, adjoin
from tests.support.labelled import digits
model = adjoin.embedder("cnn", checkpoint=sys.argv[1], **{RESUMABLE})
model.fit(*digits(200), progress=lambda done, total: print(done, total, flush=True))
"""


@pytest.mark.slow
def test_a_killed_training_goes_on_and_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}"}
    command = [sys.executable, "-c", KILLED, str(tmp_path / "killed")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        for line in process.stdout:
            done, total = map(int, line.split())
            if done > total / 2:  # in the midst of the third epoch
                process.send_signal(signal.SIGKILL)
                break
    with np.load(tmp_path / "killed" / "checkpoint.npz", allow_pickle=False) as content:
        assert 1 <= len(json.loads(content["about"].tobytes())["epochs"]) < 5
    told: list[int] = []
    resumed: Any = adjoin.embedder("cnn", **RESUMABLE, checkpoint=tmp_path / "killed")
    resumed.fit(*digits(200), progress=lambda done, total: told.append(done))
    whole: Any = adjoin.embedder("cnn", **RESUMABLE).fit(*digits(200))  # type: ignore[attr-defined]
    assert told[0] > 1  # it did not begin anew
    assert resumed.identity.weights == whole.identity.weights
    assert [epoch.loss for epoch in resumed.history.epochs] == [epoch.loss for epoch in whole.history.epochs]


def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    items, labels = digits(100)
    options = SMALL | {"epochs": 1, "checkpoint": tmp_path}
    adjoin.embedder("cnn", **options).fit(items, labels)  # type: ignore[attr-defined]
    with pytest.raises(InvalidOption, match="other items, labels or options"):
        adjoin.embedder("cnn", **options, seed=5).fit(items, labels)  # type: ignore[attr-defined]
    with pytest.raises(InvalidOption, match="other items, labels or options"):
        adjoin.embedder("cnn", **options).fit(items, labels[::-1])  # type: ignore[attr-defined]
    (tmp_path / "checkpoint.npz").write_bytes(b"no checkpoint")
    with pytest.raises(UnreadableFile, match="is no checkpoint"):
        adjoin.embedder("cnn", **options).fit(items, labels)  # type: ignore[attr-defined]


def test_training_ends_early_and_keeps_the_best_epoch(trained: CnnEmbedder) -> None:
    pytest.importorskip("torch")
    _, labels = digits(100)
    told: list[tuple[int, int | None]] = []
    noise = [np.random.default_rng(n).integers(0, 256, (8, 8), dtype=np.uint8) for n in range(100)]
    model: Any = adjoin.embedder("cnn", **SMALL | {"epochs": 60, "patience": 2})
    model.fit(noise, labels, progress=lambda *step: told.append(step))
    assert len(model.history.epochs) == model.history.best + 2 < 60
    assert told[-1][0] == told[-1][1]
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_the_curves_are_drawn(trained: CnnEmbedder, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    assert trained.plot(tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert "recall@1" in trained.plot(tmp_path / "curves.svg").read_text()
    assert trained.history is not None
    assert str(trained.history).count("\n") == len(trained.history.epochs)
    assert History.from_dict(json.loads(json.dumps(trained.history.to_dict()))) == trained.history
    with pytest.raises(InvalidOption, match=r"ends in \.png"):
        trained.plot(tmp_path / "curves.txt")
    with pytest.raises(NotFound, match="no folder"):
        trained.plot(tmp_path / "nowhere" / "curves.png")


def test_paths_bytes_and_arrays_of_a_picture_are_one_item(trained: CnnEmbedder, tmp_path: Path) -> None:
    image_module = pytest.importorskip("PIL.Image")
    pixels = digits(1)[0][0]
    image_module.fromarray(pixels).save(tmp_path / "digit.png")
    content = (tmp_path / "digit.png").read_bytes()
    ways = [pixels, tmp_path / "digit.png", str(tmp_path / "digit.png"), content, image_module.fromarray(pixels)]
    vectors = trained.embed(ways)
    np.testing.assert_allclose(vectors, np.repeat(vectors[:1], len(ways), axis=0), atol=1e-6)
    assert trained.hash_of(ways[1]) == trained.hash_of(content)
    assert trained.kept(tmp_path / "digit.png") == str(tmp_path / "digit.png")
    np.testing.assert_allclose(trained.embed([trained.kept(pixels)]), vectors[:1], atol=1e-6)


def test_a_collection_of_pictures_opens_again(trained: CnnEmbedder, tmp_path: Path) -> None:
    items, labels = digits(60)
    trained.save(tmp_path / "kept")
    with adjoin.open(tmp_path / "db.adjoin") as db:
        pictures = db.collection("digits", embedder=adjoin.embedder(tmp_path / "kept"))
        pictures.add(items[:50], metadata=[{"digit": label} for label in labels[:50]])
    with adjoin.open(tmp_path / "db.adjoin") as db:
        hits = db.collection("digits").search(items[50], k=3)
    assert hits[0].metadata["digit"] == labels[50]


# ── What is refused ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (None, "learns from labels"),
        ([1, 1, 1, 1], "all items have the label 1"),
        ([1, 1, 2, 3], "only one item has the label 2, 3"),
        ([1, 1, 2], "4 items and 3 labels"),
        ([1, 1, 2, None], "item 3 has no label"),
        ([1.0, 1.0, float("nan"), 2.0], "item 2 has no label"),
        ([1, 1, 2, 2], "two items only"),
    ],
)
def test_labels_that_teach_nothing_are_refused(labels: Any, said: str) -> None:
    pytest.importorskip("torch")
    items, _ = digits(4)
    with pytest.raises(InvalidInput, match=said):
        adjoin.embedder("cnn", **SMALL).fit(items, labels)  # type: ignore[attr-defined]


def test_no_items_and_bad_items_are_refused_by_position(trained: CnnEmbedder, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    items, labels = digits(40)
    with pytest.raises(InvalidInput, match="no items"):
        adjoin.embedder("cnn", **SMALL).fit([], [])  # type: ignore[attr-defined]
    bad: Any
    for bad, said in (
        (np.full((8, 8), np.nan), "item 7: an array with NaN"),
        (np.zeros((8, 8)) + 16, "item 7: a picture of floats has values from 0 to 1"),
        (np.zeros(8, np.uint8), "item 7: an array of shape"),
        (np.zeros((0, 8), np.uint8), "item 7: an array of shape"),
        (None, "item 7: "),
    ):
        with pytest.raises(InvalidContent, match=said):
            adjoin.embedder("cnn", **SMALL).fit([*items[:7], bad, *items[8:]], labels)  # type: ignore[attr-defined]
        with pytest.raises(InvalidContent, match=said):
            trained.embed([*items[:7], bad])
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nno picture")
    for path in (tmp_path / "bad.png", tmp_path / "none.png"):
        with pytest.raises(UnreadableFile, match=r"item 1: the picture"):
            trained.embed([items[0], path])
    with pytest.raises(InvalidContent, match=r"Write embed\(\[item\]\)"):
        trained.embed("digit.png")


def test_extreme_shapes_are_embedded(trained: CnnEmbedder) -> None:
    pytest.importorskip("PIL")
    odd = [np.zeros((1, 1), np.uint8), np.zeros((1, 60_000), np.uint8), np.zeros((9, 7, 3), np.uint8), np.ones((5, 5), bool),
           np.full((6, 6, 4), 9, np.uint8), np.full((4, 4), 65_535, np.uint16), np.full((3, 3), 0.5, np.float16)]  # fmt: skip
    assert np.isfinite(trained.embed(odd)).all()


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"net": "vit"}, "unknown net 'vit'. Known: vgg, resnet"),
        ({"loss": "l2"}, "unknown loss"),
        ({"size": 4}, "size=4 is no whole number from 8"),
        ({"epochs": 0}, "epochs=0"),
        ({"dim": 1.5}, "dim=1.5"),
        ({"rate": 0}, "rate=0 is not between"),
        ({"held_out": 1.0}, "held_out=1.0"),
        ({"augment": {"turn": 0.1}}, "unknown augmentation 'turn'. Known: shift, scale, crop"),
        ({"augment": {"crop": 1.0}}, "augment crop=1.0"),
        ({"colour": 3}, "unknown embedder option 'colour'"),
    ],
)
def test_wrong_options_are_refused(option: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidOption, match=said):
        adjoin.embedder("cnn", **option)


def test_before_fit_there_is_nothing() -> None:
    model: Any = adjoin.embedder("cnn")
    for use in (
        lambda: model.embed([]),
        lambda: model.identity,
        lambda: model.dim,
        lambda: model.save("x"),
        lambda: model.plot("x.png"),
    ):
        with pytest.raises(NotFitted, match="'cnn' has not seen any data"):
            use()


# ── The parts against their definitions ──────────────────────────────────────────────────────────────────────────────


def test_the_losses_are_their_formulas() -> None:
    torch = pytest.importorskip("torch")
    from adjoin.embed.train import networks

    random = np.random.default_rng(0)
    vectors = random.standard_normal((9, 5)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    labels = np.array([0, 0, 0, 1, 1, 2, 2, 2, 3])  # the last has no partner
    given = torch.from_numpy(vectors), torch.from_numpy(labels)

    hard, contrast = [], []
    for n in range(9):
        distances = np.linalg.norm(vectors - vectors[n], axis=1)
        same = (labels == labels[n]) & (np.arange(9) != n)
        others = np.arange(9) != n
        if same.any():
            hard.append(max(0.0, 0.2 + distances[same].max() - distances[labels != labels[n]].min()))
            logits = vectors @ vectors[n] / 0.1
            contrast.append(-np.mean(logits[same] - np.log(np.exp(logits[others]).sum())))
    assert float(networks.triplet(*given, margin=0.2)) == pytest.approx(np.mean(hard), rel=1e-4)
    assert float(networks.supcon(*given, temperature=0.1)) == pytest.approx(np.mean(contrast), rel=1e-4)


def test_augmentation_stays_within_its_bounds_and_none_changes_nothing() -> None:
    torch = pytest.importorskip("torch")
    from adjoin.embed.train import networks

    picture = torch.zeros(1, 1, 32, 32)
    picture[:, :, 12:20, 12:20] = 255
    many = picture.repeat(64, 1, 1, 1)
    none = networks.augmented(many, {"shift": 0, "scale": 0, "crop": 0}, torch.Generator().manual_seed(0))
    np.testing.assert_allclose(none.numpy(), many.numpy(), atol=1e-3)
    moved = networks.augmented(many, {"shift": 0.25, "scale": 0, "crop": 0}, torch.Generator().manual_seed(0))
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    centres = torch.stack([(moved * axis).sum(dim=(1, 2, 3)) / moved.sum(dim=(1, 2, 3)) for axis in (x, y)])
    assert float((centres - 15.5).abs().max()) <= 8.01
    assert float((centres - 15.5).abs().max()) > 4
    scaled = networks.augmented(many, {"shift": 0, "scale": 0.5, "crop": 0}, torch.Generator().manual_seed(0))
    areas = scaled.sum(dim=(1, 2, 3)) / picture.sum()
    assert 1 / 1.5**2 - 0.05 < float(areas.min()) < 0.8
    assert 1.2 < float(areas.max()) < 1.5**2 + 0.05


def test_the_report_is_that_of_scikit_learn_s_neighbours() -> None:
    neighbours = pytest.importorskip("sklearn.neighbors")
    items, labels = digits(600)
    rows = np.array([item.ravel() for item in items], dtype=np.float32)
    codes = np.array(labels)
    found = judge(rows[:400], codes[:400], rows[400:], codes[400:])
    model = neighbours.KNeighborsClassifier(1, metric="cosine", algorithm="brute").fit(rows[:400], codes[:400])
    assert found.recall[1] == pytest.approx(model.score(rows[400:], codes[400:]), abs=1e-9)
    nearest = model.kneighbors(rows[400:], 10, return_distance=False)
    assert found.recall[10] == pytest.approx((codes[:400][nearest] == codes[400:, None]).any(axis=1).mean(), abs=1e-9)
    five = neighbours.KNeighborsClassifier(5, metric="cosine", algorithm="brute").fit(rows[:400], codes[:400])
    assert found.knn_accuracy == pytest.approx(
        five.score(rows[400:], codes[400:]), abs=0.011
    )  # ties are broken otherwise


def test_nothing_is_in_two_parts_and_each_label_stays_to_learn_from() -> None:
    labels = check_labels(103, [0] * 60 + ["a"] * 38 + [None if False else 2.5] * 3 + [(1, 2)] * 2, doing="x")
    parts = split(labels, 0.2, seed=0)
    together = np.concatenate([parts.learned, parts.watched, parts.reported])
    assert sorted(together.tolist()) == list(range(103))
    assert (np.bincount(labels.codes[parts.learned]) >= 2).all()
    assert np.bincount(labels.codes[parts.reported]).max() == 12


# ── Sound ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_tones_are_told_by_their_course_whatever_their_rate_and_height(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    clips, labels = tones(120)
    model: Any = adjoin.embedder("sound-cnn", size=32, width=8, dim=16, epochs=8, threads=1).fit(clips, labels)
    assert model.takes == "sound"
    assert model.report.rows["after"].knn_accuracy > 0.9
    assert model.report.rows["after"].ratio < model.report.rows["items as they are"].ratio
    unseen, truth = tones(30, seed=9)
    near = model.embed(unseen) @ model.embed(clips).T
    assert np.mean([labels[n] == wanted for n, wanted in zip(near.argmax(axis=1), truth, strict=True)]) > 0.85
    loaded = adjoin.embedder(model.save(tmp_path / "kept"))
    np.testing.assert_array_equal(loaded.embed(unseen), model.embed(unseen))
    silence = (np.zeros(400, np.float32), 8_000)
    assert np.isfinite(loaded.embed([silence, (np.ones((8_000, 2), np.float32), 8_000)])).all()
    for bad, said in (
        ((np.array([np.nan]), 8_000), "NaN"), ((np.zeros(0), 8_000), "empty"), ((np.zeros(9), 5), ""), (3, ""),
    ):  # fmt: skip
        with pytest.raises(InvalidContent, match=f"item 1: .*{said}"):
            loaded.embed([silence, bad])


def test_a_clip_of_a_file_is_the_clip_of_its_samples(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    (samples, rate), *_ = tones(1)[0]
    soundfile.write(tmp_path / "tone.wav", samples, rate, subtype="FLOAT")
    np.testing.assert_array_equal(spectrogram(tmp_path / "tone.wav", 32, 0.5), spectrogram((samples, rate), 32, 0.5))
    np.testing.assert_array_equal(clip_of(tmp_path / "tone.wav").samples(), samples)
    (tmp_path / "bad.wav").write_bytes(b"RIFFnothing")
    with pytest.raises(UnreadableFile, match="is no sound"):
        clip_of(tmp_path / "bad.wav")


def test_a_pure_tone_is_loudest_in_its_own_band() -> None:
    for rate in (8_000, 16_000, 44_100):
        for hertz in (250.0, 1_000.0, 3_000.0):
            samples = np.sin(2 * np.pi * hertz * np.arange(rate) / rate).astype(np.float32)
            bands = mel_bands(rate, 4096)
            peaks = np.arange(bands.shape[1])[bands.argmax(axis=1)] * rate / 4096
            loudest = log_mel(samples, rate).mean(axis=1).argmax()
            assert peaks[loudest] == pytest.approx(hertz, rel=0.08)
            assert log_mel(samples, rate).shape == (MELS, pytest.approx(1 / HOP_S, abs=2))


def test_the_triangles_are_librosa_s() -> None:
    librosa = pytest.importorskip("librosa")
    expected = librosa.filters.mel(sr=22_050, n_fft=2048, n_mels=MELS, fmin=50.0, fmax=8_000.0, htk=True, norm="slaney")
    np.testing.assert_allclose(mel_bands(22_050, 2048), expected, atol=1e-6)
