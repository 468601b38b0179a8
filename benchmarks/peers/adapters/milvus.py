"""Milvus Lite: HNSW and an inverted index."""

from __future__ import annotations

from importlib.metadata import version as _version

from pymilvus import DataType, MilvusClient

INSTALL = ("milvus-lite==3.2.2", "pymilvus==3.0.2", "numpy==2.4.6")
NAME = "Milvus Lite"
KIND = "database"
EFFORTS = [16, 32, 64, 128, 256, 512, 1024, 4096]
NOTE = "HNSW M 16, efConstruction 200; inverted index on `number`; the dial is `ef`"
BATCH = 5_000


def version() -> str:
    return _version("milvus-lite")


class Peer:
    def create(self, folder, dim, metric):
        self.client = MilvusClient(f"{folder}/rows.db")
        schema = MilvusClient.create_schema(auto_id=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dim)
        schema.add_field("text", DataType.VARCHAR, max_length=2_000)
        schema.add_field("number", DataType.INT64)
        schema.add_field("category", DataType.VARCHAR, max_length=100)
        schema.add_field("weight", DataType.DOUBLE)
        index = MilvusClient.prepare_index_params()
        kind = {"cosine": "COSINE", "l2": "L2"}[metric]
        index.add_index("vector", index_type="HNSW", metric_type=kind, params={"M": 16, "efConstruction": 200})
        index.add_index("number", index_type="INVERTED")
        self.client.create_collection("rows", schema=schema, index_params=index)

    def insert(self, vectors, ids, texts, metadata):
        for start in range(0, len(ids), BATCH):
            part = range(start, min(start + BATCH, len(ids)))
            self.client.insert(
                "rows", [{"id": ids[n], "vector": vectors[n], "text": texts[n], **metadata[n]} for n in part]
            )

    def build(self):
        self.client.flush("rows")
        self.client.load_collection("rows")

    def close(self):
        self.client.close()

    def open(self, folder, dim, metric):
        self.client = MilvusClient(f"{folder}/rows.db")
        self.client.load_collection("rows")

    def search(self, vector, k, effort, bounds):
        found = self.client.search(
            "rows",
            [vector.tolist()],
            filter="" if bounds is None else f"number >= {bounds[0]} and number < {bounds[1]}",
            limit=k,
            output_fields=["text"],
            search_params={"params": {"ef": effort}},
        )[0]
        return [hit["id"] for hit in found], [hit["entity"]["text"] for hit in found]
