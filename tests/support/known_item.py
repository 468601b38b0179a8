"""How often a title finds its own text: R@1 by language, alone and in a pool of both languages."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from adjoin.embed import Embedder
from tests.support.pairs import Pair

CHARACTERS = 200
Matrix = np.ndarray[tuple[int, int], np.dtype[np.float32]]


def known_item_recall(embedder: Embedder, pairs: Sequence[Pair]) -> dict[str, float]:
    """R@1 with titles as queries and the first 200 characters of the bodies as passages.

    `ko→en` has a pool of English passages only. `mixed …` has both languages in the pool: `mixed ko→ko` wants the
    Korean passage first; `mixed ko→en` the English one, its Korean twin left out; `mixed ko→either` takes both for right.
    """
    queries = {
        language: embedder.embed([getattr(pair, language).title for pair in pairs], "query")
        for language in ("ko", "en")
    }
    passages = {
        language: embedder.embed([getattr(pair, language).body[:CHARACTERS] for pair in pairs])
        for language in ("ko", "en")
    }
    found = {}
    for asked, other in (("ko", "en"), ("en", "ko")):
        own, across = queries[asked] @ passages[asked].T, queries[asked] @ passages[other].T
        found[f"{asked}→{asked}"] = _first_is_own(own)
        found[f"{asked}→{other}"] = _first_is_own(across)
        found[f"mixed {asked}→{asked}"] = _first_is_own(np.hstack([own, across]))
        twinless = own.copy()
        np.fill_diagonal(twinless, -np.inf)
        found[f"mixed {asked}→{other}"] = _first_is_own(np.hstack([across, twinless]))
        found[f"mixed {asked}→either"] = float(
            (np.hstack([own, across]).argmax(axis=1) % len(pairs) == np.arange(len(pairs))).mean()
        )
    return found


def _first_is_own(scores: Matrix) -> float:
    return float((scores.argmax(axis=1) == np.arange(len(scores))).mean())
