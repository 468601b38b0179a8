"""Metadata of rows that never change, by key: filters are answered from postings, and counted before they are."""

from adjoin.sealed.answer import Answer
from adjoin.sealed.chosen import Chosen
from adjoin.sealed.column import Counted, SealedColumn
from adjoin.sealed.columns import SealedColumns

__all__ = ["Answer", "Chosen", "Counted", "SealedColumn", "SealedColumns"]
