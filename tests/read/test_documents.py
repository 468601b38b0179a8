"""Markdown, HTML, reStructuredText, source code, notebooks and PDF are read as their readers see them."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

import pytest

from adjoin.errors import MissingExtra, UnreadableFile
from adjoin.read import Skipped, read_file
from adjoin.types import Item

from .conftest import Read


def headings(items: list[Item]) -> list[tuple[str, ...]]:
    return [item.origin.heading for item in items if item.origin]


def line_of(items: list[Item]) -> list[int | None]:
    return [item.origin.line for item in items if item.origin]


def test_markdown_headings_of_both_kinds_make_a_path(read: Read) -> None:
    text = "Guide\n=====\n\nIntro.\n\nInstall `it`\n---\n\nRun it.\n\n### On **Linux** ###\n\nUse pip.\n\n# Next {#next}\n\nEnd.\n"
    items = read("a.md", text)
    assert headings(items) == [
        ("Guide",), ("Guide", "Install it"), ("Guide", "Install it", "On Linux"), ("Next",)
    ]  # fmt: skip
    assert line_of(items) == [1, 6, 11, 15]
    assert items[2].context == "Guide > Install it"


def test_markdown_marks_within_code_and_comments_are_not_headings(read: Read) -> None:
    text = (
        "# Real\n\n~~~\n# no\n```\n# no\n~~~\n\n<!--\n# no\n-->\n\n    # no\n\n- item\n\n  ```\n  # no\n  ```\n\n"
        "````\n```\n# no\n````\n"
    )
    (item,) = read("a.md", text)
    assert headings([item]) == [("Real",)]
    assert item.content == text.strip()


def test_markdown_front_matter_becomes_metadata_and_title(read: Read) -> None:
    text = (
        "---\ntitle: My notes\nyear: 2024\nzip: 00123\ntags: [a, 'b c']\nalso:\n  - x\n  - y\n---\n\n## Part\n\nBody.\n"
    )
    (item,) = read("a.md", text)
    expected = {"title": "My notes", "year": 2024, "zip": "00123", "tags": ["a", "b c"], "also": ["x", "y"]}
    assert item.metadata == expected
    assert (item.content, item.context, headings([item])) == ("## Part\n\nBody.", "My notes", [("My notes", "Part")])
    assert line_of([item]) == [11]


@pytest.mark.parametrize("text", ["---\n\nA rule above.\n", "---\njust text\n---\n", "---\nnever closed: 1\n"])
def test_markdown_that_only_looks_like_front_matter_is_kept_as_text(read: Read, text: str) -> None:
    assert "\n".join(str(item.content) for item in read("a.md", text)).split() == text.split()


def test_markdown_front_matter_beyond_the_simple_is_kept_beside_the_fields_that_are(read: Read) -> None:
    front = "---\ntitle: T\nmenu:\n  main: 1\n---"
    one, two = read("a.md", f"{front}\n# H\n\nBody.\n")
    assert (one.content, one.metadata["title"]) == (front, "T")
    assert (two.content, two.context, two.metadata) == ("# H\n\nBody.", "T", one.metadata)


def test_markdown_list_items_and_tables_are_not_torn(read: Read) -> None:
    text = "- one item that says something\n- another item that says more\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
    assert [item.content for item in read("a.md", text, chunk_chars=40, overlap_chars=0)] == [
        "- one item that says something",
        "- another item that says more",
        "| a | b |\n|---|---|\n| 1 | 2 |",
    ]


PAGE = """<!DOCTYPE html>
<html><head><title>The page &amp; more</title><style>p { color: red }</style>
<script>if (a < b) document.write("<p>no</p>");</script></head>
<body><nav><a href="/">Home</a></nav>
<h1>Hello</h1>
<p>First   para
graph with <b>bold</b> &eacute; and a<br>break.
<p>Second, never closed
<div hidden>secret</div><template><p>no</p></template>
<h2>Code &amp; lists</h2>
<pre>def f():
    return 1
</pre>
<ul><li>one<li>two</ul>
<table><tr><th>name</th><th>n</th></tr><tr><td>x</td><td>1</td></tr></table>
</body></html>
"""


def test_html_gives_what_a_reader_sees(read: Read) -> None:
    one, two = read("a.html", PAGE)
    assert one.content == "Hello\n\nFirst para graph with bold é and a\nbreak.\n\nSecond, never closed"
    assert two.content == "Code & lists\n\ndef f():\n    return 1\n\n- one\n\n- two\n\nname | n\nx | 1"
    assert headings([one, two]) == [("Hello",), ("Hello", "Code & lists")]
    assert (one.context, two.context) == ("The page & more", "The page & more > Hello")
    assert line_of([one, two]) == [5, 10]
    assert one.origin is not None
    assert two.origin is not None
    assert two.origin.offset == len(str(one.content)) + 2


@pytest.mark.parametrize(
    "broken",
    [
        "<p>text<",
        "<p>text</div></p></b>",
        "<![foo<p>text",
        "<p text='a>text",
        "text",
        "<p>text<!-- never closed",
        "<script>x",
    ],
)
def test_broken_html_is_read_without_an_error(read: Read, broken: str) -> None:
    found = read("a.html", broken + "\n")
    assert len(found) <= 1


def test_html_in_a_declared_encoding_is_read(read: Read) -> None:
    page = '<html><head><meta charset="{}"></head><body><p>{}</p></body></html>'
    assert read("a.html", page.format("iso-8859-1", "café").encode("latin-1"))[0].content == "café"
    assert read("b.html", page.format("euc-kr", "한글").encode("cp949"))[0].content == "한글"
    assert read("c.html", page.format("shift_jis", "日本").encode("shift_jis"))[0].content == "日本"


def test_html_without_a_body_can_be_found_by_its_title(read: Read) -> None:
    assert [item.content for item in read("a.html", "<title>Only a title</title><body></body>")] == ["Only a title"]


def test_rst_titles_and_literal_blocks_are_understood(read: Read) -> None:
    text = (
        "=====\nGuide\n=====\n\nIntro::\n\n  literal\n\n  ======\n  more\n\nUse\n---\n\nText ``x``.\n\n"
        ".. code-block:: python\n\n   x = 1\n\n   y = 2\n\nDeep\n~~~~\n\nEnd.\n\nLast\n----\n\nBye.\n"
    )
    items = read("a.rst", text)
    assert headings(items) == [("Guide",), ("Guide", "Use"), ("Guide", "Use", "Deep"), ("Guide", "Last")]
    assert line_of(items) == [1, 12, 23, 28]


PYTHON = '''"""Module."""

import os

# About the limit.
LIMIT = 3


@decorated(
    "x",
)
def first(a, b=(1,
                2)):
    """Say def inside:

def not_one(): pass
    """
    def inner():
        return 1

    return inner


class Thing(Base):
    """A thing."""

    size = 1

    # Why it runs.
    async def run(self):
        return self

    @property
    def name(self):
        return "x"


print(first)
'''


def test_python_is_cut_at_definitions(read: Read) -> None:
    items = read("a.py", PYTHON)
    assert [(item.origin.name, item.origin.line) for item in items if item.origin] == [
        (None, 1), ("first", 9), ("Thing", 24), ("Thing.run", 29), ("Thing.name", 33), (None, 38)
    ]  # fmt: skip
    assert headings(items)[3] == ("Thing", "run")
    assert str(items[1].content).startswith("@decorated")
    assert str(items[3].content).startswith("    # Why it runs.\n    async def run")
    assert items[3].context == "a.py > Thing > run"


def test_python_with_mistakes_is_read_all_the_same(read: Read) -> None:
    text = "def broken(:\n    x = [1, (2\n\ndef fine():\n    return 'unclosed\n\nclass C\n    def m(self): pass\n"
    items = read("a.py", text)
    assert [item.origin.name for item in items if item.origin] == ["broken", "fine", "C", "C.m"]


def test_other_languages_are_cut_at_their_constructs(read: Read) -> None:
    text = (
        'package main\n\nimport "fmt"\n\n// Greets.\nfunc Greet(name string) {\n\n\tfmt.Println(name)\n}\n\n'
        "type Point struct {\n\tX int\n}\n"
    )
    items = read("a.go", text)
    assert [(item.origin.name, item.origin.line) for item in items if item.origin][-2:] == [("Greet", 5), ("Point", 11)]
    assert str(items[-2].content).startswith("// Greets.")
    names = {
        "a.js": ("export const add = (a, b) => {\n  return a + b;\n};\n", "add"),
        "a.rs": ("pub fn area(&self) -> f64 {\n}\n", "area"),
        "a.c": ("static int *find_it(const char *s, int n)\n{\n}\n", "find_it"),
        "a.java": ("public final class Shape extends Base {\n}\n", "Shape"),
        "a.sql": ("CREATE TABLE IF NOT EXISTS users (\n id int\n);\n", "users"),
    }
    for file, (source, name) in names.items():
        assert [item.origin.name for item in read(file, source) if item.origin] == [name]


def test_suffix_then_first_bytes_decide_the_format(read: Read) -> None:
    assert headings(read("script", "#!/usr/bin/env python3\ndef main():\n    pass\n")) == [("main",)]
    assert headings(read("page", "<!doctype html><h1>T</h1><p>x</p>")) == [("T",)]
    assert read("a.unknown", "# not a heading")[0].origin.heading == ()  # type: ignore[union-attr]
    assert headings(read("A.MD", "# T\n\nx")) == [("T",)]


def test_notebook_cells_are_read_under_the_titles_above_them(read: Read) -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# Load\n", "\n", "We load."]},
        {"cell_type": "code", "source": "x = 1", "outputs": [{"text": "noise"}]},
    ]
    items = read("a.ipynb", json.dumps({"cells": cells}))
    assert [(item.content, item.origin.row) for item in items if item.origin] == [
        ("# Load\n\nWe load.", 1),
        ("x = 1", 2),
    ]
    assert headings(items) == [("Load",), ("Load",)]
    with pytest.raises(UnreadableFile, match="notebook"):
        read("b.ipynb", "{}")


def make_pdf(path: Path, pages: list[str], password: str = "") -> None:
    """A PDF written by hand, so that a text stands on each page."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", "", "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    kids = []
    for text in pages:
        shown = "".join(f"({line}) Tj 0 -14 Td " for line in text.split("\n"))
        stream = f"BT /F1 12 Tf 72 720 Td {shown}ET"
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
        kids.append(f"{len(objects) + 1} 0 R")
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {len(objects)} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>"
        )
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>"
    out, places = "%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    start = len(out)
    out += (
        f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\n"
    )
    path.write_bytes(f"{out}startxref\n{start}\n%%EOF\n".encode("latin-1"))
    if password:
        import pypdf

        writer = pypdf.PdfWriter(clone_from=path)
        writer.encrypt(password, algorithm="RC4-128")
        writer.write(path)


def test_pdf_is_read_by_pages(tmp_path: Path) -> None:
    make_pdf(tmp_path / "a.pdf", ["Hello from page one.", "And from page two."])
    items = list(read_file(tmp_path / "a.pdf"))
    assert [
        (item.content, item.origin.page, item.origin.offset, item.origin.line) for item in items if item.origin
    ] == [
        ("Hello from page one.", 1, 0, None),
        ("And from page two.", 2, 0, None),
    ]


def test_pdf_with_a_password_broken_or_without_text_is_named(
    tmp_path: Path, skipped: list[Skipped], caplog: pytest.LogCaptureFixture
) -> None:
    make_pdf(tmp_path / "locked.pdf", ["secret"], password="x")
    with pytest.raises(UnreadableFile, match="encrypted"):
        list(read_file(tmp_path / "locked.pdf"))
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.4 and then nothing")
    with caplog.at_level(logging.DEBUG), pytest.raises(UnreadableFile, match=r"broken\.pdf"):
        list(read_file(tmp_path / "broken.pdf"))
    make_pdf(tmp_path / "empty.pdf", [""])
    assert list(read_file(tmp_path / "empty.pdf", None, skipped.append)) == []
    assert "no text" in skipped[0].reason
    assert not caplog.records


def test_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pypdf", None)
    make_pdf(tmp_path / "a.pdf", ["x"])
    with pytest.raises(MissingExtra, match=r"adjoin\[files\]"):
        list(read_file(tmp_path / "a.pdf"))
