"""Answers from a collection: the question embedded, passages found, a prompt built, an answer made and checked."""

from __future__ import annotations

from adjoin.llm.rag.answer import Answer as Answer
from adjoin.llm.rag.answer import Citation as Citation
from adjoin.llm.rag.answer import Passage as Passage
from adjoin.llm.rag.answer import Prompt as Prompt
from adjoin.llm.rag.answer import Sentence as Sentence
from adjoin.llm.rag.evaluate import Evaluation as Evaluation
from adjoin.llm.rag.pipeline import RAG as RAG
