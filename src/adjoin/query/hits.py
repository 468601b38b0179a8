"""From what an engine found to the hits that a user reads."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

import numpy as np

from adjoin.distance import score_of
from adjoin.engine import Found
from adjoin.query.ask import Options, Query
from adjoin.types import Hit, Hits, Id, Metric


def dress(
    found: Found, query: Query, metric: Metric, options: Options, left_out: AbstractSet[Id], embed_ms: float
) -> Hits:
    """Ranked hits, after those left out and those skipped, with the plan completed."""
    kept = [neighbour for neighbour in found.neighbours if neighbour.document.id not in left_out]
    kept = kept[options.offset : options.offset + options.k]
    scores = score_of(np.array([neighbour.distance for neighbour in kept]), metric).tolist()
    hits = [
        Hit(
            id=neighbour.document.id,
            content=neighbour.document.content,
            metadata=neighbour.document.metadata,
            score=score,
            distance=neighbour.distance,
            rank=rank,
            origin=neighbour.document.origin,
        )
        for rank, (neighbour, score) in enumerate(zip(kept, scores, strict=True), start=options.offset + 1)
    ]
    return Hits(hits, found.plan.with_stages({"embed": embed_ms}, {}), query if isinstance(query, str) else "")
