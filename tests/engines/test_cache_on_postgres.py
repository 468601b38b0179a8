"""A cache is built on a collection alone, and so it works on an engine that is not ours."""

from __future__ import annotations

import adjoin
from adjoin.llm.cache import SemanticCache
from adjoin.testing import TinyEmbedder


def test_a_cache_works_in_postgresql(url: str) -> None:
    with adjoin.open(url) as db:
        passages = db.collection("passages", embedder=TinyEmbedder())
        passages.add(["Refunds take 7 days."], ids=["refund"])
        with SemanticCache(db.collection("cache", embedder=TinyEmbedder()), sources=passages, verify=0.0) as cache:
            cache.store("How long do refunds take?", "7 days.", cites=["refund"], tenant="a", ttl_s=1000)
            assert cache.lookup("how long do refunds take", tenant="a").answer == "7 days."  # type: ignore[union-attr]
            assert cache.lookup("how long do the refunds take", tenant="a").exact is False  # type: ignore[union-attr]
            assert cache.lookup("how long do refunds take", tenant="b") is None
            assert cache.ask("비밀번호를 어떻게 바꾸나요?", lambda _: "설정에서.").stored
            assert cache.ask("비밀번호를 어떻게 바꾸나요", lambda _: "no").text == "설정에서."
            cache.learn([("Can I book a room?", "Can I reserve a room?", True)])
            passages.upsert(["Refunds take 9 days."], ids=["refund"])
            assert cache.lookup("how long do refunds take", tenant="a") is None
            assert cache.invalidate(where={}) == 1
    with adjoin.open(url) as db:
        report = SemanticCache(db.collection("cache", embedder=TinyEmbedder())).report()
    assert (report.exact_hits, report.stale, report.labels, report.entries) == (2, 1, 1, 0)
