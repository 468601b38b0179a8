"""The sentence of each hit that is nearest to the question."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from adjoin.text.excerpt import Excerpt, excerpt
from adjoin.text.sentences import sentences

if TYPE_CHECKING:
    from adjoin.embed import Embedder
    from adjoin.types import Hit

_MOST_SENTENCES = 12  # of one hit; beyond them the words that it shares with the question decide


def passages(hits: Sequence[Hit], query: str, embedder: Embedder | None, *, width: int = 320) -> list[Excerpt | None]:
    """An excerpt for each hit, around the sentence nearest to the query by meaning; None for a content that is no text.

    Cost: one embedding a sentence; without an embedder, shared words decide.
    """
    texts = [hit.content if isinstance(hit.content, str) else None for hit in hits]
    chosen = _nearest_sentences(texts, query, embedder) if embedder else {}
    return [
        None if text is None else excerpt(text, query, width, sentence=chosen.get(n)) for n, text in enumerate(texts)
    ]


def _nearest_sentences(texts: list[str | None], query: str, embedder: Embedder) -> dict[int, int]:
    """Hit number → sentence number, for the hits with a choice to make."""
    parts: list[str] = []
    owner: list[tuple[int, int]] = []
    for n, text in enumerate(texts):
        spans = sentences(text) if text is not None and len(text) < 10_000 else []
        if 1 < len(spans) <= _MOST_SENTENCES:
            parts += [text[span.start : span.end] for span in spans if text is not None]
            owner += [(n, number) for number in range(len(spans))]
    if not parts:
        return {}
    scores = embedder.embed(parts, kind="document") @ embedder.embed([query], kind="query")[0]
    best: dict[int, tuple[float, int]] = {}
    for (n, number), score in zip(owner, scores.tolist(), strict=True):
        best[n] = max(best.get(n, (-2.0, 0)), (score, -number))
    return {n: -number for n, (_, number) in best.items()}
