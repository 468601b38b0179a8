"""Vectors to neighbours."""

from adjoin.index.sketch import LSH as LSH
from adjoin.index.sketch import MinHash as MinHash
from adjoin.index.sketch import SimHash as SimHash
