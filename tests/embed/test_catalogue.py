"""The list of embedders says the same of each, installed or not."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
from typer.testing import CliRunner

from adjoin.cli.app import app
from adjoin.embed import catalogue
from adjoin.embed.catalogue import known_embedders

PICTURES = {"image", "torch-image", "pixels", "imagehash", "histogram", "hog", "descriptors", "joint", "cnn"}
SOUNDS = {"sound", "mfcc", "spectrogram", "speech", "voice", "sound-cnn"}


def test_what_is_not_installed_is_told_of_as_what_is(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {one.name: one for one in known_embedders(measure=False)}
    monkeypatch.setattr(catalogue, "find_spec", lambda name: None)
    absent = {one.name: one for one in known_embedders(measure=False)}
    assert {name: one.takes for name, one in absent.items()} == {name: one.takes for name, one in there.items()}
    assert {name for name, one in absent.items() if one.takes == "image"} == PICTURES
    assert {name for name, one in absent.items() if one.takes == "sound"} == SOUNDS
    assert absent["spectrogram"].get == "pip install 'adjoin[audio,images]'"
    assert absent["default"].get == ""


def test_a_narrow_table_still_says_how_to_get_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(catalogue, "find_spec", lambda name: None if name == "gensim" else find_spec(name))
    said = CliRunner().invoke(app, ["embedders", "--no-measure"]).output
    [row] = [line for line in said.splitlines() if line.startswith("word2vec ")]
    assert row.rstrip().endswith("words")
    assert "pip install 'adjoin[EXTRA]'" in said
    assert max(map(len, said.splitlines())) <= 80
