"""Sounds: what is read and what refused, what the vectors are, and that near means alike on real ones."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support import media, spoken
from tests.support.peak import PEAK_KB, needs_peak

import adjoin
from adjoin.embed.base import embed_all
from adjoin.embed.identity import check_identity, verify_canaries, with_canaries
from adjoin.embed.showing import SoundFacts, facts_of, save_drawing, sketch
from adjoin.embed.sound import mfcc, network, spectrogram, windows
from adjoin.embed.sound.base import canary
from adjoin.embed.sound.decode import clip_of
from adjoin.embed.sound.mel import Mel, _ramps, mel_filters
from adjoin.embed.sound.statistics import sound_vector
from adjoin.errors import InvalidContent, InvalidOption, NotFound, UnreadableFile
from adjoin.types import Origin

soundfile = pytest.importorskip("soundfile", reason="sounds need soundfile")
soxr = pytest.importorskip("soxr", reason="resampling needs soxr")
NAMES = ("sound", "mfcc", "spectrogram", "speech", "voice")
needs_samples = pytest.mark.skipif(not media.SAMPLES.is_dir(), reason=media.NO_MEDIA)
needs_voices = pytest.mark.skipif(not all(folder.is_dir() for folder in media.VOICES["it"]), reason=media.NO_MEDIA)
SAMPLES, RATE = canary()


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    return {name: adjoin.embedder(name) for name in NAMES}


def written(samples: Any = SAMPLES, rate: int = RATE, form: str = "WAV", subtype: str | None = None) -> bytes:
    target = io.BytesIO()
    soundfile.write(target, samples, rate, format=form, subtype=subtype)
    return target.getvalue()


def cosine(a: Any, b: Any) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


# ── Items ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", NAMES)
def test_a_sound_has_one_vector_however_it_is_given_and_in_any_company(
    name: str, models: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "소리.wav"
    path.write_bytes(written(subtype="FLOAT"))
    stereo = np.stack([SAMPLES, SAMPLES], 1)
    given = [
        path,
        str(path),
        path.read_bytes(),
        (SAMPLES, RATE),
        {"path": str(path), "seconds": [0, 2]},
        (stereo, RATE),
        {"path": path},
    ]
    vectors = models[name].embed(given)
    assert vectors.shape == (7, models[name].dim)
    assert np.allclose(vectors, vectors[0], atol=1e-5)
    assert np.array_equal(vectors[:1], models[name].embed([path], "query"))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "samples", [np.zeros(1), np.zeros(16_000), np.ones(3), np.zeros((8000, 2)), np.full(9000, 1e-30)], ids=str
)
def test_silence_and_the_shortest_clips_have_finite_vectors_with_a_direction(
    name: str, samples: Any, models: dict[str, Any]
) -> None:
    for rate in (8000, 44_100):
        (vector,) = models[name].embed([(samples, rate)])
        assert np.isfinite(vector).all()
        assert vector.any()


@pytest.mark.parametrize("form", ["WAV", "FLAC", "OGG", "MP3"])
def test_formats_and_whole_numbers_sound_the_same(form: str, models: dict[str, Any]) -> None:
    whole = models["sound"].embed([(SAMPLES, RATE), written(form=form), ((SAMPLES * 32_767).astype(np.int16), RATE)])
    assert cosine(whole[0], whole[1]) > (0.97 if form in ("OGG", "MP3") else 0.999)
    assert cosine(whole[0], whole[2]) > 0.999


def test_8_khz_stereo_and_clipped_clips_stay_near_their_original(models: dict[str, Any]) -> None:
    low = soxr.resample(SAMPLES, RATE, 8000)
    clipped = np.clip(SAMPLES * 4, -1, 1)
    quiet = SAMPLES * 0.01
    for name in ("sound", "speech", "voice"):
        base, *changed = models[name].embed([(SAMPLES, RATE), (low, 8000), (clipped, RATE), (quiet, RATE)])
        assert all(cosine(base, vector) > 0.6 for vector in changed), name
    base, _, _, quieter = models["sound"].embed([(SAMPLES, RATE), (low, 8000), (clipped, RATE), (quiet, RATE)])
    assert cosine(base, quieter) > 0.99  # how loud a clip is as a whole does not count


@pytest.mark.parametrize(("item", "told"), [
    (b"", "no sound in a format"), (b"RIFF....", "no sound in a format"), ("nowhere.wav", "is not there"), (".", "is a folder"),
    ((np.zeros(0), 8000), "is empty"), ((np.array([0, np.nan]), 8000), "NaN"), ((np.zeros(5), 8000.5), "whole number"),
    ((np.zeros(5), 10), "samples a second"), ((np.zeros((2, 3, 4)), 8000), "shape"), ((np.zeros((2, 900)), 8000), r"samples\.T"),
    (("abc", 8000), "shape"), (None, "NoneType is no sound"), (np.zeros(4), "ndarray is no sound"), ({"seconds": [0, 1]}, "a window"),
    ({"path": "a", "second": 3}, "a window"),
])  # fmt: skip
def test_what_is_no_sound_is_refused_with_the_reason(item: Any, told: str, models: dict[str, Any]) -> None:
    with pytest.raises((InvalidContent, UnreadableFile), match=told) as caught:
        models["sound"].embed([(SAMPLES, RATE), item])
    assert str(caught.value).startswith("item 1: ")
    _, places, refused = embed_all(models["sound"], [(SAMPLES, RATE), item, (SAMPLES, RATE)])  # type: ignore[list-item]
    assert (places, [one.position for one in refused]) == ([0, 2], [1])


@pytest.mark.parametrize("form", ["FLAC", "OGG", "MP3", "WAV"])
def test_damaged_files_are_refused_or_read_and_never_crash(form: str, models: dict[str, Any]) -> None:
    whole = written(form=form)
    rng = np.random.default_rng(3)
    for trial in range(20):
        damaged = bytearray(whole[: len(whole) // 2] if trial % 2 else whole)
        for place in rng.integers(0, len(damaged), 6):
            damaged[place] = rng.integers(0, 256)
        try:
            assert np.isfinite(models["sound"].embed([bytes(damaged)])).all()
        except (UnreadableFile, InvalidContent) as error:
            assert str(error).startswith("item 0")


def test_windows_say_where_in_the_clip_they_are(tmp_path: Path, models: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    time = np.arange(10 * 8000) / 8000
    clip = rng.normal(size=len(time)) * 0.01
    clip[6 * 8000 : 8 * 8000] += np.sin(2 * np.pi * 900 * time[: 2 * 8000]) * 0.5
    path = tmp_path / "long.flac"
    soundfile.write(path, clip, 8000)
    items = list(windows(path, seconds=2.0, hop=1.0))
    assert [item.content["seconds"] for item in items] == [[float(n), n + 2.0] for n in range(9)]  # type: ignore[call-overload, index]
    assert items[3].origin == Origin(file=str(path), seconds=(3.0, 5.0))
    with adjoin.open(tmp_path / "x.adjoin") as db:
        heard = db.collection("heard", embedder="sound")
        heard.add(windows(path))
        (hit,) = heard.search((np.sin(2 * np.pi * 900 * time[: 2 * 8000]) * 0.3, 8000), k=1)
        assert hit.origin is not None
        assert hit.origin.seconds == (6.0, 8.0)
        assert hit.content == {"path": str(path), "seconds": [6.0, 8.0]}
    assert [item.content["seconds"] for item in windows(path, 4, 5)] == [[0.0, 4.0], [5.0, 9.0], [6.0, 10.0]]  # type: ignore[call-overload, index]
    assert len(list(windows(path, 60))) == 1
    for wrong in ({"seconds": 0}, {"hop": -1}, {"hop": float("nan")}):
        with pytest.raises(InvalidOption):
            windows(path, **wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidContent, match=r"lasts 10\.00 s"):
        clip_of({"path": path, "seconds": [10, 12]})
    for odd in ([2, 1], [0, float("nan")], [1], "ab", [-1, 2]):
        with pytest.raises(InvalidContent, match="seconds is"):
            clip_of({"path": path, "seconds": odd})


def test_what_is_kept_and_hashed_follows_the_content(tmp_path: Path, models: dict[str, Any]) -> None:
    model = models["sound"]
    one, two = tmp_path / "one.wav", tmp_path / "two.wav"
    one.write_bytes(written())
    two.write_bytes(written())
    assert model.hash_of(one) == model.hash_of(str(two)) == model.hash_of(written())
    assert len({model.hash_of({"path": str(one), "seconds": pair}) for pair in ([0, 1], [0, 1.5], [1, 2])}) == 3
    assert model.hash_of({"path": str(one), "seconds": [0, 1]}) == model.hash_of({"path": two, "seconds": [0, 1]})
    assert model.hash_of((SAMPLES, RATE)) != model.hash_of((SAMPLES, 8000))
    assert model.kept(one) == str(one)
    assert model.kept({"path": one, "seconds": [0, 1]}) == {"path": str(one), "seconds": [0, 1]}
    for samples in (SAMPLES, SAMPLES * 3, np.stack([SAMPLES] * 2, 1)):
        again, rate = soundfile.read(io.BytesIO(model.kept((samples, RATE))))
        assert rate == RATE
        assert np.abs(again - samples).max() < 1e-6


# ── Formulas, by librosa and by closed forms ─────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def librosa() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("librosa", reason="to compare with: pip install librosa", exc_type=ImportError)


@pytest.mark.parametrize("rate", [8000, 22_050, 44_100])
def test_mfcc_and_mel_agree_with_librosa(rate: int, librosa: Any, models: dict[str, Any]) -> None:
    rng = np.random.default_rng(rate)
    samples = (SAMPLES + rng.normal(size=len(SAMPLES)) * 0.02).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = librosa.feature.mfcc(y=samples, sr=rate)
        mel = librosa.feature.melspectrogram(y=samples, sr=rate, n_fft=400, hop_length=160, n_mels=40)
    assert np.abs(mfcc((samples, rate), rate=rate).T - theirs).max() < 1e-4 * max(1.0, np.abs(theirs).max())
    ours = np.concatenate([*Mel(rate, 400, 160, 40).power([samples[:7777], samples[7777:]])])
    assert np.abs(ours.T - mel).max() < 1e-5 * mel.max()
    if rate == 22_050:
        (vector,) = models["mfcc"].embed([(samples, rate)])
        assert vector == pytest.approx(np.concatenate([theirs.mean(axis=1), theirs.std(axis=1)]), abs=1e-3)


@pytest.mark.parametrize(
    "mel",
    [
        Mel(),
        Mel(22_050, 2048, 512, 128),
        Mel(8000, 64, 32, 128),
        Mel(16_000, 2, 1, 3),
        Mel(44_100, 999, 99, 40, 300, 9000),
    ],
    ids=str,
)
def test_bands_are_the_product_with_their_filters(mel: Mel) -> None:
    power = np.random.default_rng(0).random((9, mel.n_fft // 2 + 1)).astype(np.float32)
    expected = power.astype(np.float64) @ mel_filters(mel).T
    assert _ramps(mel).sums(power) == pytest.approx(expected, rel=1e-5, abs=1e-9)


def test_blocks_join_as_if_the_clip_were_whole(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    path = tmp_path / "long.wav"
    soundfile.write(path, rng.normal(size=400_000) * 0.1, 22_050)
    clip = clip_of(path)
    whole = soundfile.read(path, dtype="float32")[0]
    assert np.array_equal(clip.samples(), whole)
    assert np.abs(clip.samples(16_000) - soxr.resample(whole, 22_050, 16_000)).max() < 1e-5
    assert np.abs(clip_of({"path": path, "seconds": [1, 2]}).samples() - whole[22_050:44_100]).max() == 0
    assert sound_vector(clip) == pytest.approx(sound_vector(clip_of((whole, 22_050))), abs=1e-4)


def test_a_spectrogram_is_a_picture_with_the_tone_in_its_place(models: dict[str, Any]) -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000)
    shown = spectrogram((tone, 16_000))
    assert shown.shape == (101, 64)
    assert shown.dtype == np.float32
    assert (shown.min() >= 0, shown.max()) == (True, 1.0)
    from adjoin.embed.sound.mel import band_centres

    assert band_centres(Mel())[shown.mean(axis=0).argmax()] == pytest.approx(1000, rel=0.06)
    assert not spectrogram((np.zeros(9000), 8000)).any()
    assert adjoin.embedder("pixels").embed([shown]).shape == (1, 3072)
    small = adjoin.embedder("spectrogram", over="pixels", statistics=0)
    assert small.dim == 2 * 3072
    assert small.identity.fingerprint != models["spectrogram"].identity.fingerprint
    with pytest.raises(InvalidOption, match="takes text"):
        adjoin.embedder("spectrogram", over="default")


# ── Networks and identity ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", NAMES)
def test_identities_carry_canaries_and_tell_embedders_apart(name: str, models: dict[str, Any]) -> None:
    stored = with_canaries(models[name])
    assert stored.canary
    check_identity(stored, adjoin.embedder(name, workers=1))
    verify_canaries(models[name], stored)
    assert len({model.identity.fingerprint for model in models.values()}) == len(NAMES)


def test_the_shipped_networks_are_those_that_were_built() -> None:
    for folder in (network.VOICE, network.SPEECH):
        assert network.changed_files(folder) == []
        assert (folder / "ORIGIN.md").is_file()


def test_options_are_checked_and_change_the_identity(models: dict[str, Any]) -> None:
    assert adjoin.embedder("speech", parts=2).dim == 192
    assert adjoin.embedder("mfcc", coefficients=13, deviations=False).dim == 13
    assert adjoin.embedder("speech", parts=2).identity.fingerprint != models["speech"].identity.fingerprint
    for name, options in (
        ("speech", {"parts": 0}),
        ("mfcc", {"coefficients": 1000}),
        ("spectrogram", {"statistics": -1}),
    ):
        with pytest.raises(InvalidOption):
            adjoin.embedder(name, **options)


# ── Near means alike ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@needs_voices
def test_a_phrase_is_found_by_another_voice_and_a_speaker_by_other_words(models: dict[str, Any]) -> None:
    rows = [row for row in media.phrases("it") if Path(row[0]).stat().st_size > 16_000][:40:2]
    first, second = (models["speech"].embed([row[n] for row in rows]) for n in (0, 1))
    found = ((first @ second.T).argmax(axis=1) == np.arange(len(rows))).mean()
    means = [adjoin.embedder("mfcc", deviations=False).embed([row[n] for row in rows]) for n in (0, 1)]
    unit = [rows_ / np.linalg.norm(rows_, axis=1, keepdims=True) for rows_ in means]
    by_means = ((unit[0] @ unit[1].T).argmax(axis=1) == np.arange(len(rows))).mean()
    assert found > 0.7 > 0.3 > by_means
    he, she = (models["voice"].embed([row[n] for row in rows[:10]]) for n in (0, 1))
    everyone = np.concatenate([he, she])
    likeness = everyone @ everyone.T
    np.fill_diagonal(likeness, -1)
    assert ((likeness.argmax(axis=1) < 10) == (np.arange(20) < 10)).mean() >= 0.9


@pytest.mark.skipif(not spoken.FOLDER.is_dir(), reason=spoken.NO_VOICES)
def test_a_korean_phrase_is_found_by_another_voice(tmp_path: Path) -> None:
    phrases = ("거실 불 켜 줘", "내일 날씨 어때", "알람 일곱 시에 맞춰 줘", "엄마한테 전화해", "음악 소리 줄여 줘", "가까운 약국 찾아 줘",
               "에어컨 온도 올려", "오늘 일정 알려 줘", "문 잠갔는지 봐 줘", "커피 한 잔 주문해")  # fmt: skip
    with adjoin.open(tmp_path / "voices.adjoin") as db:
        heard = db.collection("phrases", embedder="speech")
        heard.add([spoken.say(text, "ko", "m3") for text in phrases], ids=list(phrases))
        found = [heard.search(spoken.say(text, "ko", "f2", 140, 70), k=1).ids[0] for text in phrases]
    assert found == list(phrases)


@pytest.mark.slow
@needs_voices
def test_a_word_of_certain_text_is_found_by_another_voice(models: dict[str, Any]) -> None:
    rows = media.phrases("es", fixed=True)
    if not rows:
        pytest.skip(media.NO_MEDIA)
    assert len(rows) == 59
    assert {"digits/7", "digits/mon-0"} <= {row[2] for row in rows}
    first, second = (models["speech"].embed([row[n] for row in rows]) for n in (0, 1))
    likeness, here = first @ second.T, np.arange(len(rows))
    assert (likeness.argmax(axis=1) == here).mean() > 0.65
    assert (likeness.argmax(axis=0) == here).mean() > 0.55


@needs_samples
def test_recall_on_labelled_clips_is_above_that_of_mfcc_means(models: dict[str, Any]) -> None:
    rows = [row for row in media.samples() if clip_of(row[0]).seconds < 2]
    labels = np.array([label for _, label in rows])

    def recall(model: Any) -> float:
        vectors = model.embed([path for path, _ in rows])
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        likeness = unit @ unit.T
        np.fill_diagonal(likeness, -1)
        return float((labels[likeness.argmax(axis=1)] == labels).mean())

    means = recall(adjoin.embedder("mfcc", deviations=False))
    assert recall(models["sound"]) > means + 0.05


@needs_peak
@pytest.mark.parametrize("name", ["sound", "speech"])
def test_memory_does_not_grow_with_the_clip(name: str, tmp_path: Path) -> None:
    """Ten minutes take no more than one: 38 MB of samples at 16 kHz are never there at once."""
    rng = np.random.default_rng(0)
    minute = (rng.normal(size=8000 * 60) * 0.1).astype(np.float32)
    count = 10 if name == "sound" else 3
    with soundfile.SoundFile(tmp_path / "long.flac", "w", 8000, 1) as file:
        for _ in range(count):
            file.write(minute)
    code = f"""{PEAK_KB}
import adjoin
model = adjoin.embedder({name!r}, workers=1)
def peak(item):
    model.embed([item])
    return peak_kb()
short = peak({{"path": "long.flac", "seconds": [0, 60]}})
print(peak("long.flac") - short)
"""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True, env=environment
    )
    assert int(done.stdout) < 24_000  # kB; the spectrogram of ten minutes has 15 MB and may be held


# ── To be looked at ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_facts_drawing_and_sketch_of_a_sound(tmp_path: Path) -> None:
    path = tmp_path / "clip.wav"
    loud = np.clip(np.stack([SAMPLES * 2.5, SAMPLES * 0.1], 1), -1, 1)
    soundfile.write(path, loud, RATE)
    facts = facts_of(path)
    assert isinstance(facts, SoundFacts)
    assert (facts.seconds, facts.rate, facts.channels, facts.format) == (2.0, 16_000, 2, "WAV PCM_16")
    assert facts.peak == pytest.approx(1, abs=1e-3)
    assert facts.clipped == pytest.approx(np.mean(np.abs(loud) >= 0.999), abs=1e-3)
    assert facts.clipped > 0.001
    assert facts.rms == pytest.approx(float(np.sqrt(np.mean(loud**2))), abs=1e-3)
    lines = sketch(path, width=40, height=8).splitlines()
    assert len(lines) == 8
    assert max(map(len, lines)) == 40
    from PIL import Image

    with Image.open(save_drawing(path, tmp_path / "clip.png")) as drawn:
        assert drawn.size == (1200, 648)
        assert len(set(drawn.convert("L").resize((60, 30)).tobytes())) > 50
    with pytest.raises(InvalidOption, match="png"):
        save_drawing(path, tmp_path / "clip.bmp")
    with pytest.raises(NotFound, match="no folder"):
        save_drawing(path, tmp_path / "none" / "clip.png")
    soundfile.write(path, np.zeros(10), 8000)
    assert facts_of(path).to_dict()["peak"] == 0
    save_drawing(path, tmp_path / "silence.png")


def test_the_command_shows_sounds_and_pictures_as_json(tmp_path: Path) -> None:
    import json

    from PIL import Image

    (tmp_path / "a.flac").write_bytes(written(form="FLAC"))
    exif = Image.Exif()
    exif[0x010F] = "Kamera"
    Image.new("RGBA", (30, 20)).save(tmp_path / "b.png", exif=exif)
    (tmp_path / "c.txt").write_text("neither")

    def show(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "adjoin", "show", *words], cwd=tmp_path, capture_output=True, text=True, check=False
        )

    sound = json.loads(show("a.flac", "--json", "--out", "a.png").stdout)
    assert (sound["kind"], sound["seconds"], sound["rate"], sound["drawing"]) == ("sound", 2.0, 16_000, "a.png")
    assert (tmp_path / "a.png").stat().st_size > 5000
    image = json.loads(show("b.png", "--json").stdout)
    assert (image["width"], image["mode"], image["transparent"], image["exif"]["Make"]) == (30, "RGBA", True, "Kamera")
    assert "█" in show("a.flac").stdout
    told = show("c.txt")
    assert told.returncode == 1
    assert "neither as a picture nor as a sound" in told.stderr
