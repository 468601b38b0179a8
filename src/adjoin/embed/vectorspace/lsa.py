"""Latent semantic analysis: TF-IDF, and of it the directions that explain most.

Deerwester, Dumais, Furnas, Landauer and Harshman, "Indexing by latent semantic analysis", JASIS 1990. New documents are
merged as in Řehůřek, "Subspace tracking for latent semantic analysis", ECIR 2011.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Sized
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from adjoin.embed import saved
from adjoin.embed.base import check_kind, check_texts
from adjoin.embed.identity import Identity
from adjoin.embed.streams import chunks, texts_of
from adjoin.embed.vectorspace.options import Empty, Options, analyser_of, learn, sparse
from adjoin.embed.vectorspace.space import Term, VectorSpace
from adjoin.embed.vectorspace.statistics import Statistics
from adjoin.errors import InvalidOption, Unsupported
from adjoin.text.analyse import WORDS, Analyser, Korean, Units
from adjoin.types import Content, Kind, Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from adjoin.types import Floats


def lsa(
    *,
    dim: int = 100,
    normalize: bool = True,
    seed: int = 0,
    analyzer: Units = "word",
    ngram_range: tuple[int, int] = (1, 1),
    token_pattern: str = WORDS,
    lowercase: bool = True,
    stop_words: str | Iterable[str] | None = None,
    korean: Korean = "auto",
    min_df: int | float = 1,
    max_df: int | float = 1.0,
    max_features: int | None = None,
    smooth_idf: bool = True,
    sublinear_tf: bool = False,
    empty: Empty = "zero",
) -> LSA:
    """TF-IDF brought to `dim` dimensions by a truncated SVD; normalize: to unit length. The rest is as for `tfidf`."""
    analyser = analyser_of(
        analyzer=analyzer, ngram_range=ngram_range, token_pattern=token_pattern, lowercase=lowercase,
        stop_words=stop_words, korean=korean,
    )  # fmt: skip
    if isinstance(dim, bool) or not isinstance(dim, int) or dim < 1:
        raise InvalidOption(f"dim must be a whole number of at least 1, not {dim!r}.")
    options = Options(
        min_df, max_df, max_features, norm="l2", idf=True, smooth_idf=smooth_idf, sublinear_tf=sublinear_tf, empty=empty
    )
    return LSA(analyser, options, dim, normalize, seed)


def load_lsa(path: Path) -> LSA:
    """A saved one."""
    held = saved.load(path)
    settings = held.settings
    model = LSA(
        Analyser.of(settings["analyser"]), Options(**settings["options"]), settings["dim"], settings["normalize"],
        settings["seed"],
    )  # fmt: skip
    model._restore(held)
    model._components, model._strengths = held.arrays["components"], held.arrays["strengths"]
    return model


class LSA(VectorSpace):
    """Texts in, `dim` dense numbers out.

    `fit` holds the sparse TF-IDF matrix in memory, some 12 bytes a distinct term of each document. `partial_fit` keeps
    the term statistics exactly, and merges the new documents into the directions found so far: what earlier documents
    had beyond those directions is gone, so the result is near that of a fit on all and not equal to it.
    """

    def __init__(self, analyser: Analyser, options: Options, dim: int, normalize: bool, seed: int) -> None:
        self._components: Floats | None = None  # (dim, terms), rows of unit length
        self._strengths: Floats | None = None  # (dim,), singular values
        self._dim, self._normalize, self._seed = dim, normalize, seed
        super().__init__("lsa", analyser, options)

    @property
    def dim(self) -> int:
        return self._dim + (self.options.empty == "apart")

    def fit(
        self, items: Iterable[Content], labels: Sequence[Any] | None = None, *, progress: Progress | None = None
    ) -> Self:
        """Learn the directions of these documents. Raises InvalidContent for what is no text.

        Raises InvalidOption where there are not more documents and terms than dimensions.
        """
        counted, matrix = self._counted_matrix(items, progress)
        old = self._statistics, self._fitted
        self._take(counted)
        try:
            self._decompose(self._weighed(self._in_columns(matrix, list(counted.columns))))
        except InvalidOption:
            self._statistics, self._fitted = old
            self._forget_columns()
            raise
        return self

    def partial_fit(self, items: Iterable[Content], *, progress: Progress | None = None) -> Self:
        """Merge documents, and the words that come with them."""
        if self._components is None:
            return self.fit(items, progress=progress)
        counted, matrix = self._counted_matrix(items, progress)
        terms = list(self._columns)
        together = Statistics()
        together.add(self._statistics)
        together.add(counted)
        assert self._strengths is not None
        held = sparse().csr_matrix(self._strengths[:, None] * self._components)
        self._take(together)
        new = self._weighed(self._in_columns(matrix, list(counted.columns)))
        self._decompose(sparse().vstack([self._in_columns(held, terms), new], format="csr"))
        return self

    def remove(self, items: Iterable[Content]) -> Self:
        """Raises Unsupported: directions cannot be taken back."""
        raise Unsupported("an LSA model cannot forget documents. Call fit() with those that stay.")

    def embed(self, items: Sequence[Content], kind: Kind = "document") -> Floats:
        """Vectors of the texts in their order, float32 of shape (len(items), dim). Raises as VectorSpace.embed."""
        import numpy as np

        check_kind(kind)
        vectors: Floats = np.ascontiguousarray(self.transform(items), np.float32)
        return vectors

    def transform(self, items: Sequence[Content]) -> Any:
        """The same; dense, since every direction has a share in every text."""
        import numpy as np

        texts = check_texts(items)
        self._check_fitted()
        assert self._components is not None
        weighed = self._weighed(self._count([self.analyser.terms(text) for text in texts]))
        apart = self.options.empty == "apart"
        marked = self._with_empty(weighed, texts)
        vectors = np.asarray(weighed @ self._components.T, np.float32)
        if self._normalize:
            lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
            vectors /= np.where(lengths > 1e-12, lengths, 1)
        return np.hstack([vectors, marked[:, -1].toarray().astype(np.float32)]) if apart else vectors

    def topics(self, terms: int = 10) -> list[list[Term]]:
        """Of each direction, the strongest first, the terms with the greatest weight in it."""
        import numpy as np

        self._check_fitted()
        assert self._components is not None
        names = list(self._columns)
        found = []
        for row in self._components:
            best = np.argsort(-np.abs(row))[:terms]
            found.append([Term(names[at], float(row[at])) for at in best])
        return found

    def _counted_matrix(self, items: Iterable[Content], progress: Progress | None) -> tuple[Statistics, Any]:
        counted = Statistics()
        total = len(items) if isinstance(items, Sized) else None
        parts = []
        for chunk in chunks(texts_of(items)):
            parts.append(self._count_chunk(counted, [self.analyser.terms(text) for text in chunk]))
            if progress:
                progress(counted.documents, total)
        width = len(counted.columns)
        for part in parts:
            part.resize(part.shape[0], width)
        matrix = sparse().vstack(parts, format="csr") if parts else sparse().csr_matrix((0, width))
        return counted, matrix

    def _in_columns(self, matrix: Any, terms: list[str]) -> Any:
        """The matrix, whose columns are these terms, with those of the model, which are zero where it has none of them."""
        import numpy as np

        ours = self._columns
        kept = [(at, ours[term]) for at, term in enumerate(terms) if term in ours]
        old, new = (
            (np.array(side, np.int64) for side in zip(*kept, strict=True)) if kept else (np.zeros(0, np.int64),) * 2
        )
        chosen = sparse().csr_matrix((np.ones(len(old), matrix.dtype), (old, new)), shape=(matrix.shape[1], len(ours)))
        return (matrix @ chosen).tocsr()

    def _decompose(self, matrix: Any) -> None:
        import numpy as np

        if min(matrix.shape) <= self._dim:
            raise InvalidOption(
                f"{matrix.shape[0]} documents with {matrix.shape[1]} terms have no {self._dim} dimensions. "
                f"Give more texts, or make it with dim={max(min(matrix.shape) - 1, 1)} or less."
            )
        svd = learn("decomposition", "LSA").TruncatedSVD(self._dim, algorithm="arpack", random_state=self._seed)
        svd.fit(matrix.astype(np.float64))
        self._components = np.ascontiguousarray(svd.components_, np.float32)
        self._strengths = np.asarray(svd.singular_values_, np.float32)
        self._identity = None

    def _is_ready(self) -> bool:
        return self._fitted

    def _settings(self) -> dict[str, Any]:
        return super()._settings() | {"dim": self._dim, "normalize": self._normalize, "seed": self._seed}

    def _kept(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        settings, arrays = super()._kept()
        assert self._components is not None
        assert self._strengths is not None
        return settings, arrays | {"components": self._components, "strengths": self._strengths}

    def _new_identity(self) -> Identity:
        held = super()._new_identity()
        assert self._components is not None
        weights = saved.digest_of("lsa", {"space": held.weights}, {"components": self._components})
        settings = {name: value for name, value in held.settings.items() if name not in ("dim", "norm", "idf")}
        return replace(held, weights=weights, settings=settings, normalize=self._normalize)
