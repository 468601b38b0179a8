"""adjoin beside other embedded databases and bare libraries, on the same vectors, texts, filters and queries.

python benchmarks/peers/run.py [--peers adjoin,zvec,…] [--data words,sentences,images,glove] [--rows N] [--rounds R] [--loads L]

Each peer has an environment of its own below .cache/peers/ (made here, versions pinned) and a process of its own. Loads
and rounds of searching go round all peers in turn, so that noise hits all alike; a figure is the median over rounds. For
every kind of filter each peer's accuracy dial is first turned to the cheapest place whose recall@10 over all queries is at
least .95, measured against exact search; with that it is timed. Peak memory is the process's own; disk is what the files
take up. A peer that cannot be installed or run is listed with the reason.
"""

from __future__ import annotations

import argparse

from contest import HERE, compare
from datasets import dataset
from page import report

PEERS = (
    "adjoin", "zvec", "qdrant", "lancedb", "chroma", "milvus", "sqlite_vec", "txtai", "faiss", "hnswlib", "usearch",
)  # fmt: skip
DATA = ("words", "sentences", "images", "glove")


def main() -> None:
    options = _options()
    for name in options.data.split(","):
        result = compare(
            dataset(name), options.peers.split(","),
            rows=options.rows, loads=options.loads, rounds=options.rounds, per_round=options.slice,
        )  # fmt: skip
        print(report(result), flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--data", default=",".join(DATA))
    parser.add_argument("--rows", type=int, help="no more than so many; the tables are of all when not given")
    parser.add_argument("--rounds", type=int, default=5, help="of searching")
    parser.add_argument("--loads", type=int, default=2, help="rounds of loading")
    parser.add_argument("--slice", type=int, default=200, help="queries a round")
    options = parser.parse_args()
    known = {path.stem for path in (HERE / "adapters").glob("[!_]*.py")}
    unknown = set(options.peers.split(",")) - known
    if unknown:
        parser.error(f"no peer {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
    return options


if __name__ == "__main__":
    main()
