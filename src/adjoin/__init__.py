"""adjoin: things into vectors, kept, and their neighbours found.

>>> import adjoin
>>> db = adjoin.open("memory://")
>>> points = db.collection("points", embedder=None, metric="euclidean")
>>> points.add(vectors=[[0.0, 0.0], [3.0, 4.0]], ids=["here", "there"])
['here', 'there']
>>> points.search([0.0, 1.0], k=1).ids
['here']
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from adjoin._version import __version__ as __version__

if TYPE_CHECKING:
    from adjoin import embed as embed
    from adjoin import errors as errors
    from adjoin import evaluate as evaluate
    from adjoin import index as index
    from adjoin import llm as llm
    from adjoin import testing as testing
    from adjoin.collection import Collection as Collection
    from adjoin.database import Database as Database
    from adjoin.database import doctor as doctor
    from adjoin.database import open as open  # noqa: A004
    from adjoin.distance import distance as distance
    from adjoin.embed import Embedder as Embedder
    from adjoin.embed import embedder as embedder
    from adjoin.errors import AdjoinError as AdjoinError
    from adjoin.llm.cache import SemanticCache as SemanticCache
    from adjoin.llm.memory import Memory as Memory
    from adjoin.llm.rag import RAG as RAG
    from adjoin.read import ReadSettings as ReadSettings
    from adjoin.sync import IndexReport as IndexReport
    from adjoin.types import Document as Document
    from adjoin.types import Hit as Hit
    from adjoin.types import Hits as Hits
    from adjoin.types import Item as Item
    from adjoin.types import Like as Like
    from adjoin.types import Origin as Origin

# Loaded when first asked for, so that `import adjoin` costs little and a command loads what it needs.
_ROOMS = {
    "open": "database", "Database": "database", "Collection": "collection", "distance": "distance", "doctor": "database",
    "embedder": "embed",
    "RAG": "llm.rag", "Memory": "llm.memory", "SemanticCache": "llm.cache",
    "Embedder": "embed", "AdjoinError": "errors", "ReadSettings": "read", "IndexReport": "sync", "Document": "types",
    "Hit": "types", "Hits": "types", "Item": "types", "Like": "types", "Origin": "types",
}  # fmt: skip

_MODULES = (
    "embed",
    "errors",
    "evaluate",
    "index",
    "testing",
    "llm",
)  # so that `adjoin.index.MinHash` needs no second import

__all__ = ["__version__", *_ROOMS, *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"adjoin.{name}")
    if name not in _ROOMS:
        raise AttributeError(f"module 'adjoin' has no attribute {name!r}")
    value = getattr(import_module(f"adjoin.{_ROOMS[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
