from __future__ import annotations

from collections.abc import Iterator

import pytest

from adjoin.embed.default import default_embedder
from adjoin.embed.text import TextEmbedder


@pytest.fixture(scope="session")
def default() -> Iterator[TextEmbedder]:
    embedder = default_embedder()
    yield embedder
    embedder.close()
