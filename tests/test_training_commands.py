"""`adjoin distil` and `adjoin train`, run as a user runs them; and what they read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import adjoin
from adjoin.errors import InvalidInput, InvalidOption, NotFound
from adjoin.labelled import labelled, texts_in
from tests.support.labelled import digits, tones
from tests.test_cli import adjoin as command
from tests.test_cli import as_json
from tests.test_docs import ROOT, blocks, run


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("training")
    image_module = pytest.importorskip("PIL.Image")
    soundfile = pytest.importorskip("soundfile")
    for n, (pixels, digit) in enumerate(zip(*digits(120), strict=True)):
        (root / "digits" / str(digit)).mkdir(parents=True, exist_ok=True)
        image_module.fromarray(pixels).save(root / "digits" / str(digit) / f"{n}.png")
    (root / "digits" / "0" / "notes.txt").write_text("no picture")
    for n, ((samples, rate), label) in enumerate(zip(*tones(24), strict=True)):
        (root / "tones" / label).mkdir(parents=True, exist_ok=True)
        soundfile.write(root / "tones" / label / f"{n}.wav", samples, rate)
    rows = [
        (f"the {animal} {verb} number {n}", "animals")
        for n, (animal, verb) in enumerate([("cat", "sleeps"), ("dog", "barks")] * 8)
    ]
    rows += [
        (f"the {thing} {verb} by {n} percent", "markets")
        for n, (thing, verb) in enumerate([("stock", "fell"), ("bond", "rose")] * 8)
    ]
    (root / "notes.csv").write_text("text,topic\n" + "".join(f"{text},{topic}\n" for text, topic in rows))
    (root / "notes.jsonl").write_text(
        "".join(json.dumps({"text": text, "label": topic}) + "\n" for text, topic in rows)
    )
    files = sorted((root / "digits").rglob("*.png"))
    (root / "digits.csv").write_text(
        "path,label\n" + "".join(f"{file.relative_to(root)},{file.parent.name}\n" for file in files)
    )
    return root


@pytest.mark.slow
def test_train_on_a_folder_of_pictures_saves_report_and_curves(place: Path) -> None:
    pytest.importorskip("torch")
    options = ("--kind", "image", "--epochs", "2", "--size", "16", "--threads", "1", "--dim", "8")
    done = command("train", "digits", *options, "--out", "model", cwd=place)
    assert "5-NN accuracy" in done.stdout
    assert "recall@10" in done.stdout
    assert "notes.txt" in done.stderr
    assert (place / "model" / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert not (place / ".model.training").exists()
    model = adjoin.embedder(place / "model")
    assert model.embed([next((place / "digits" / "3").glob("*.png"))]).shape == (1, 8)
    told = as_json("train", "digits.csv", *options, "--out", "from-table", cwd=place)
    assert told["report"]["held_out"] > 0
    assert len(told["history"]["epochs"]) == 2
    assert told["path"] == str(place / "from-table")


@pytest.mark.slow
def test_train_on_clips_and_on_texts(place: Path) -> None:
    pytest.importorskip("torch")
    told = as_json("train", "tones", "--kind", "sound", "--epochs", "1", "--size", "16", "--out", "heard", cwd=place)
    assert told["report"]["labels"] == 3
    told = as_json(
        "train", "notes.csv", "--labels", "topic", "--kind", "text", "--embedder", "fast", "--out", "head", cwd=place
    )
    assert told["report"]["rows"]["after"]["ratio"] < told["report"]["rows"]["frozen embedder"]["ratio"]
    assert adjoin.embedder(place / "head").embed(["a cat"]).shape == (1, 256)


def test_wrong_training_data_is_told(place: Path) -> None:
    for words, said in (
        (("train", "nowhere", "--kind", "image", "--out", "x"), "there is nothing at nowhere"),
        (("train", "digits", "--kind", "video", "--out", "x"), "unknown kind 'video'"),
        (("train", "notes.csv", "--kind", "text", "--out", "x"), "no column 'label'"),
        (("train", "digits/0", "--kind", "image", "--out", "x"), "no subfolders"),
        (("train", "tones", "--kind", "image", "--out", "x"), "holds no image with a label"),
        (("train", "digits", "--kind", "image", "--out", "digits"), "is no saved embedder"),
        (("distil", "--texts", "notes.csv", "--out", "tones"), "is no saved embedder"),
        (("distil", "--texts", "nowhere", "--out", "x"), "there is nothing at"),
    ):
        assert said in command(*words, cwd=place, status=1).stderr
    assert not (place / "x").exists()


def test_distil_makes_a_model_that_is_used_by_its_folder(place: Path) -> None:
    options = ("--texts", "notes.csv", "--teacher", "fast", "--dim", "16", "--vocabulary", "1500", "--epochs", "3")
    done = command("distil", *options, "--out", "small", cwd=place)
    assert "cosine to the teacher" in done.stdout
    told = as_json("distil", *options, "--out", "small", cwd=place)
    assert told["pieces"] == 1500
    assert len(told["cosines"]) >= 2
    assert adjoin.embedder(place / "small").embed(["a cat"]).shape == (1, 16)
    command("index", "notes.jsonl", "--embedder", str(place / "small"), "--db", "notes.adjoin", cwd=place)
    assert as_json("search", "the dog barks", "--db", "notes.adjoin", "-k", "1", cwd=place)["hits"]


def test_labels_come_from_folders_and_tables(place: Path) -> None:
    folder = labelled(place / "digits", "image")
    table = labelled(place / "digits.csv", "image")
    assert [path.resolve() for path in folder.items] == [path.resolve() for path in table.items]
    assert folder.labels == [str(label) for label in table.labels]
    assert [each.path.name for each in folder.skipped] == ["notes.txt"]
    texts = labelled(place / "notes.jsonl", "text")
    assert texts.items[0] == "the cat sleeps number 0"
    assert set(texts.labels) == {"animals", "markets"}
    with pytest.raises(NotFound):
        labelled(place / "none", "text")
    with pytest.raises(InvalidOption, match="neither a folder nor a table"):
        labelled(place / "digits" / "0" / "notes.txt", "text")
    with pytest.raises(InvalidInput, match="no column 'kind'"):
        labelled(place / "notes.csv", "text", labels="kind")


def test_texts_come_as_short_passages(tmp_path: Path) -> None:
    (tmp_path / "long.md").write_text("# Title\n\n" + "A sentence about cats. " * 60)
    texts, skipped = texts_in([tmp_path])
    assert len(texts) > 3
    assert max(map(len, texts)) <= 300
    assert skipped == []
    assert np.mean(["cats" in text for text in texts]) == 1


@pytest.mark.slow
@pytest.mark.parametrize("page", ["embed-static", "embed-train"])
def test_the_examples_of_the_pages_run(page: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    for code in blocks(ROOT / "docs" / f"{page}.md", "python"):
        assert run(["-c", code], tmp_path).strip()
