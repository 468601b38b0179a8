"""Every error is one of ours, in the tree that its page draws."""

from __future__ import annotations

import inspect
import re

import apsw
import pytest

from adjoin import errors
from adjoin.errors import AdjoinError, listed
from adjoin.store.faults import translated

ALL = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, AdjoinError)]


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = set(re.findall(r"\b[A-Z]\w+\b", (errors.__doc__ or "").split("AdjoinError\n", 1)[1]))
    assert {kind.__name__ for kind in ALL} - {"AdjoinError"} == drawn & {kind.__name__ for kind in ALL}
    assert len(ALL) > 20


@pytest.mark.parametrize("kind", ALL)
def test_every_error_is_caught_as_adjoins_and_prints_its_message(kind: type[AdjoinError]) -> None:
    with pytest.raises(AdjoinError) as raised:
        raise kind("what happened, and what to do")
    assert str(raised.value) == "what happened, and what to do"
    assert kind.__doc__


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (errors.InvalidInput, ValueError),
        (errors.DimensionMismatch, ValueError),
        (errors.UnknownKeyword, TypeError),
        (errors.NotFound, LookupError),
        (errors.MissingExtra, ImportError),
    ],
)
def test_who_catches_pythons_own_error_catches_ours(kind: type[AdjoinError], builtin: type[Exception]) -> None:
    assert issubclass(kind, builtin)


def test_few_of_many_values_are_listed_each_cut_short() -> None:
    assert listed(["a", 1]) == "'a', 1"
    assert listed(range(12)) == "0, 1, 2, 3, 4 and 7 more"
    assert listed(["x" * 1000]) == "'" + "x" * 78 + "…"


@pytest.mark.parametrize(
    ("driver", "ours", "words"),
    [
        (apsw.BusyError, errors.StoreLocked, "more than 3 s"),
        (apsw.CorruptError, errors.StoreCorrupted, "is damaged"),
        (apsw.NotADBError, errors.StoreCorrupted, "is damaged"),
        (apsw.FullError, errors.StoreFull, "no space left for PLACE. Nothing of this call was stored"),
        (apsw.IOError, errors.StoreFull, "Is the disk full"),
        (apsw.ReadOnlyError, errors.StoreError, "may not be written by this user"),
        (apsw.CantOpenError, errors.StoreError, "may not be written by this user"),
        (apsw.TooBigError, errors.InvalidContent, "larger than 1 GB"),
        (apsw.ConstraintError, errors.StoreError, "PLACE"),
    ],
)
def test_what_the_driver_raises_is_said_in_our_words_with_the_cause_kept(
    driver: type[Exception], ours: type[AdjoinError], words: str
) -> None:
    with pytest.raises(ours, match=re.escape(words)) as raised, translated("PLACE", 3):
        raise driver("driver's words")
    assert isinstance(raised.value.__cause__, driver)


def test_a_missing_extra_names_the_package_and_the_install_line() -> None:
    message = str(errors.MissingExtra.of("pyarrow", "files", "Parquet"))
    assert message == "Parquet needs the package 'pyarrow'. Install it with: pip install 'adjoin[files]'"
