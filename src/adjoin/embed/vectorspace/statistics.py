"""How often terms stand in documents: counted chunk by chunk, added to and taken from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from adjoin.embed.vectorspace.options import sparse
from adjoin.errors import InvalidContent

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Counts = NDArray[np.int64]


def count_matrix(documents: Iterable[Sequence[str]], columns: Mapping[str, int], width: int) -> Any:
    """Counts of the terms that have a column: CSR of int64 (documents, width). Others are left out.

    width: 0 if columns grows, as a defaultdict does, while it is asked.
    """
    import numpy as np

    found: list[int] = []
    ends = [0]
    grows = not width
    for terms in documents:
        if grows:
            found.extend([columns[term] for term in terms])
        else:
            found.extend([columns[term] for term in terms if term in columns])
        ends.append(len(found))
    indices = np.fromiter(found, np.int64, len(found))
    shape = (len(ends) - 1, width or len(columns))
    matrix = sparse().csr_matrix((np.ones(len(found), np.int64), indices, np.array(ends)), shape=shape)
    matrix.sum_duplicates()
    return matrix


class Statistics:
    """Of each term, in how many documents it stands (`df`) and how often (`tf`). Terms are in the order they came.

    Memory: that of the distinct terms, whatever the number of documents.
    """

    def __init__(self) -> None:
        import numpy as np

        self.documents = 0
        self.columns: dict[str, int] = {}
        self.df: Counts = np.zeros(0, np.int64)
        self.tf: Counts = np.zeros(0, np.int64)

    def count(self, documents: Sequence[Sequence[str]]) -> Any:
        """Count the terms of some documents; returns their matrix, CSR (documents, terms so far)."""
        import numpy as np

        columns = self.columns
        growing = _Growing(columns)
        matrix = count_matrix(documents, growing, 0)
        self.columns = dict(growing)
        added = len(self.columns) - len(self.df)
        self.df = np.concatenate([self.df, np.zeros(added, np.int64)])
        self.tf = np.concatenate([self.tf, np.zeros(added, np.int64)])
        self.df += np.bincount(matrix.indices, minlength=len(self.df))
        self.tf += np.asarray(matrix.sum(axis=0), np.int64).ravel()
        self.documents += len(documents)
        return matrix

    def add(self, other: Statistics, sign: int = 1) -> None:
        """Add what another counted, or with a sign of -1 take it away.

        Raises InvalidContent where more is taken than there is; nothing is changed then.
        """
        import numpy as np

        known = len(self.columns)
        columns = dict(self.columns)
        places = np.fromiter(
            (columns.setdefault(term, len(columns)) for term in other.columns), np.int64, len(other.columns)
        )
        df = np.concatenate([self.df, np.zeros(len(columns) - known, np.int64)])
        tf = np.concatenate([self.tf, np.zeros(len(columns) - known, np.int64)])
        df[places] += sign * other.df
        tf[places] += sign * other.tf
        documents = self.documents + sign * other.documents
        if documents < 0 or (sign < 0 and ((df < 0).any() or (tf < 0).any())):
            raise InvalidContent(
                "these texts were not all added before, so they cannot be taken away. Nothing was changed."
            )
        if sign < 0 and (df == 0).any():
            kept = df > 0
            columns = {term: n for n, term in enumerate(term for term, at in columns.items() if kept[at])}
            df, tf = df[kept], tf[kept]
        self.columns, self.df, self.tf, self.documents = columns, df, tf, documents


class _Growing(dict[str, int]):
    """A new term gets the next number."""

    def __missing__(self, term: str) -> int:
        self[term] = number = len(self)
        return number
