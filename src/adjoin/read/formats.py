"""Which reader a file wants: by its suffix, then by its first bytes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TypeAlias

from adjoin.errors import UnreadableFile
from adjoin.read.decode import SNIFF_BYTES, open_regular
from adjoin.read.settings import Media, OnSkip, ReadSettings, Skipped
from adjoin.read.values import words
from adjoin.types import Item, Origin

Format: TypeAlias = Literal[
    "text", "markdown", "rst", "html", "python", "source", "csv", "tsv", "jsonl", "json", "notebook", "parquet", "pdf"
]

_SUFFIXES: dict[Format, str] = {
    "text": "txt text log srt vtt tex bib org adoc asciidoc textile wiki mediawiki nfo po",
    "markdown": "md markdown mdown mkd mkdn mdx mdwn qmd rmd",
    "rst": "rst rest",
    "html": "html htm xhtml",
    "python": "py pyi pyw pyx pxd",
    "source": "c h cc cpp cxx hh hpp hxx cu m mm java kt kts scala groovy cs fs fsx vb js jsx mjs cjs ts tsx mts cts vue"
    " svelte go rs swift dart rb php pl pm lua r jl hs ml mli elm ex exs erl clj cljs lisp el scm rkt nim zig v d pas"
    " sh bash zsh fish ps1 bat cmd sql proto thrift graphql gql tf hcl nix cmake mk make gradle css scss sass less"
    " yaml yml toml ini cfg conf properties env xml xsd xsl asm s sol vim awk sed tcl",
    "csv": "csv",
    "tsv": "tsv tab",
    "jsonl": "jsonl ndjson jsonlines",
    "json": "json",
    "notebook": "ipynb",
    "parquet": "parquet pq",
    "pdf": "pdf",
}
_BY_SUFFIX: dict[str, Format] = {suffix: name for name, listed in _SUFFIXES.items() for suffix in words(listed)}
_BY_NAME: dict[str, Format] = {"makefile": "source", "dockerfile": "source", "rakefile": "source", "gemfile": "source"}
_BINARY = frozenset(
    words(
        "png jpg jpeg gif bmp tif tiff webp ico icns psd heic heif avif cr2 nef xcf mp3 wav flac ogg oga opus m4a "
        "aac wma mid midi mp4 m4v mov avi mkv webm wmv flv mpg mpeg 3gp zip gz bz2 xz zst lz4 7z rar tar tgz jar war "
        "ear whl egg deb rpm apk ipa dmg iso img cab msi exe dll so dylib a o lib pyc pyo pyd class wasm bin "
        "elf ko node doc docx xls xlsx ppt pptx odt ods odp rtfd hwp hwpx pages numbers epub mobi azw3 ttf otf "
        "woff woff2 eot sqlite sqlite3 db db-wal db-shm mdb ldb npy npz pkl pickle pt pth onnx safetensors h5 hdf5 "
        "gguf feather arrow orc avro rdb swp ds_store"
    )
)
_MEDIA: dict[str, frozenset[str]] = {
    "image": frozenset(words("png jpg jpeg jpe gif bmp tif tiff webp ppm pgm pbm tga")),
    "sound": frozenset(words("wav flac ogg oga opus mp3 aif aiff aifc au w64 caf")),
}
_PYTHON = re.compile(rb"#!.*python")
_HTML = re.compile(rb"\s*(?:<!--.*?-->\s*)?<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL)


def has_binary_suffix(path: Path) -> bool:
    """Whether the name alone says that there is no text to read."""
    return path.suffix[1:].lower() in _BINARY


def reason_against(path: Path, media: Media) -> str:
    """Why a file of that name is not one to read for its media; empty when it is."""
    suffix = path.suffix[1:].lower()
    if media == "text":
        return f"binary (.{suffix})" if suffix in _BINARY else ""
    return "" if suffix in _MEDIA[media] else f"no {media} by its name"


def find_format(path: Path, head: bytes) -> Format:
    """The format of a file, by its name, or else by its first bytes; text when nothing tells."""
    named = _BY_SUFFIX.get(path.suffix[1:].lower()) or _BY_NAME.get(path.name.lower())
    if named:
        return named
    if head.startswith(b"%PDF-"):
        return "pdf"
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(b"#!"):
        return "python" if _PYTHON.match(head.split(b"\n", 1)[0]) else "source"
    return "html" if _HTML.match(head[:4096]) else "text"


def read_file(path: Path, settings: ReadSettings | None = None, on_skip: OnSkip | None = None) -> Iterator[Item]:
    """The chunks of a file, in order, in bounded memory. An empty file has none.

    on_skip: called for the rows, lines and pages that were left out while the rest was read.
    Raises UnreadableFile, at any time, when the file cannot be read (on), and MissingExtra when its format needs an
    optional package. The ids of the items are None.
    """
    path = Path(path)
    settings = settings or ReadSettings()
    if settings.media != "text":
        yield Item(str(path), origin=Origin(file=str(path)))
        return
    if has_binary_suffix(path):
        raise UnreadableFile(f"{path}: binary ({path.suffix.lower()})")
    with open_regular(path) as binary:
        head = binary.read(SNIFF_BYTES)
    if head:
        yield from _read_as(find_format(path, head), path, head, settings, on_skip or _ignore)


def _ignore(skipped: Skipped) -> None:
    """Nobody asked."""


def _read_as(kind: Format, path: Path, head: bytes, settings: ReadSettings, on_skip: OnSkip) -> Iterator[Item]:
    if kind in ("csv", "tsv", "jsonl", "json", "parquet"):
        from adjoin.read import reading_records

        yield from reading_records.read(kind, path, settings, on_skip)
    else:
        from adjoin.read import reading_blocks

        yield from reading_blocks.read(kind, path, head, settings, on_skip)
