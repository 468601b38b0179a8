"""What a language model needs beside it: knowledge, memory and a cache, each built on a `Collection` alone."""

from __future__ import annotations

from adjoin.llm.base import LanguageModel as LanguageModel
from adjoin.llm.base import Message as Message
from adjoin.llm.base import Reply as Reply
from adjoin.llm.models import model as model
