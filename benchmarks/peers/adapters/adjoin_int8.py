"""adjoin with its vectors kept in 8 bits: the compact choice."""

from __future__ import annotations

from adapters import adjoin as plain
from adapters.adjoin import EFFORTS, KIND, version

INSTALL: tuple[str, ...] = ()
NAME = "adjoin, int8"
NOTE = 'as adjoin, with `storage="int8"`'
__all__ = ["EFFORTS", "INSTALL", "KIND", "NAME", "NOTE", "Peer", "version"]


class Peer(plain.Peer):
    storage = "int8"
