"""One file a peer, each with the same parts in the same order, run by worker.py inside the peer's own environment.

INSTALL     what pip installs, pinned; empty for adjoin, which comes from this checkout.
NAME        as the tables show it. KIND: "database" or "library" (no payload and no metadata of its own).
EFFORTS     values of its accuracy dial, cheapest first; [None] where there is none.
NOTE        how it is used, for the page.
Peer        create(folder, dim, metric) · insert(vectors, ids, texts, metadata) · build() · flush and close() ·
            open(folder, dim, metric) · search(vector, k, effort, bounds) → (ids, texts).

`metric` is "cosine" or "l2"; `bounds` is None or (low, high): low <= number < high. `insert` ends when every row is found by
a search, be it a slow one; `build` makes what the search is quick with. Ids are row numbers.
"""
