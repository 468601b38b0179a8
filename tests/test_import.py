"""Importing costs little, and needs nothing but the base dependencies."""

from __future__ import annotations

import pytest

from tests.support.stores import python

HEAVY = (
    "onnxruntime",
    "faiss",
    "rabitqlib",
    "tokenizers",
    "torch",
    "pandas",
    "typer",
    "rich",
    "apsw",
    "numpy",
    "pyarrow",
    "matplotlib",
)
EXTRAS = (
    "pypdf",
    "pyarrow",
    "pandas",
    "watchfiles",
    "huggingface_hub",
    "torch",
    "safetensors",
    "psycopg",
    "matplotlib",
    "starlette",
    "uvicorn",
    "httpx2",
)


def test_importing_adjoin_loads_nothing_heavy() -> None:
    loaded = python("import adjoin, sys; print(*sys.modules)").split()
    assert "adjoin" in loaded
    assert [name for name in HEAVY if name in loaded] == []


def test_searching_ones_own_vectors_loads_no_model() -> None:
    code = """
import adjoin, sys
rows = adjoin.open("memory://").collection("rows", embedder=None)
rows.add(vectors=[[1.0, 2.0]])
rows.search([1.0, 2.0], where={"a": 1})
print(*sys.modules)
"""
    loaded = python(code).split()
    assert [
        name for name in ("onnxruntime", "tokenizers", "torch", "pandas", "typer", "rich", "pyarrow") if name in loaded
    ] == []


EVERY_MODULE = """
import importlib, pkgutil, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in sys.argv[1:]:
            raise ImportError(f"{name} is not installed here")

sys.meta_path.insert(0, Blocked())
import adjoin

names = [module.name for module in pkgutil.walk_packages(adjoin.__path__, "adjoin.") if not module.name.endswith("__main__")]
for name in names:
    importlib.import_module(name)
for name in adjoin.__all__:
    getattr(adjoin, name)
print(*names)
"""


def test_every_module_can_be_imported_without_any_extra() -> None:
    names = python(EVERY_MODULE, *EXTRAS).split()
    assert {"adjoin.store.embedded", "adjoin.database", "adjoin.export"} <= set(names)


def test_an_extra_that_is_missing_is_named_with_its_install_line() -> None:
    code = (
        EVERY_MODULE.split("names = ")[0]
        + """
rows = adjoin.open("memory://").collection("rows", embedder=None)
rows.add(vectors=[[1.0]])
try:
    rows.search([1.0]).to_pandas()
except adjoin.AdjoinError as exc:
    print(exc)
"""
    )
    assert "pip install 'adjoin[plots]'" in python(code, *EXTRAS)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    import adjoin

    with pytest.raises(AttributeError, match="module 'adjoin' has no attribute 'nothing'"):
        _ = adjoin.nothing
    assert {"open", "Collection", "embedder"} <= set(dir(adjoin))
