"""gensim's modules, or which extra brings them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from adjoin.errors import MissingExtra


def gensim(module: str, purpose: str) -> Any:
    try:
        return import_module(f"gensim.{module}")
    except ImportError as exc:
        raise MissingExtra.of("gensim", "words", purpose) from exc
