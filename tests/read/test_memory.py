"""However large the file, little of it is held."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.peak import PEAK_KB, needs_peak

pytestmark = needs_peak
MEGABYTE = 1 << 20

MEASURE = (
    PEAK_KB
    + """
import sys
from pathlib import Path
from adjoin.read import ReadSettings, content_hash, read_file
path, most = Path(sys.argv[1]), int(sys.argv[2])
small = path.with_name("small" + path.suffix)
list(read_file(small))
before = peak_kb()
skipped = []
count = 0
for item in read_file(path, ReadSettings(), skipped.append):
    count += 1
    if count >= most:
        break
else:
    content_hash(path)
print(count, len(skipped), (peak_kb() - before) // 1024)
"""
)

SENTENCE = "The quick brown fox jumps over the lazy dog. 서울은 한국의 수도이다. "


def measured(path: Path, most: int = 10**9) -> tuple[int, int, int]:
    """Chunks, what was left out, and by how many megabytes the process grew."""
    command = [sys.executable, "-c", MEASURE, str(path), str(most)]
    said = subprocess.run(command, check=True, capture_output=True, text=True)
    count, skipped, grown = map(int, said.stdout.split())
    return count, skipped, grown


def fill(path: Path, megabytes: int, block: str, *, start: str = "", end: str = "") -> Path:
    path.with_name("small" + path.suffix).write_text(start + block + end, encoding="utf-8")
    encoded = (block * (MEGABYTE // len(block.encode()) + 1)).encode()
    with path.open("wb") as out:
        out.write(start.encode())
        for _ in range(megabytes):
            out.write(encoded)
        out.write(end.encode())
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "block"),
    [
        ("lines.txt", SENTENCE + "\n"),
        ("one-line.txt", SENTENCE),
        ("no-space.txt", "가나다라마바사"),
        ("blank.txt", "\n" * 1000 + "x"),
        ("notes.md", "# Title\n\n" + SENTENCE * 3 + "\n\n```\ncode = 1\n```\n\n"),
        ("page.html", f"<h1>Title</h1><p>{SENTENCE * 4}</p>\n"),
        ("code.py", "def f(x):\n    return x\n\n\n" + "# more\n" * 99),
        ("table.csv", f"{SENTENCE},1\n"),
        ("rows.jsonl", f'{{"text": "{SENTENCE}"}}\n'),
    ],
)
def test_long_file_is_read_in_little_memory(tmp_path: Path, name: str, block: str) -> None:
    path = fill(
        tmp_path / name, 8 if name == "blank.txt" else 200, block, start="text,n\n" if name == "table.csv" else ""
    )
    count, skipped, grown = measured(path, 2_000)
    assert count == 2_000 or name == "blank.txt"
    assert skipped == 0
    assert grown < 50


@pytest.mark.slow
def test_whole_of_a_long_file_is_read_in_little_memory(tmp_path: Path) -> None:
    path = fill(tmp_path / "whole.txt", 8, SENTENCE + "\n")
    count, _, grown = measured(path)
    assert count > 8 * MEGABYTE / 1800
    assert grown < 50


@pytest.mark.slow
@pytest.mark.parametrize("start", ["<p>", "<!--", "<p title='", "<script>"])
def test_html_that_never_ends_its_tag_is_refused_in_little_memory(tmp_path: Path, start: str) -> None:
    path = fill(tmp_path / "page.html", 12, "word " * 100, start=start)
    command = [sys.executable, "-c", MEASURE, str(path), "500"]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0 or "does not end" in ended.stderr


@pytest.mark.slow
def test_record_beyond_the_limit_is_reported_in_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    (tmp_path / "small.jsonl").write_text('{"text": "x"}\n', encoding="utf-8")
    with path.open("wb") as out:
        out.write(b'{"text": "one"}\n{"text": "')
        for _ in range(150):
            out.write(b"x" * MEGABYTE)
        out.write(b'"}\n{"text": "three"}\n')
    count, skipped, grown = measured(path)
    assert (count, skipped) == (2, 1)
    assert grown < 100
