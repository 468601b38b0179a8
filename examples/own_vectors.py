"""Vectors of your own, any metric, and a query by example. Run: python examples/own_vectors.py"""

import numpy as np

import adjoin

rng = np.random.default_rng(0)
centres = rng.normal(size=(3, 16))
vectors = np.concatenate([centre + rng.normal(scale=0.2, size=(100, 16)) for centre in centres])

with adjoin.open("memory://") as db:
    points = db.collection("points", embedder=None, metric="manhattan")
    points.add(vectors=vectors, ids=range(300), metadata=[{"group": n // 100} for n in range(300)])

    for hit in points.search(vectors[7], k=3):
        print(hit.id, hit.metadata["group"], round(hit.distance, 3))

    like = points.search(adjoin.Like([1, 2, 3], unlike=[250]), k=5)
    print("like 1, 2 and 3:", like.ids)
    print("distances to the centres:", adjoin.distance(vectors[0], centres, "manhattan").round(2))
