"""A column as what a section says and its arrays, and back with everything checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adjoin.sealed.column import Postings, SealedColumn
from adjoin.sealed.layout import Arrays
from adjoin.sealed.numbers import Numbers, read_exact
from adjoin.sealed.terms import Terms
from adjoin.sealed.texts import Texts


def kept(column: SealedColumn) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """What the section of a key says, and its arrays."""
    terms = column.terms
    arrays: dict[str, NDArray[Any]] = {"codes": column.codes}
    if column.present is not None:
        arrays["present"] = column.present
    arrays |= {"rows": column.own.rows, "starts": column.own.starts}
    if column.inside is not None:
        arrays |= {"element_rows": column.inside.rows, "element_starts": column.inside.starts}
    arrays |= {"numbers": terms.numbers.near} if len(terms.numbers) else {}
    if terms.numbers.exact:
        arrays["exact_places"] = np.array(list(terms.numbers.exact), "<u4")
        arrays["exact"] = np.frombuffer(terms.numbers.exact_json(), np.uint8)
    arrays |= {"moments": terms.moments} if len(terms.moments) else {}
    for name, texts in (("text", terms.texts), ("nested", terms.nested)):
        if len(texts):
            arrays |= {f"{name}_starts": texts.starts, f"{name}_content": texts.content}
    return {"singles": list(terms.singles), "most_elements": column.most_inside}, arrays


def restored(n: int, said: Mapping[str, Any], arrays: Arrays) -> SealedColumn:
    """The column that was kept. Raises ValueError when something in it cannot be."""
    taken = _Taken(arrays)
    has_lists = "element_rows" in arrays
    terms = _terms(said, taken, has_lists=has_lists)
    present = taken.take("present", "u") if "present" in arrays else None
    if present is not None:
        _require(_ascends(present) and _below(present, n), "its rows are not in order")
    codes = taken.take("codes", "i")
    _require(len(codes) == (n if present is None else len(present)), "it has too many or too few codes")
    _require(not len(codes) or (codes.min() >= -(present is None) and codes.max() < terms.size), "its codes are wrong")
    own = _postings(taken, "", n, terms.size)
    having = np.count_nonzero(codes >= 0) if present is None else len(present)
    _require(len(own.rows) == having, "it has rows without a code")
    inside = _postings(taken, "element_", n, terms.size) if has_lists else None
    most = said["most_elements"]
    _require(type(most) is int and (most > 0) is has_lists, "its count of elements is wrong")
    return SealedColumn(n, terms, codes, present, own, inside, most)


class _Taken:
    """Arrays by name; each is there, of the kind that is expected, or the file is damaged."""

    def __init__(self, arrays: Arrays) -> None:
        self._arrays = arrays

    def take(self, name: str, kinds: str, *, otherwise: str | None = None) -> NDArray[Any]:
        """otherwise: the dtype of the empty array that stands for one that is left out."""
        found = self._arrays.get(name)
        if found is None:
            _require(otherwise is not None, f"it has no {name}")
            return np.empty(0, otherwise)
        _require(found.dtype.kind in kinds, f"its {name} are of a wrong type")
        return found


def _terms(said: Mapping[str, Any], taken: _Taken, *, has_lists: bool) -> Terms:
    singles = said["singles"]
    _require(type(singles) is list and len(singles) == 4, "its singles are wrong")
    near = taken.take("numbers", "if", otherwise="<f8")
    _require(near.dtype.itemsize == 8 and not np.isnan(near).any(), "its numbers are wrong")
    places = taken.take("exact_places", "u", otherwise="<u4")
    _require(_ascends(places) and _below(places, len(near)), "its large integers are wrong")
    numbers = Numbers(near, read_exact(places, taken.take("exact", "u", otherwise="<u1").tobytes()))
    return Terms(
        singles,
        numbers,
        taken.take("moments", "i", otherwise="<i8"),
        _texts(taken, "text"),
        _texts(taken, "nested"),
        has_lists=has_lists,
    )


def _texts(taken: _Taken, name: str) -> Texts:
    starts = taken.take(f"{name}_starts", "u", otherwise="<u4")
    content = taken.take(f"{name}_content", "u", otherwise="<u1")
    if not len(starts):
        return Texts(np.zeros(1, "<u4"), content)
    _require_starts(starts, len(starts) - 1, len(content))
    return Texts(starts, content)


def _postings(taken: _Taken, prefix: str, n: int, size: int) -> Postings:
    rows = taken.take(f"{prefix}rows", "u")
    starts = taken.take(f"{prefix}starts", "u")
    _require(_below(rows, n), "it has rows beyond the last")
    _require_starts(starts, size, len(rows))
    return Postings(rows, starts)


def _require_starts(starts: NDArray[Any], runs: int, total: int) -> None:
    fits = len(starts) == runs + 1 and starts[0] == 0 and starts[-1] == total
    _require(fits and bool((starts[1:] >= starts[:-1]).all()), "its runs do not fit together")


def _ascends(array: NDArray[Any]) -> bool:
    return bool((array[1:] > array[:-1]).all())


def _below(array: NDArray[Any], end: int) -> bool:
    return not len(array) or bool(array.max() < end)


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)
