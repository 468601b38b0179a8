"""Checks labels, and holds some items of each label out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adjoin.errors import InvalidInput, InvalidOption, listed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Labels:
    """names: the different labels. codes: (items,), each item's place among the names."""

    names: tuple[str, ...]
    codes: Places


def check_labels(count: int, labels: Sequence[Any] | None, *, doing: str) -> Labels:
    """The labels of `count` items. doing: the embedder's name, for messages.

    Raises InvalidInput for none, another number than there are items, a missing label, one label only, and labels that a
    single item has: nothing can be learned from them about what is alike.
    """
    import numpy as np

    if labels is None:
        raise InvalidInput(f"{doing!r} learns from labels: fit(items, labels).")
    given = [label.item() if isinstance(label, np.generic) else label for label in labels]
    if count == 0:
        raise InvalidInput(f"{doing!r} has no items to learn from.")
    if len(given) != count:
        raise InvalidInput(f"there are {count} items and {len(given)} labels. Give one label for each item.")
    for place, label in enumerate(given):
        if label is None or label == "" or (isinstance(label, float) and math.isnan(label)):
            raise InvalidInput(f"item {place} has no label ({label!r}). Leave it out, or name its label.")
    counted = Counter(given)
    if len(counted) < 2:
        raise InvalidInput(f"all items have the label {given[0]!r}. Likeness is learned from two labels or more.")
    single = [label for label, many in counted.items() if many < 2]
    if single:
        raise InvalidInput(
            f"only one item has the label {listed(single)}. Two of a label show what is alike: add items, or leave these out."
        )
    order = {label: code for code, label in enumerate(sorted(counted, key=lambda label: (str(type(label)), label)))}
    return Labels(tuple(map(str, order)), np.array([order[label] for label in given], dtype=np.int64))


@dataclass(frozen=True, slots=True)
class Split:
    """Places of the items: learned from, watched for the end of training, and reported on. No item is in two."""

    learned: Places
    watched: Places
    reported: Places


def split(labels: Labels, held_out: float, seed: int, *, watch: bool = True) -> Split:
    """Hold out a share of each label's items for the report, and half as many to watch; two of each label are left to learn.

    Raises InvalidOption, and InvalidInput where every label has too few items to hold any out.
    """
    import numpy as np

    if not 0 < held_out < 1:
        raise InvalidOption(f"held_out={held_out} is not between 0 and 1.")
    random = np.random.default_rng(seed)
    parts: tuple[list[Places], ...] = ([], [], [])
    for code in range(len(labels.names)):
        places = random.permutation(np.flatnonzero(labels.codes == code))
        spare = max(0, len(places) - 2)
        reported = min(spare, max(1, round(held_out * len(places))))
        watched = min(spare - reported, max(1, round(held_out * len(places) / 2))) if watch else 0
        for part, chosen in zip(
            parts, np.split(places, [len(places) - reported - watched, len(places) - reported]), strict=True
        ):
            part.append(chosen)
    learned, seen, told = (np.sort(np.concatenate(part)) for part in parts)
    if not len(told):
        raise InvalidInput(
            "each label has two items only, so none can be held out to report on. Give three or more of some."
        )
    return Split(learned, seen if len(seen) else told, told)
