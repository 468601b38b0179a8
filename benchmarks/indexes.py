"""Every index that serves cosine, on 20,000 sentence embeddings: what `adjoin bench` measures and advises."""

from __future__ import annotations

import adjoin
from adjoin.evaluate import compare_indexes
from data import documents

ROWS, SEED = 20_000, 0
RECALLS = (0.9, 0.95, 0.99)


def main() -> None:
    _, vectors = documents(ROWS)
    rows = adjoin.open("memory://").collection("sentences", embedder=None)
    rows.add(vectors=vectors)
    found = compare_indexes(rows, seed=SEED)
    print(
        f"{found.measured:,} × {found.dim} sentence embeddings, {found.queries} others as queries, k = {found.k}, seed {SEED}; "
        "median microseconds of a whole search at the least effort whose recall is at least so high with a confidence of 95 %; "
        "– where exact search is much faster than any such effort\n"
    )
    print(f"| index | {' | '.join(f'{recall:g}' for recall in RECALLS)} | build, s | bytes a vector |")
    print("|---" * (len(RECALLS) + 3) + "|")
    kept = {recall: {row.family: row for row in found.kept(recall)} for recall in RECALLS}
    for family in found.families:
        first = next(row for row in found.rows if row.family == family)
        cells = [f"{kept[recall][family].us:,.0f}" if family in kept[recall] else "–" for recall in RECALLS]
        print(f"| {family} | {' | '.join(cells)} | {first.build_s:.1f} | {first.bytes_per_vector:,.0f} |")
    print(f"\nIts advice for 0.95: {found.advice()}")


if __name__ == "__main__":
    main()
