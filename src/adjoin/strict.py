"""Misspelt keywords are refused with the name that was meant."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from adjoin.errors import UnknownKeyword

P = ParamSpec("P")
R = TypeVar("R")


def strict(function: Callable[P, R]) -> Callable[P, R]:
    """Raise UnknownKeyword, before anything is done, for a keyword that the function does not have."""
    code = function.__code__
    known = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    offered = [name for name in known if name != "self"]

    @functools.wraps(function)
    def checked(*args: P.args, **keywords: P.kwargs) -> R:
        for name in keywords:
            if name not in known:
                near = difflib.get_close_matches(name, offered, n=1)
                meant = f" Did you mean {near[0]}=?" if near else ""
                raise UnknownKeyword(
                    f"{function.__name__}() has no keyword {name!r}.{meant} It takes: {', '.join(offered)}. Nothing was done."
                )
        return function(*args, **keywords)

    return checked
