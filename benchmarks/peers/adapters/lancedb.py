"""LanceDB: IVF_HNSW_SQ and a B-tree on the filtered number, which it filters by before it searches."""

from __future__ import annotations

import lancedb
import pyarrow as pa

INSTALL = ("lancedb==0.40.0", "numpy==2.4.6")
NAME = "LanceDB"
KIND = "database"
# ef, and how many times k are compared again with the full vectors
EFFORTS = [(16, 1), (32, 2), (48, 3), (64, 4), (96, 4), (128, 5), (192, 8), (256, 10), (512, 20), (1024, 50)]
NOTE = "IVF_HNSW_SQ, one partition, m 20, ef_construction 300 (its defaults); B-tree on `number`; the dial is `ef` and `refine_factor`"


def version() -> str:
    return lancedb.__version__


class Peer:
    def create(self, folder, dim, metric):
        self.dim, self.metric = dim, metric
        self.database = lancedb.connect(folder)

    def insert(self, vectors, ids, texts, metadata):
        flat = pa.array(vectors.reshape(-1), pa.float32())
        self.rows = self.database.create_table(
            "rows",
            pa.table(
                {
                    "id": pa.array(ids, pa.int64()),
                    "vector": pa.FixedSizeListArray.from_arrays(flat, self.dim),
                    "text": texts,
                    "number": pa.array([one["number"] for one in metadata], pa.int64()),
                    "category": [one["category"] for one in metadata],
                    "weight": [one["weight"] for one in metadata],
                }
            ),
        )

    def build(self):
        self.rows.create_index(metric=self.metric, index_type="IVF_HNSW_SQ", num_partitions=1)
        self.rows.create_scalar_index("number", index_type="BTREE")
        self.rows.create_scalar_index("category", index_type="BITMAP")
        self.rows.optimize()

    def close(self):
        del self.rows, self.database

    def open(self, folder, dim, metric):
        self.metric = metric
        self.database = lancedb.connect(folder)
        self.rows = self.database.open_table("rows")

    def search(self, vector, k, effort, bounds):
        ef, refine = effort
        query = self.rows.search(vector).distance_type(self.metric).ef(ef).refine_factor(refine).nprobes(1)
        if bounds is not None:
            query = query.where(f"number >= {bounds[0]} AND number < {bounds[1]}", prefilter=True)
        found = query.select(["id", "text", "_distance"]).limit(k).to_arrow()
        return found["id"].to_pylist(), found["text"].to_pylist()
