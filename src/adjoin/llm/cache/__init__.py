"""A cache of a model's answers that finds a question again by its meaning, and refuses where a word makes a difference."""

from adjoin.llm.cache.cache import SemanticCache as SemanticCache
from adjoin.llm.cache.report import CacheReport as CacheReport
from adjoin.llm.cache.results import Answered as Answered
from adjoin.llm.cache.results import CacheExplanation as CacheExplanation
from adjoin.llm.cache.results import CacheHit as CacheHit
