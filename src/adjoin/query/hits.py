"""From what an engine found to the hits that a user reads."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from adjoin.distance import scorer
from adjoin.engine import Found
from adjoin.query.ask import Options, Query
from adjoin.types import Hit, Hits, Id, Metric


def dress(
    found: Found, query: Query, metric: Metric, options: Options, left_out: AbstractSet[Id], embed_ms: float
) -> Hits:
    """Ranked hits, after those left out and those skipped, with the plan completed."""
    kept = found.neighbours
    if left_out:
        kept = [neighbour for neighbour in kept if neighbour.document.id not in left_out]
    kept = kept[options.offset : options.offset + options.k]
    score = scorer(metric)
    hits = [
        Hit(document.id, document.content, document.metadata, score(distance), distance, rank, document.origin)
        for rank, (document, distance) in enumerate(kept, start=options.offset + 1)
    ]
    asked = query if isinstance(query, str) else ""
    return Hits(hits, lambda: found.plan.with_stages({"embed": embed_ms}, {}), asked)
