"""A cache of a model's answers that finds a question again by its meaning, and refuses where a word makes a difference."""

from adjoin.llm.cache.cache import Answered as Answered
from adjoin.llm.cache.cache import CacheExplanation as CacheExplanation
from adjoin.llm.cache.cache import CacheHit as CacheHit
from adjoin.llm.cache.cache import SemanticCache as SemanticCache
from adjoin.llm.cache.report import CacheReport as CacheReport
