"""Documents as lines of JSON, from which they can be had again to the last bit."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable
from pathlib import Path

from adjoin import metadata as metadata_codec
from adjoin.types import Document


def write_lines(path: Path, documents: Iterable[Document]) -> None:
    """A new file with a line for each, on disk when this returns: what is taken from a store may then go there."""
    with path.open("xb") as file:
        for document in documents:
            file.write(line_of(document).encode())
        file.flush()
        os.fsync(file.fileno())


def line_of(document: Document) -> str:
    """With what it has of content, metadata, origin and vector; what JSON does not know is tagged."""
    parts = [f'"id": {json.dumps(document.id, ensure_ascii=False)}', f'"content": {content_of(document)}']
    parts.append(f'"metadata": {metadata_codec.encode(document.metadata)}')
    if document.origin:
        parts.append(f'"origin": {json.dumps(document.origin.to_dict(), ensure_ascii=False)}')
    if document.vector is not None:
        parts.append(f'"vector": {json.dumps(document.vector.tolist())}')
    return "{" + ", ".join(parts) + "}\n"


def content_of(document: Document) -> str:
    content = document.content
    if isinstance(content, bytes):
        return json.dumps({"$base64": base64.b64encode(content).decode()})
    return metadata_codec.encode(content) if isinstance(content, dict) else json.dumps(content, ensure_ascii=False)
