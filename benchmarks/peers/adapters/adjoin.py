"""adjoin, from this checkout. Its dial is the promised recall."""

from __future__ import annotations

import adjoin

INSTALL: tuple[str, ...] = ()
NAME = "adjoin"
KIND = "database"
EFFORTS = [0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 1.0]
NOTE = "defaults; `optimize()` after the load; the dial is `recall=`"
METRICS = {"cosine": "cosine", "l2": "euclidean"}


def version() -> str:
    return adjoin.__version__


class Peer:
    storage = None

    def create(self, folder, dim, metric):
        self.database = adjoin.open(f"{folder}/s.adjoin")
        options = {"storage": self.storage} if self.storage else {}
        self.rows = self.database.collection("c", embedder=None, metric=METRICS[metric], **options)

    def insert(self, vectors, ids, texts, metadata):
        self.rows.add(texts, ids=[f"d{row}" for row in ids], metadata=metadata, vectors=vectors)

    def build(self):
        if hasattr(self.rows, "optimize"):
            self.rows.optimize()

    def close(self):
        self.database.close()

    def open(self, folder, dim, metric):
        self.database = adjoin.open(f"{folder}/s.adjoin")
        self.rows = self.database.collection("c")

    def search(self, vector, k, effort, bounds):
        where = None if bounds is None else {"number": {"$gte": bounds[0], "$lt": bounds[1]}}
        hits = self.rows.search(vector, k=k, where=where, recall=effort)
        return [int(hit.id[1:]) for hit in hits], [hit.content for hit in hits]
