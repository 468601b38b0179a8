"""Doubles that this project's tests and its users' tests share: real objects, small and the same on every machine.

`EngineContract` is the suite that an engine's tests inherit. It needs pytest, and is loaded when it is named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adjoin.testing.embedders import TinyEmbedder as TinyEmbedder
from adjoin.testing.models import ScriptedModel as ScriptedModel

if TYPE_CHECKING:
    from adjoin.testing.contract import EngineContract as EngineContract


def __getattr__(name: str) -> Any:
    if name != "EngineContract":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from adjoin.testing.contract import EngineContract

    return EngineContract
