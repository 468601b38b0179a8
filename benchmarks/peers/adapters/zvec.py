"""zvec: HNSW and an inverted index with its range optimisation on."""

from __future__ import annotations

import zvec

INSTALL = ("zvec==0.8.0", "numpy==2.4.6")
NAME = "zvec"
KIND = "database"
EFFORTS = [10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 1024, 2048]
NOTE = "HNSW m 16, ef_construction 200; inverted index on `number` with range optimisation; the dial is `ef`"
BATCH = 1_000


def version() -> str:
    return zvec.__version__


class Peer:
    def create(self, folder, dim, metric):
        schema = zvec.CollectionSchema(
            name="rows",
            fields=[
                zvec.FieldSchema("text", zvec.DataType.STRING),
                zvec.FieldSchema("number", zvec.DataType.INT64, index_param=_inverted()),
                zvec.FieldSchema("category", zvec.DataType.STRING, index_param=_inverted()),
                zvec.FieldSchema("weight", zvec.DataType.DOUBLE),
            ],
            vectors=zvec.VectorSchema(
                "v", zvec.DataType.VECTOR_FP32, dim, index_param=zvec.HnswIndexParam(_metric(metric), 16, 200)
            ),
        )
        self.rows = zvec.create_and_open(f"{folder}/rows", schema)

    def insert(self, vectors, ids, texts, metadata):
        for start in range(0, len(ids), BATCH):
            part = range(start, min(start + BATCH, len(ids)))
            done = self.rows.insert(
                [
                    zvec.Doc(id=str(ids[n]), vectors={"v": vectors[n]}, fields={"text": texts[n], **metadata[n]})
                    for n in part
                ]
            )
            assert all(status.ok() for status in done), done[0]
        self.rows.flush()

    def build(self):
        self.rows.optimize()

    def close(self):
        self.rows.flush()
        self.rows.close()

    def open(self, folder, dim, metric):
        self.rows = zvec.open(f"{folder}/rows")

    def search(self, vector, k, effort, bounds):
        found = self.rows.query(
            zvec.Query("v", vector=vector, param=zvec.HnswQueryParam(ef=effort)),
            topk=k,
            filter=None if bounds is None else f"number >= {bounds[0]} and number < {bounds[1]}",
            output_fields=["text"],
        )
        return [int(doc.id) for doc in found], [doc.field("text") for doc in found]


def _inverted():
    return zvec.InvertIndexParam(enable_range_optimization=True)


def _metric(metric):
    return {"cosine": zvec.MetricType.COSINE, "l2": zvec.MetricType.L2}[metric]
