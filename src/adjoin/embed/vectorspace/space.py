"""Counts and TF-IDF of texts, with scikit-learn's formulas.

Salton, Wong and Yang, "A vector space model for automatic indexing", CACM 1975; Weinberger et al., "Feature hashing for
large scale multitask learning", ICML 2009.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence, Sized
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from adjoin.embed import saved
from adjoin.embed.base import check_kind, check_texts
from adjoin.embed.identity import CANARY_TEXTS, Identity
from adjoin.embed.streams import chunks, texts_of
from adjoin.embed.strings import packed, unpacked
from adjoin.embed.vectorspace.options import Empty, Norm, Options, analyser_of, learn, sparse
from adjoin.embed.vectorspace.statistics import Statistics, count_matrix
from adjoin.errors import InvalidContent, InvalidOption, NotFitted, Unsupported
from adjoin.text.analyse import WORDS, Analyser, Korean, Units, has_hangul, morpheme_version
from adjoin.types import Content, Kind, Progress, shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from adjoin.types import Floats


class Term(NamedTuple):
    """A term of a text, and its weight in the text's vector."""

    term: str
    weight: float


def counts(
    *,
    analyzer: Units = "word",
    ngram_range: tuple[int, int] = (1, 1),
    token_pattern: str = WORDS,
    lowercase: bool = True,
    stop_words: str | Iterable[str] | None = None,
    korean: Korean = "auto",
    min_df: int | float = 1,
    max_df: int | float = 1.0,
    max_features: int | None = None,
    binary: bool = False,
    norm: Norm = None,
    dim: int | None = None,
    empty: Empty = "zero",
) -> VectorSpace:
    """How often each term stands in a text; what each option says is with Options and Analyser.

    With dim= it is ready at once. Raises InvalidOption for an option out of its range.
    """
    analyser = analyser_of(
        analyzer=analyzer, ngram_range=ngram_range, token_pattern=token_pattern, lowercase=lowercase,
        stop_words=stop_words, korean=korean,
    )  # fmt: skip
    options = Options(min_df, max_df, max_features, dim, binary, norm, empty=empty)
    return VectorSpace("counts", analyser, options)


def tfidf(
    *,
    analyzer: Units = "word",
    ngram_range: tuple[int, int] = (1, 1),
    token_pattern: str = WORDS,
    lowercase: bool = True,
    stop_words: str | Iterable[str] | None = None,
    korean: Korean = "auto",
    min_df: int | float = 1,
    max_df: int | float = 1.0,
    max_features: int | None = None,
    binary: bool = False,
    norm: Norm = "l2",
    use_idf: bool = True,
    smooth_idf: bool = True,
    sublinear_tf: bool = False,
    dim: int | None = None,
    empty: Empty = "zero",
) -> VectorSpace:
    """Counts weighed by how rare a term is; what each option says is with Options and Analyser."""
    analyser = analyser_of(
        analyzer=analyzer, ngram_range=ngram_range, token_pattern=token_pattern, lowercase=lowercase,
        stop_words=stop_words, korean=korean,
    )  # fmt: skip
    options = Options(
        min_df, max_df, max_features, dim, binary, norm, use_idf, smooth_idf, sublinear_tf, empty
    )  # fmt: skip
    return VectorSpace("tfidf", analyser, options)


def load_space(path: Path) -> VectorSpace:
    """A saved one."""
    held = saved.load(path)
    model = VectorSpace(held.family, Analyser.of(held.settings["analyser"]), Options(**held.settings["options"]))
    model._restore(held)
    return model


class VectorSpace:
    """Texts in, one column a term out. Columns are sorted by term, as scikit-learn's are.

    Documents and their words join with `partial_fit`: what is kept are the counts of each term, so the model is then the
    very one that `fit` on all documents gives. Vectors made before that are of another space where terms or weights
    changed: the identity tells, and a collection refuses to mix them.
    With `dim` terms are hashed with a sign into a fixed number of columns: the width never changes, and memory does not grow.
    A text without any known term has no direction; the option `empty` says what it gets.

    Memory of `fit`: the distinct terms. Time: some 10 µs a word of one core; Korean through morphemes some 100.
    """

    reopened_by: str | None

    def __init__(self, family: str, analyser: Analyser, options: Options) -> None:
        self._family = family
        self.analyser = analyser
        self.options = options
        self.reopened_by = self._stateless_name()
        self._statistics = Statistics()
        self._fitted = False
        self._chosen: dict[str, int] | None = None
        self._chosen_df: NDArray[np.int64] | None = None
        self._idf: NDArray[np.float64] | None = None
        self._identity: Identity | None = None

    # ── What it is ───────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def dim(self) -> int:
        return self._width + (self.options.empty == "apart")

    @property
    def identity(self) -> Identity:
        if self._identity is None:
            self._identity = self._new_identity()
        return self._identity

    @property
    def canary_items(self) -> tuple[str, ...]:
        """None where texts without known terms are refused: all that decides its vectors is in the digest of its weights."""
        return () if self.options.empty == "refuse" else CANARY_TEXTS

    @property
    def documents(self) -> int:
        """How many documents were counted."""
        return self._statistics.documents

    @property
    def vocabulary(self) -> dict[str, int]:
        """Term → column, in order. Raises Unsupported where terms are hashed."""
        if self.options.dim is not None:
            raise Unsupported("terms that are hashed (dim=) are not kept. Make it without dim to have a vocabulary.")
        return dict(self._columns)

    @property
    def idf(self) -> NDArray[np.float64] | None:
        """The weight of each column; None for counts."""
        if not self.options.idf:
            return None
        if self._idf is None:
            self._check_fitted()
            self._idf = self._new_idf()
        return self._idf

    # ── Learning ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def fit(
        self, items: Iterable[Content], labels: Sequence[Any] | None = None, *, progress: Progress | None = None
    ) -> Self:
        """Count these documents and forget those before. A generator is read once, in chunks; labels are not used.

        Raises InvalidContent naming the first item that is no text, or where no term is found or left; nothing is changed then.
        """
        counted = self._counted(items, progress)
        self._take(counted)
        return self

    def partial_fit(self, items: Iterable[Content], *, progress: Progress | None = None) -> Self:
        """Add documents, and the words that come with them. The result is that of one `fit` on all of them, in any order.

        Raises InvalidContent naming the first item that is no text; nothing is changed then. Where min_df leaves no term
        yet, `embed` says so.
        """
        counted = self._counted(items, progress)
        together = Statistics()
        together.add(self._statistics)
        together.add(counted)
        self._take(together, check=False)
        return self

    def remove(self, items: Iterable[Content]) -> Self:
        """Take documents away that were added before. The result is that of `fit` on those that stay."""
        counted = self._counted(items, None)
        rest = Statistics()
        rest.add(self._statistics)
        rest.add(counted, sign=-1)
        self._take(rest)
        return self

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a folder that `adjoin.embedder(path)` loads. Raises NotFitted."""
        self._check_fitted()
        settings, arrays = self._kept()
        folder = saved.save(path, self._family, settings, arrays)
        self.reopened_by = str(folder)
        return folder

    # ── Using ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def embed(self, items: Sequence[Content], kind: Kind = "document") -> Floats:
        """Vectors of the texts in their order, dense float32 of shape (len(items), dim).

        Memory: 4 bytes times n times dim; `transform` gives the same as a sparse matrix.
        Raises InvalidContent naming the first item that is no text, or has no known term where `empty` is "refuse".
        """
        import numpy as np

        check_kind(kind)
        return np.asarray(self.transform(items).toarray(), np.float32)

    def transform(self, items: Sequence[Content]) -> Any:
        """The same as a scipy CSR matrix (len(items), dim): int64 for counts without norm, else float64."""
        texts = check_texts(items)
        self._check_fitted()
        return self._with_empty(self._weighed(self._count([self.analyser.terms(text) for text in texts])), texts)

    def explain(self, item: str) -> list[Term]:
        """The terms of a text that have a weight, the heaviest first. Of hashed terms that share a column, the shares."""
        import numpy as np

        [text] = check_texts([item])
        self._check_fitted()
        found = Counter(self.analyser.terms(text))
        if self.options.dim is None:
            row = self._weighed(self._count([list(found.elements())])).tocoo()
            terms = list(self._columns)
            weights = [Term(terms[at], float(weight)) for at, weight in zip(row.col, row.data, strict=True)]
        else:
            row = self._weighed(self._count([list(found.elements())]))
            before = self._hashed([found], normed=False)
            scale = float(abs(row).sum() / max(abs(before).sum(), 1e-300))
            alone = self._hashed([Counter({term: number}) for term, number in found.items()], normed=False)
            shares = np.asarray(alone.sum(axis=1)).ravel() * scale
            weights = [Term(term, float(share)) for term, share in zip(found, shares, strict=True)]
        return sorted(weights, key=lambda one: (-abs(one.weight), one.term))

    def __repr__(self) -> str:
        state = f"{self.documents} documents, {self.dim} dimensions" if self._is_ready() else "not fitted"
        return f"{type(self).__name__}({self._family!r}, {state})"

    # ── The columns ──────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def _width(self) -> int:
        if self.options.dim is not None:
            return self.options.dim
        self._check_fitted()
        return len(self._columns)

    @property
    def _columns(self) -> dict[str, int]:
        if self._chosen is None:
            self._check_fitted()
            self._chosen, self._chosen_df = chosen_columns(self._statistics, self.options)
        return self._chosen

    def _forget_columns(self) -> None:
        self._chosen = self._chosen_df = self._idf = self._identity = None

    def _take(self, statistics: Statistics, *, check: bool = True) -> None:
        """Make these counts ours; with `check` refused where no column would be left."""
        if check and self.options.dim is None:
            chosen_columns(statistics, self.options)
        self._statistics = statistics
        self._fitted = True
        self.reopened_by = self._stateless_name()
        self._forget_columns()

    def _counted(self, items: Iterable[Content], progress: Progress | None) -> Statistics:
        counted = Statistics()
        total = len(items) if isinstance(items, Sized) else None
        for chunk in chunks(texts_of(items)):
            self._count_chunk(counted, [self.analyser.terms(text) for text in chunk])
            if progress:
                progress(counted.documents, total)
        return counted

    def _count_chunk(self, counted: Statistics, documents: list[list[str]]) -> Any:
        if self.options.dim is None:
            return counted.count(documents)
        import numpy as np

        matrix = self._hashed([Counter(terms) for terms in documents], weighed=False)
        if not counted.columns:
            counted.columns = {str(at): at for at in range(self.options.dim)}
            counted.df = np.zeros(self.options.dim, np.int64)
            counted.tf = np.zeros(self.options.dim, np.int64)
        counted.df += np.bincount(matrix.indices, minlength=self.options.dim)
        counted.tf = counted.df
        counted.documents += len(documents)
        return matrix

    def _count(self, documents: list[list[str]]) -> Any:
        """Term counts in the chosen columns; hashed ones are signed, and already as sublinear and binary say."""
        if self.options.dim is None:
            return count_matrix(documents, self._columns, self._width)
        return self._hashed([Counter(terms) for terms in documents])

    def _hashed(self, documents: Sequence[Counter[str]], *, weighed: bool = True, normed: bool = True) -> Any:
        """Signed sums in columns. A term's share is that of its own count: of a column's sum no logarithm can be taken."""
        import numpy as np

        hasher = learn("feature_extraction", "hashing terms (dim=)").FeatureHasher(
            self.options.dim, input_type="pair", alternate_sign=True
        )
        shares = [
            [(term, self._share(number) if weighed else number) for term, number in terms.items()]
            for terms in documents
        ]
        matrix = hasher.transform(shares).tocsr()
        matrix.sum_duplicates()
        if weighed and not normed and self.idf is not None:
            matrix = matrix @ sparse().diags(self.idf)
        if not weighed:
            matrix.data = np.abs(matrix.data)
        return matrix

    def _share(self, number: int) -> float:
        from math import log

        number = 1 if self.options.binary else number
        return 1 + log(number) if self.options.sublinear_tf else number

    def _weighed(self, matrix: Any) -> Any:
        import numpy as np

        options = self.options
        if options.binary and options.dim is None:
            matrix.data.fill(1)
        if not options.idf and options.norm is None and not options.sublinear_tf:
            return matrix
        matrix = matrix.astype(np.float64)
        if options.sublinear_tf and options.dim is None:
            np.log(matrix.data, matrix.data)
            matrix.data += 1.0
        if self.idf is not None:
            matrix.data *= self.idf[matrix.indices]
        return normed(matrix, options.norm)

    def _new_idf(self) -> NDArray[np.float64]:
        import numpy as np

        if self.options.dim is None:
            _ = self._columns
            df, documents = self._chosen_df, self._statistics.documents
        else:
            df, documents = self._statistics.df, self._statistics.documents
        assert df is not None
        smooth = float(self.options.smooth_idf)
        if self.options.dim is not None and not smooth:
            df = np.maximum(df, 1)  # a column no document has: its weight is used for new terms alone
        weights: NDArray[np.float64] = np.log((documents + smooth) / (df + smooth)) + 1.0
        return weights

    def _with_empty(self, matrix: Any, texts: list[str]) -> Any:
        """What `empty` says is done to rows without any weight."""
        import numpy as np

        if self.options.empty == "zero":
            return matrix
        without = np.asarray(abs(matrix).sum(axis=1)).ravel() == 0
        if self.options.empty == "refuse":
            if without.any():
                at = int(without.argmax())
                raise InvalidContent(
                    f"item {at} ({shown(texts[at], 60)}) has no term that this {self._family} model knows. "
                    "Nothing of the call was embedded. Leave it out, or make the embedder with empty='apart'."
                )
            return matrix
        return sparse().hstack([matrix, sparse().csr_matrix(without[:, None].astype(matrix.dtype))], format="csr")

    # ── Kept and compared ────────────────────────────────────────────────────────────────────────────────────────────

    def _is_ready(self) -> bool:
        return self._fitted or (self.options.dim is not None and not self.options.idf)

    def _check_fitted(self) -> None:
        if not self._is_ready():
            raise NotFitted.of(self._family)

    def _stateless_name(self) -> str | None:
        """The name that makes it again where it needs to have seen nothing: hashed counts."""
        if self._family != "counts" or self.options.dim is None:
            return None
        analyser, options = self.analyser.settings(), self.options.settings()
        given = {
            "analyzer": analyser["units"], "ngram_range": analyser["ngrams"], "token_pattern": analyser["pattern"],
            "lowercase": analyser["lowercase"], "stop_words": analyser["stop_words"] or None, "korean": analyser["korean"],
            "binary": options["binary"], "norm": options["norm"], "dim": options["dim"], "empty": options["empty"],
        }  # fmt: skip
        return f"counts {json.dumps(given, ensure_ascii=False, sort_keys=True)}"

    def _settings(self) -> dict[str, Any]:
        return {"analyser": self.analyser.settings(), "options": asdict(self.options), "documents": self.documents}

    def _kept(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        arrays: dict[str, NDArray[Any]] = {"df": self._statistics.df, "tf": self._statistics.tf}
        if self.options.dim is None:
            arrays["terms"] = packed(self._statistics.columns)
        return self._settings(), arrays

    def _restore(self, held: saved.Saved) -> None:
        statistics = Statistics()
        statistics.documents = held.settings["documents"]
        statistics.df, statistics.tf = held.arrays["df"], held.arrays["tf"]
        terms = (
            unpacked(held.arrays["terms"]) if "terms" in held.arrays else [str(n) for n in range(len(statistics.df))]
        )
        statistics.columns = {term: at for at, term in enumerate(terms)}
        self._statistics = statistics
        self._fitted = True

    def _new_identity(self) -> Identity:
        self._check_fitted()
        options = self.options
        settings = self.analyser.identity() | {
            name: value
            for name, value in options.settings().items()
            if name not in ("min_df", "max_df", "max_features")
        }
        if self.analyser.korean == "morphemes" and self.analyser.units == "word" and self._has_korean():
            settings["kiwipiepy"] = morpheme_version()
        return Identity(
            name=self._family, model=self._family, dim=self.dim, weights=self._digest(), settings=settings,
            normalize=options.norm == "l2",
        )  # fmt: skip

    def _has_korean(self) -> bool:
        return self.options.dim is not None or any(has_hangul(term) for term in self._columns)

    def _digest(self) -> str:
        """Of what decides the vectors: the chosen terms, and their weights."""
        arrays: dict[str, NDArray[Any]] = {}
        if self.options.dim is None:
            arrays["terms"] = packed(self._columns)
        if self.idf is not None:
            arrays["idf"] = self.idf
        return saved.digest_of(self._family, {}, arrays)


def chosen_columns(statistics: Statistics, options: Options) -> tuple[dict[str, int], NDArray[np.int64]]:
    """Term → column, sorted by term, and the document frequency of each. Raises InvalidOption where none is left."""
    import numpy as np

    terms = sorted(statistics.columns)
    places = np.fromiter((statistics.columns[term] for term in terms), np.int64, len(terms))
    df, tf = statistics.df[places], statistics.tf[places]
    if options.binary:
        tf = df
    most = options.max_df if isinstance(options.max_df, int) else options.max_df * statistics.documents
    least = options.min_df if isinstance(options.min_df, int) else options.min_df * statistics.documents
    if most < least:
        raise InvalidOption(f"max_df={options.max_df} admits fewer documents than min_df={options.min_df} asks for.")
    kept = (df >= least) & (df <= most)
    if options.max_features is not None and kept.sum() > options.max_features:
        best = (-tf[kept]).argsort()[: options.max_features]  # scikit-learn's own choice, among ties too
        chosen = np.zeros(len(kept), bool)
        chosen[np.flatnonzero(kept)[best]] = True
        kept = chosen
    if not kept.any():
        raise InvalidContent(
            f"of {len(terms)} terms in {statistics.documents} documents none is left to make columns of. "
            "Give texts with words in them, a lower min_df, or a higher max_df."
        )
    columns = {terms[at]: n for n, at in enumerate(np.flatnonzero(kept))}
    return columns, df[kept]


def normed(matrix: Any, norm: Norm) -> Any:
    """Rows of length 1 in the norm; rows of zeros stay."""
    import numpy as np

    if norm is None or not matrix.nnz:
        return matrix
    lengths = np.asarray(
        abs(matrix).sum(axis=1) if norm == "l1" else np.sqrt(matrix.multiply(matrix).sum(axis=1))
    ).ravel()
    matrix.data /= np.repeat(np.where(lengths > 0, lengths, 1), np.diff(matrix.indptr))
    return matrix
