"""Categories and lists of them: one column each, hashed, or by what the labels say of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeAlias, get_args

from adjoin.embed.records.fields import sklearn
from adjoin.embed.records.kind import Kind, shown
from adjoin.errors import InvalidInput, InvalidOption, MissingExtra

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from adjoin.embed.records.kind import Array

Encode: TypeAlias = Literal["onehot", "hashed", "target"]
ENCODES: tuple[Encode, ...] = get_args(Encode)
FOLDS: Final = 5
HASHES: Final = 4
WHOLE_FROM: Final = 30
MOST_CLASSES: Final = 64
MOST_COLUMNS: Final = 256

Key: TypeAlias = tuple[str, Any]


def key_of(value: Any) -> Key:
    """What two values have in common when they are one category: 1, 1.0 and "1" are not all the same. Raises ValueError."""
    if isinstance(value, bool):
        return "bool", value
    if isinstance(value, str):
        return "str", value.strip()
    if isinstance(value, int | float):
        return "number", int(value) if value == value and abs(value) < 2**53 and value == int(value) else value
    if hasattr(value, "isoformat"):
        return "str", value.isoformat()
    if type(value).__name__ == "Decimal":
        return key_of(float(value))
    raise ValueError(f"{shown(value)} is {type(value).__name__}, not a category: text, a number or a boolean")


def _in_order(keys: Any) -> list[Key]:
    return sorted(keys, key=lambda key: (key[0], key[1]))


def hashed(lists: Sequence[Sequence[Key]], dim: int) -> Array:
    """Each list's members in `dim` columns, shape (len(lists), dim): HASHES of ±1 a member, that two seldom share all of.

    Source: Weinberger et al., Feature Hashing for Large Scale Multitask Learning, ICML 2009; by scikit-learn's FeatureHasher.
    """
    import numpy as np

    try:
        from sklearn.feature_extraction import FeatureHasher
    except ImportError as exc:
        raise MissingExtra.of("scikit-learn", "learn", "A hashed field") from exc
    if not lists:
        return np.empty((0, dim))
    words = [[f"{seed}:{kind}:{value}" for kind, value in members for seed in range(HASHES)] for members in lists]
    matrix = FeatureHasher(dim, input_type="string").transform(words)
    return np.asarray(matrix.toarray() / HASHES**0.5, np.float64)


def _check_encode(encode: str, dim: int, known: Sequence[str]) -> None:
    if encode not in known:
        raise InvalidOption.unknown("encode of a category", encode, known)
    if isinstance(dim, bool) or not isinstance(dim, int) or not 2 <= dim <= 65_536:
        raise InvalidOption(f"dim of a hashed field is a whole number from 2 to 65536, not {dim!r}.")


class Category(Kind):
    """One of several values without an order.

    encode: `onehot`, a column each and one for all that were not seen; `hashed`, `dim` columns whatever there are, so that new
    ones differ from each other; `target`, the mean of fit's labels among the records of that category, drawn towards the mean of
    all where they are few (Micci-Barreca, 2001; scikit-learn's TargetEncoder). A target's mean is taken from the other folds of
    the records, the fold following from the record itself, so that no record's own label is in its vector. (Where most records of
    a category are equal in every field, the others are too few; then its mean is that of all from 30 records on.)
    most: of one-hot columns; rarer categories share the column of the unseen.
    """

    name = "category"
    aliases = ("categorical", "nominal")

    def __init__(self, *, encode: Encode = "onehot", dim: int = 32, most: int = MOST_COLUMNS) -> None:
        _check_encode(encode, dim, ENCODES)
        self._encode, self._dim, self._most = encode, dim, most
        self._columns: dict[Key, int] = {}
        self._means: Array | None = None  # (folds, categories + 1, targets); the last category is the unseen

    @property
    def needs_labels(self) -> bool:
        return self._encode == "target"

    @property
    def options(self) -> dict[str, Any]:
        given: dict[str, Any] = {"encode": self._encode}
        if self._encode == "hashed":
            given["dim"] = self._dim
        if self._most != MOST_COLUMNS:
            given["most"] = self._most
        return given

    def read(self, value: Any) -> Key:
        return key_of(value)

    def learn(self, values: Sequence[Any], labels: Sequence[Any] | None, folds: Sequence[int]) -> None:
        if self._encode == "hashed":
            return
        counts = Counter(values)
        kept = counts if self._encode == "target" else _most_common(counts, self._most)
        self._columns = {key: column for column, key in enumerate(_in_order(kept))}
        if self._encode == "target":
            assert labels is not None
            self._means = self._learn_means(values, labels, folds)

    def _learn_means(self, values: Sequence[Key], labels: Sequence[Any], folds: Sequence[int]) -> Array:
        import numpy as np

        targets, fold_of = targets_of(labels), np.asarray(folds)
        codes = np.asarray([self._columns[value] for value in values]).reshape(-1, 1)
        means = np.empty((FOLDS, len(self._columns) + 1, targets.shape[1]))
        counts = np.zeros((FOLDS, len(self._columns) + 1), np.intp)  # of the fold's own records
        np.add.at(counts, (fold_of, codes[:, 0]), 1)
        total = counts.sum(axis=0)
        few_others = (total - counts < np.minimum(WHOLE_FROM, total / 2)) & (total >= WHOLE_FROM)
        encoder = sklearn("A category by its labels").TargetEncoder(
            categories=[np.arange(len(self._columns) + 1)], target_type="continuous", smooth="auto"
        )
        for fold in range(FOLDS):
            others = fold_of != fold
            if not others.any():
                others = ~others
            for column in range(targets.shape[1]):
                encoder.fit(codes[others], targets[others, column])
                means[fold, :, column] = encoder.encodings_[0]
                if few_others[fold].any():
                    whole = encoder.fit(codes, targets[:, column]).encodings_[0]
                    means[fold, few_others[fold], column] = whole[few_others[fold]]
        return means

    def rows(self, values: Sequence[Any], folds: Sequence[int]) -> Array:
        import numpy as np

        if self._encode == "hashed":
            return hashed([[value] for value in values], self._dim)
        unseen = len(self._columns)
        codes = np.asarray([self._columns.get(value, unseen) for value in values], np.intp)
        if self._means is not None:
            return np.asarray(self._means[np.asarray(folds, np.intp), codes], np.float64)
        return np.asarray(np.eye(unseen + 1)[codes], np.float64)

    def typical(self) -> Any:
        return next(iter(self._columns))[1] if self._columns else "a"

    def state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        settings = {"categories": [value for _, value in self._columns]}
        return settings, {} if self._means is None else {"means": self._means}

    def restore(self, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        self._columns = {key_of(value): column for column, value in enumerate(settings["categories"])}
        self._means = arrays.get("means")
        return self


def _most_common(counts: Counter[Key], most: int) -> list[Key]:
    return sorted(counts, key=lambda key: (-counts[key], key[0], str(key[1])))[:most]


def targets_of(labels: Sequence[Any]) -> Array:
    """Labels as columns, (n, targets): numbers of a continuous target as they are, else 0 and 1 for each class but a pair's first.

    Raises InvalidInput for labels of mixed types, missing ones, and more classes than MOST_CLASSES.
    """
    import numpy as np

    from adjoin.embed.records.rows import is_missing, plain

    given = [plain(label) for label in labels]
    missing = [position for position, label in enumerate(given) if is_missing(label)]
    if missing:
        raise InvalidInput(f"label {missing[0]} is missing. Give a label for every record, or leave the record out.")
    if any(isinstance(label, float) and label != int(label) for label in given if not isinstance(label, str)):
        try:
            return np.asarray(given, np.float64).reshape(-1, 1)
        except ValueError:
            raise InvalidInput("some labels are numbers and some are not. Give labels of one kind.") from None
    classes = _in_order({key_of(label) for label in given})
    if len(classes) > MOST_CLASSES:
        if all(kind == "number" for kind, _ in classes):
            return np.asarray(given, np.float64).reshape(-1, 1)
        raise InvalidInput(
            f"there are {len(classes)} different labels; a field by its labels takes up to {MOST_CLASSES}."
        )
    codes = {key: code for code, key in enumerate(classes)}
    columns = np.eye(len(classes))[[codes[key_of(label)] for label in given]]
    return np.asarray(columns[:, 1:] if len(classes) == 2 else columns, np.float64)


class Members(Kind):
    """A list or set of categories, such as tags, in any order: two are as near as the members they share (by cosine; Ochiai).

    encode: `onehot` has a column a member and one for the unseen, `hashed` has `dim` columns. separator: of text that is a list.
    An empty list is a value; only an absent one is missing.
    """

    name = "list"
    aliases = ("tags", "set", "members", "multi")

    def __init__(
        self, *, encode: Encode = "onehot", dim: int = 64, separator: str | None = None, most: int = MOST_COLUMNS
    ) -> None:
        _check_encode(encode, dim, ("onehot", "hashed"))
        self._encode, self._dim, self._separator, self._most = encode, dim, separator, most
        self._columns: dict[Key, int] = {}

    @property
    def options(self) -> dict[str, Any]:
        given: dict[str, Any] = {"encode": self._encode}
        if self._encode == "hashed":
            given["dim"] = self._dim
        if self._separator is not None:
            given["separator"] = self._separator
        if self._most != MOST_COLUMNS:
            given["most"] = self._most
        return given

    def read(self, value: Any) -> list[Key]:
        if isinstance(value, str) and self._separator:
            value = [part for part in value.split(self._separator) if part.strip()]
        if not isinstance(value, list | tuple):
            raise ValueError(f"{shown(value)} is {type(value).__name__}, not a list")
        return _in_order({key_of(member) for member in value if member is not None})

    def learn(self, values: Sequence[Any], labels: Sequence[Any] | None, folds: Sequence[int]) -> None:
        if self._encode == "onehot":
            kept = _most_common(Counter(member for members in values for member in members), self._most)
            self._columns = {key: column for column, key in enumerate(_in_order(kept))}

    def rows(self, values: Sequence[Any], folds: Sequence[int]) -> Array:
        import numpy as np

        if self._encode == "hashed":
            found = hashed(values, self._dim)
        else:
            found = np.zeros((len(values), len(self._columns) + 1))
            for row, members in enumerate(values):
                for member in members:
                    found[row, self._columns.get(member, -1)] += 1
        lengths = np.linalg.norm(found, axis=1, keepdims=True)
        return np.asarray(found / np.where(lengths > 0, lengths, 1), np.float64)

    def typical(self) -> Any:
        return [value for _, value in list(self._columns)[:2]] if self._columns else ["a", "b"]

    def state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        return {"members": [value for _, value in self._columns]}, {}

    def restore(self, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        self._columns = {key_of(value): column for column, value in enumerate(settings["members"])}
        return self
