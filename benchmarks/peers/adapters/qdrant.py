"""Qdrant Edge: the engine of the Qdrant server inside the process, with its payload index."""

from __future__ import annotations

from importlib.metadata import version as _version

import qdrant_edge as q

INSTALL = ("qdrant-edge-py==0.9.0", "numpy==2.4.6")
NAME = "Qdrant Edge"
KIND = "database"
EFFORTS = [10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 1024]
NOTE = "HNSW m 16, ef_construct 100 (its defaults); integer payload index with range; the dial is `hnsw_ef`"
BATCH = 1_000


def version() -> str:
    return _version("qdrant-edge-py")


class Peer:
    def create(self, folder, dim, metric):
        distance = {"cosine": q.Distance.Cosine, "l2": q.Distance.Euclid}[metric]
        self.rows = q.EdgeShard.create(
            _place(folder), q.EdgeConfig(vectors=q.EdgeVectorParams(size=dim, distance=distance))
        )
        for key, schema in (("number", q.PayloadSchemaType.Integer), ("category", q.PayloadSchemaType.Keyword)):
            self.rows.update(q.UpdateOperation.create_field_index(key, schema))

    def insert(self, vectors, ids, texts, metadata):
        for start in range(0, len(ids), BATCH):
            part = range(start, min(start + BATCH, len(ids)))
            points = [q.Point(ids[n], vectors[n].tolist(), {"text": texts[n], **metadata[n]}) for n in part]
            self.rows.update(q.UpdateOperation.upsert_points(points))
        self.rows.flush()

    def build(self):
        while self.rows.optimize():
            pass
        self.rows.flush()

    def close(self):
        self.rows.close()

    def open(self, folder, dim, metric):
        self.rows = q.EdgeShard.load(_place(folder))

    def search(self, vector, k, effort, bounds):
        wanted = None
        if bounds is not None:
            wanted = q.Filter(must=[q.FieldCondition("number", range=q.RangeFloat(gte=bounds[0], lt=bounds[1]))])
        found = self.rows.query(
            q.QueryRequest(
                limit=k,
                query=q.Query.Nearest(vector.tolist()),
                filter=wanted,
                with_payload=["text"],
                params=q.SearchParams(hnsw_ef=effort),
            )
        )
        return [point.id for point in found], [point.payload["text"] for point in found]


def _place(folder):
    from pathlib import Path

    place = Path(folder) / "shard"
    place.mkdir(exist_ok=True)
    return str(place)
