"""The table of one data set, the bars below it, and how each peer was used."""

from __future__ import annotations

from typing import Any

from contest import TARGET, Contender, Result
from datasets import SEED
from questions import CLASSES, Class, K

# our p50 to the best other database's
BARS = {"no filter": 0.4, "50 %": 0.5, "10 % unseen": 0.8, "10 % repeated": 0.5, "1 %": 1.0, "0.1 %": 1.3}
EXACT = ("1 %", "0.1 %")
NOT_PAYLOAD = {"vectors", "vectors.blocks", "vectors.parity", "seqs", "figures", "index"}
"""Files of adjoin's that hold vectors, the index, or what guards them; the database and `columns` hold texts and metadata."""
DISK_BAR = {100: 3.7, 384: 2.6}


def report(result: Result) -> str:
    data, rows, kinds, contenders = result.data, result.rows, result.kinds, result.contenders
    dim, raw, payload = result.dim, result.raw_bytes, result.texts_bytes
    part = "" if rows == len(data.vectors) else f" **The first {rows:,} rows only.**"
    lines = [
        f"### {data.name}: {rows:,} × {dim}, {'Euclidean' if data.metric == 'l2' else data.metric}",
        "",
        f"{data.what}.{part} {len(data.queries()):,} held-out queries, k = {K}; raw vectors {raw / 1e6:.0f} MB, texts "
        f"{payload / 1e6:.1f} MB. Cells: recall@{K} → p50 ms, at the cheapest setting that reaches {TARGET} over the queries "
        f"(or the most it reaches, in italics). {result.loads} loads, {result.rounds} rounds, seed {SEED}. "
        f"Bold: the fastest database that reaches it. Load average of the machine {min(result.busy):.1f} to "
        f"{max(result.busy):.1f} (1 is this benchmark alone): far above that, read nothing from milliseconds.",
        "",
        "| | load s: searchable, built | open and first answer s | disk MB | memory MB: load, search | "
        + " | ".join(kind.title for kind in kinds)
        + " |",
        "|---" * (5 + len(kinds)) + "|",
    ]
    best = {kind.title: _best(contenders, kind.title, all_databases=True) for kind in kinds}
    for one in contenders:
        if one.failed and not one.p50:
            lines.append(f"| {one.name} | could not: {one.failed.replace('|', '/')[:200]} |" + " |" * (3 + len(kinds)))
            continue
        label = f"{one.name} {one.about['version']}" + (" (library)" if one.about["kind"] == "library" else "")
        cells = [_cell(one, kind.title, best[kind.title]) for kind in kinds]
        most = one.most_at_load
        lines.append(
            f"| {label} | {one.load('searchable_s'):.1f}, {one.load('total_s'):.1f} | {one.opened_s:.2f} | {one.disk / 1e6:.0f} | "
            f"{most / 1e6:.0f}, {one.memory.get('peak', 0) / 1e6:.0f} | {' | '.join(cells)} |"
        )
    ours = next((one for one in contenders if one.key == "adjoin" and not one.failed), None)
    if ours and any(one.is_other_database for one in contenders):
        lines.append(_ratios(ours, kinds, contenders))
        lines += ["", *_bars(ours, contenders, dim, raw, payload)]
    lines += ["", *_notes(contenders)]
    return "\n".join(lines) + "\n"


def _reaches(one: Contender, title: str, least: float = TARGET) -> bool:
    return not one.failed and one.recall.get(title, 0.0) >= least and bool(one.p50.get(title))


def _best(
    contenders: list[Contender], title: str, *, all_databases: bool = False, least: float = TARGET
) -> Contender | None:
    """The fastest database, ours among them or not, with at least that recall."""
    fit = [
        one for one in contenders
        if _reaches(one, title, least) and (one.is_other_database or (all_databases and one.key.startswith("adjoin")))
    ]  # fmt: skip
    return min(fit, key=lambda one: one.median(title) or 0.0, default=None)


def _cell(one: Contender, title: str, best: Contender | None) -> str:
    middle = one.median(title)
    if middle is None:
        return "–"
    cell = f"{one.recall[title]:.3f} → {_ms(middle)}"
    if one is best:
        cell = f"**{cell}**"
    elif one.recall[title] < TARGET:
        cell = f"_{cell}_"
    for count, what in ((one.short[title], "short"), (one.wrong[title], "wrong")):
        if count:
            cell += f" ({count} of {one.asked[title]} {what})"
    return cell


def _ms(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


def _rival(ours: Contender, contenders: list[Contender], title: str) -> Contender | None:
    """Whom to compare with: the fastest other database that reaches the target too, or our recall if we do not."""
    return _best(contenders, title, least=min(TARGET, ours.recall.get(title, TARGET)))


def _ratio(ours: Contender, contenders: list[Contender], title: str) -> tuple[float, Contender] | None:
    rival, mine = _rival(ours, contenders, title), ours.median(title)
    return (mine / rival.median(title), rival) if rival and mine else None  # type: ignore[operator]


def _ratios(ours: Contender, kinds: list[Class], contenders: list[Contender]) -> str:
    others = [one for one in contenders if one.is_other_database]

    def to(value: float, key: Any) -> str:
        rival = min(others, key=key)
        return f"{value / key(rival):.2f} × {rival.name}"

    cells = []
    for kind in kinds:
        found = _ratio(ours, contenders, kind.title)
        cells.append(f"{found[0]:.2f} × {found[1].name}" if found else "–")
    return (
        f"| **adjoin to the best other** | {to(ours.load('searchable_s'), lambda one: one.load('searchable_s'))}, "
        f"{to(ours.load('total_s'), lambda one: one.load('total_s'))} | {to(ours.opened_s, lambda one: one.opened_s)} | "
        f"{to(ours.disk, lambda one: one.disk)} | "
        f"{to(ours.most_at_load, lambda one: one.most_at_load)}, "
        f"{to(ours.memory['peak'], lambda one: one.memory['peak'])} | {' | '.join(cells)} |"
    )


def _bars(ours: Contender, contenders: list[Contender], dim: int, raw: int, payload: int) -> list[str]:
    lines = ["| bar | measured | |", "|---|---|---|"]

    def judge(what: str, value: float, bar: float, holds: bool = True) -> None:
        lines.append(f"| {what} ≤ {bar} × | {value:.2f} × | {'met' if value <= bar and holds else '**missed**'} |")

    for kind in CLASSES:
        found = _ratio(ours, contenders, kind.title)
        if not found:
            continue
        reached = ours.recall[kind.title] >= TARGET
        whose = f"{found[1].name}'s" + ("" if reached else f"; our recall is only {ours.recall[kind.title]:.3f}")
        judge(f"search p50, {kind.title}, to {whose}", found[0], BARS[kind.title], reached)
        if kind.title in EXACT:
            told = f"recall {ours.recall[kind.title]:.4f}, {ours.short[kind.title]} short"
            holds = ours.recall[kind.title] == 1.0 and not ours.short[kind.title]
            lines.append(f"| {kind.title}: exact and never short | {told} | {'met' if holds else '**missed**'} |")
    zvec = next((one for one in contenders if one.key == "zvec" and not one.failed), None)
    if zvec:
        judge("load, built, to zvec's", ours.load("total_s") / zvec.load("total_s"), 1.0)
        judge("load, searchable, to zvec's built", ours.load("searchable_s") / zvec.load("total_s"), 0.5)
    if dim in DISK_BAR:
        kept = sum(size for file, size in ours.parts.items() if file.rsplit("/", 1)[-1] in NOT_PAYLOAD)
        judge(f"disk without payload, to raw vectors of {dim} dimensions", kept / raw, DISK_BAR[dim])
        lines.append(f"| all of the folder but the texts, to raw vectors | {(ours.disk - payload) / raw:.2f} × | |")
    return lines


def _notes(contenders: list[Contender]) -> list[str]:
    lines = []
    for one in contenders:
        if one.about:
            chosen = "; ".join(f"{title} {effort}" for title, effort in one.effort.items() if effort is not None)
            lines.append(f"- {one.name}: {one.about['note']}." + (f" Chosen: {chosen}." if chosen else ""))
        if one.failed and one.p50:
            lines.append(f"  It ended early: {one.failed}.")
    lines.append(
        "\nMemory at load includes the peer's imports and the vectors, texts and metadata that it is handed: "
        + ", ".join(f"{one.loads[0]['data_bytes'] / 1e6:.0f} MB {one.name}" for one in contenders if one.loads)
        + "."
    )
    return lines
