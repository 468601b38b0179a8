"""How well things are found: which index serves a collection best, measured on its own rows."""

from adjoin.evaluate.comparison import IndexComparison as IndexComparison
from adjoin.evaluate.comparison import IndexRow as IndexRow
from adjoin.evaluate.indexes import compare_indexes as compare_indexes
