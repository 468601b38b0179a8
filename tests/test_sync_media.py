"""Folders of pictures and sounds, indexed by what the collection's embedder takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import adjoin

PIL = pytest.importorskip("PIL.Image", reason="pillow is not installed: pip install 'adjoin[images]'")
soundfile = pytest.importorskip("soundfile", reason="soundfile is not installed: pip install 'adjoin[audio]'")


def picture(path: Path, colour: tuple[int, int, int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.new("RGB", (40, 30), colour).save(path)


def tone(path: Path, hertz: float, seconds: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.3 * np.sin(np.arange(int(8000 * seconds)) / 8000 * 2 * np.pi * hertz), 8000)


def test_a_folder_of_pictures_is_kept_in_step(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    picture(photos / "red.png", (220, 20, 20))
    picture(photos / "sub" / "blue.jpg", (20, 20, 220))
    (photos / "notes.txt").write_text("no picture")
    (photos / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with adjoin.open(tmp_path / "s") as db:
        rows = db.collection("photos", embedder="histogram")
        report = rows.index(photos)
        assert (report.files_read, report.chunks_added, report.embedded) == (3, 2, 2)
        reasons = {one.path.name: one.reason for one in report.skipped}
        assert set(reasons) == {"notes.txt", "broken.png"}
        assert reasons["notes.txt"] == "no image by its name"
        picture(tmp_path / "asked.png", (210, 30, 30))
        [hit] = rows.search(str(tmp_path / "asked.png"), k=1)
        assert hit.content == str(photos / "red.png")
        assert hit.origin is not None
        assert hit.origin.file == hit.content
        again = rows.index(photos)
        assert (again.files_read, again.embedded, again.files_unchanged) == (0, 0, 3)
        picture(photos / "red.png", (20, 220, 20))  # the same path, another picture
        (photos / "sub" / "blue.jpg").unlink()
        changed = rows.index(photos)
        assert (changed.files_read, changed.files_removed, changed.embedded) == (1, 1, 1)
        assert rows.count() == 1
        assert rows.search(str(tmp_path / "asked.png"), k=1)[0].distance > hit.distance
    with adjoin.open(tmp_path / "s") as db:  # the name brings the embedder back
        assert db.collection("photos").search(np.full((8, 8, 3), (20, 220, 20), np.uint8), k=1)[0].distance < 0.2


def test_long_sounds_are_windows_that_say_where(tmp_path: Path) -> None:
    tone(tmp_path / "sounds" / "low.wav", 200, 2)
    samples = np.concatenate([np.sin(np.arange(8000 * 20) * 2 * np.pi * hertz / 8000) for hertz in (200, 2500)])
    soundfile.write(tmp_path / "sounds" / "long.flac", 0.3 * samples, 8000)
    tone(tmp_path / "high.wav", 2500, 3)
    with adjoin.open(tmp_path / "s") as db:
        rows = db.collection("sounds", embedder="sound")
        report = rows.index(tmp_path / "sounds")
        assert report.files_read == 2
        assert report.chunks_added == 8  # windows from 0, 5, … 30 s, and the short one whole
        [hit] = rows.search(str(tmp_path / "high.wav"), k=1)
        assert hit.origin is not None
        assert hit.origin.seconds is not None
        assert hit.origin.seconds[0] >= 20
        assert str(hit.origin.file).endswith("long.flac")
