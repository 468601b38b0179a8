"""A hub of models on the loopback, which speaks as much of Hugging Face's HTTP as its own client asks for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.support.loopback import Quiet, serving

COMMIT = "c" * 40


@dataclass
class Hub:
    """cut: names of files of which only the first half is sent. got: the names of the files that were asked for."""

    url: str
    cut: set[str] = field(default_factory=set)
    got: list[str] = field(default_factory=list)


@contextmanager
def hub(repository: str, folder: Path) -> Iterator[Hub]:
    """Serves the folder's files as that repository, at one commit."""
    files = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}

    class Handler(Quiet, BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path)
            if path.startswith(f"/api/models/{repository}/tree/"):
                self._json([{"type": "file", "path": name, "size": file.stat().st_size, "oid": _oid(file)}
                            for name, file in files.items()])  # fmt: skip
            elif path in (
                f"/api/models/{repository}",
                *(f"/api/models/{repository}/revision/{each}" for each in ("main", COMMIT)),
            ):
                self._json({"id": repository, "sha": COMMIT, "private": False, "disabled": False, "gated": False,
                            "siblings": [{"rfilename": name} for name in files]})  # fmt: skip
            elif path.startswith(f"/{repository}/resolve/") and path.split("/", 5)[5] in files:
                self._file(path.split("/", 5)[5])
            else:
                self._head(
                    404, 0, {"X-Error-Code": "EntryNotFound" if path.startswith(f"/{repository}/") else "RepoNotFound"}
                )

        def _file(self, name: str) -> None:
            data = files[name].read_bytes()
            start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").split("-")[0])
            about = {"ETag": f'"{_oid(files[name])}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
            if start:
                about["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            self._head(206 if start else 200, len(data) - start, about)
            if self.command == "GET":
                found.got.append(name)
                end = start + (len(data) - start) // 2 if name in found.cut else len(data)
                self.wfile.write(data[start:end])
                self.close_connection = name in found.cut

        def _json(self, value: Any) -> None:
            data = json.dumps(value).encode()
            self._head(200, len(data), {"Content-Type": "application/json"})
            if self.command == "GET":
                self.wfile.write(data)

        def _head(self, status: int, length: int, about: dict[str, str]) -> None:
            self.send_response(status)
            for key, value in (about | {"Content-Length": str(length)}).items():
                self.send_header(key, value)
            self.end_headers()

    found = Hub("")
    with serving(Handler) as found.url:
        yield found


def _oid(path: Path) -> str:
    return hashlib.sha1(path.read_bytes()).hexdigest()
