"""Which messages fold into a new one, and which it supersedes; and how that is taken back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from adjoin.llm.memory.folding import Fact
from adjoin.llm.memory.record import Record, State
from adjoin.llm.memory.words import plain


class Links:
    """Messages of one user that new ones are linked with. `changed` holds those whose links became others."""

    def __init__(self, records: Iterable[Record]) -> None:
        self.changed: dict[str, Record] = {}
        self._all: dict[str, Record] = {}
        self._same: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
        self._about: dict[str, dict[str, None]] = defaultdict(dict)
        for record in records:
            self._take(record)

    def _take(self, record: Record) -> None:
        self._all[record.id] = record
        if record.state == "live":
            self._same[record.same, record.role][record.id] = None
        for attribute in record.about:
            self._about[attribute][record.id] = None

    def _change(self, record: Record) -> None:
        if record.state != "live":
            self._same[record.same, record.role].pop(record.id, None)
        for attribute in {fact.about for fact, _ in record.facts} - set(record.about):
            self._about[attribute].pop(record.id, None)
        self._all[record.id] = self.changed[record.id] = record

    def add(self, new: Record) -> Record:
        """The new message with its links; those that it folds or supersedes are changed."""
        for id_ in list(self._same[new.same, new.role]):
            new = self._fold(self._all[id_], new)
        for fact, _ in new.facts:
            for id_ in list(self._about[fact.about]):
                new = self._supersede(self._all[id_], fact, new)
        self._take(new)
        return new

    def come_back(self, old: Record) -> None:
        """Take in a message that is live again, and link it with what was said after it."""
        self._take(old)
        for id_ in list(self._same[old.same, old.role]):
            later = self._all[id_]
            if later.n > old.n and old.state == "live":
                self._change(self._fold(old, later))
                return
        for attribute in old.about:
            others = sorted((self._all[id_] for id_ in self._about[attribute]), key=lambda one: one.n)
            for later in (one for one in others if one.n > old.n):
                for fact, by in later.facts:
                    if fact.about == attribute and by is None:
                        linked = self._supersede(self._all[old.id], fact, later)
                        if linked is not later:
                            self._change(linked)

    def _fold(self, old: Record, new: Record) -> Record:
        self._change(replace(old, state="folded", replaced_by=(*old.replaced_by, new.id)))
        return replace(
            new,
            times=new.times + old.times,
            first_at=min(new.first_at, old.first_at),
            replaces=(*new.replaces, old.id),
        )

    def _supersede(self, old: Record, fact: Fact, new: Record) -> Record:
        held = [(one, by) for one, by in old.facts if one.about == fact.about and by is None]
        if old.state == "folded" or not any(_differs(one, fact) for one, _ in held):
            return new
        facts = tuple((one, new.id if by is None and one.about == fact.about else by) for one, by in old.facts)
        outdated = old.only_facts and all(by is not None for _, by in facts)
        self._change(
            replace(
                old,
                facts=facts,
                state="superseded" if outdated else old.state,
                replaced_by=old.replaced_by if new.id in old.replaced_by else (*old.replaced_by, new.id),
            )
        )
        return new if old.id in new.replaces else replace(new, replaces=(*new.replaces, old.id))


def _differs(old: Fact, new: Fact) -> bool:
    return plain(old.value) != plain(new.value)


def restored(old: Record, by: str) -> Record:
    """The message as if that one had never replaced it."""
    left = tuple(id_ for id_ in old.replaced_by if id_ != by)
    facts = tuple((fact, None if holder == by else holder) for fact, holder in old.facts)
    state: State
    if old.state == "folded" and old.replaced_by[-1:] != (by,):  # what folds a message is the last that happens to it
        state = "folded"
    else:
        state = "superseded" if old.only_facts and facts and all(holder for _, holder in facts) else "live"
    return replace(old, state=state, facts=facts, replaced_by=left)


def released(new: Record, old: Record) -> Record:
    """The message without one that it had replaced. old: as it was before."""
    folded = old.state == "folded"
    return replace(
        new,
        times=max(1, new.times - old.times) if folded else new.times,
        replaces=tuple(id_ for id_ in new.replaces if id_ != old.id),
    )
