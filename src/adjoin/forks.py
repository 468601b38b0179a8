"""Locks that a forked child finds free: in the parent another thread may hold them, and in the child that thread is not."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from typing import Any

_owners: dict[int, tuple[weakref.ref[Any], str, Callable[[], Any]]] = {}
_numbers = iter(range(2**62))


def renew_in_child(owner: Any, name: str, make: Callable[[], Any] = threading.Lock) -> None:
    """Let the child have another lock than the one that the owner's attribute of this name holds."""
    number = next(_numbers)
    _owners[number] = (weakref.ref(owner, lambda _: _owners.pop(number, None)), name, make)


def _renew() -> None:
    for reference, name, make in list(_owners.values()):
        owner = reference()
        if owner is not None:
            setattr(owner, name, make())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
