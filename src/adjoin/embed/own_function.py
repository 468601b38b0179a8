"""Any function as an embedder."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from adjoin.embed.base import KINDS, check_kind, check_texts
from adjoin.embed.checked import vectors_of
from adjoin.embed.identity import CANARY_TEXTS, Identity
from adjoin.errors import DimensionMismatch, InvalidOption
from adjoin.types import Kind

if TYPE_CHECKING:
    from adjoin.types import Floats


class FunctionEmbedder:
    """A function as an embedder; its answers are checked."""

    def __init__(
        self,
        call: Callable[..., Any],
        *,
        dim: int,
        name: str,
        version: str,
        takes: str = "text",
        each: bool = False,
        canary_items: Sequence[Any] | None = None,
    ) -> None:
        self._call = call
        self._takes_kind = _takes_kind(call)
        self._each = each
        self.takes = takes
        self.dim = dim
        self.canary_items = list(canary_items if canary_items is not None else CANARY_TEXTS if takes == "text" else ())
        self.identity = Identity(name, name, dim, normalize=False, settings={"version": version})
        self.reopened_by: str | None = None

    def embed(self, items: Sequence[Any], kind: Kind = "document") -> Floats:
        """The function's answers, float32 of shape (len(items), dim).

        Raises DimensionMismatch or InvalidVector where an answer is no finite vector of `dim` numbers, and what the function raises.
        """
        import numpy as np

        check_kind(kind)
        if self.takes == "text":
            items = check_texts(items)
        items = list(items)
        if not items:
            return np.empty((0, self.dim), np.float32)
        more = {"kind": kind} if self._takes_kind else {}
        answer = [self._call(item, **more) for item in items] if self._each else self._call(items, **more)
        return vectors_of(answer, len(items), self.dim, f"the function {self.identity.name!r}")

    def __repr__(self) -> str:
        return f"FunctionEmbedder({self.identity})"


def function(
    call: Callable[..., Any],
    *,
    dim: int | None = None,
    name: str | None = None,
    version: str = "",
    takes: str = "text",
    each: bool = False,
    canary_items: Sequence[Any] | None = None,
) -> FunctionEmbedder:
    """Any function as an embedder.

    call: takes a list of items and answers one vector each; with each=True it takes one item. It is told the kind of items if it has a
    parameter `kind`. dim: found by asking it, if None. name, version: what it is told apart by; change the version when its vectors
    change. takes: what its items are. canary_items: items whose vectors stand in its identity, where they are not texts.
    A collection filled with it opens again only when it is given again: no name finds a function.
    """
    if not callable(call):
        raise InvalidOption(f"function is given what can be called, not {type(call).__name__}.")
    name = name or str(getattr(call, "__qualname__", type(call).__name__))
    canaries = list(canary_items if canary_items is not None else CANARY_TEXTS if takes == "text" else ())
    if dim is None:
        if not canaries:
            raise InvalidOption("give dim=, or canary_items= by which it can be found.")
        dim = _asked_dim(call, canaries[0], each)
    if isinstance(dim, bool) or not isinstance(dim, int) or dim < 1:
        raise InvalidOption(f"dim is a whole number of at least 1, not {dim!r}.")
    return FunctionEmbedder(call, dim=dim, name=name, version=version, takes=takes, each=each, canary_items=canaries)


def _takes_kind(call: Callable[..., Any]) -> bool:
    try:
        return "kind" in inspect.signature(call).parameters
    except (TypeError, ValueError):  # some of those written in C
        return False


def _asked_dim(call: Callable[..., Any], item: Any, each: bool) -> int:
    import numpy as np

    more = {"kind": KINDS[0]} if _takes_kind(call) else {}
    answer = call(item, **more) if each else call([item], **more)
    shape = np.shape(answer)
    if len(shape) != (1 if each else 2) or (not each and shape[0] != 1):
        raise DimensionMismatch(f"the function answered one item with an array of shape {shape}, not with one vector.")
    return int(shape[-1])
