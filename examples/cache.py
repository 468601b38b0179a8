"""A cache before a language model that knows enable from disable. Run: python examples/cache.py [MODEL]

MODEL is what `adjoin.llm.model` takes: openai:NAME, a .gguf file, or smollm2. Without one, a function stands in for it.
"""

import sys
import tempfile

import adjoin
from adjoin.llm.cache import SemanticCache


def standing_in(question: str) -> str:
    return f"(the model's answer to {question!r})"


model = adjoin.llm.model(sys.argv[1] if len(sys.argv) > 1 else standing_in)
calls = 0


with tempfile.TemporaryDirectory() as folder, adjoin.open(f"{folder}/cache.adjoin") as db:
    passages = db.collection("passages")
    passages.add(["Refunds are paid within 7 days."], ids=["refunds"])

    with SemanticCache(db.collection("cache"), error_budget=0.01, sources=passages, price=(0.15, 0.60)) as cache:
        for question in (
            "How do I enable dark mode?",
            "how can I turn on dark mode",  # the same
            "How do I disable dark mode?",  # the opposite
            "비밀번호를 어떻게 바꾸나요?",
            "비밀번호 변경 방법 알려줘",  # the same
            "비밀번호를 왜 바꾸나요?",  # another question
        ):
            answered = cache.ask(question, model)
            calls += answered.hit is None
            print(f"{'cache' if answered.hit else 'model':5}  {question}  {answered.hit.why if answered.hit else ''}")
        print(f"{calls} calls of the model for 6 questions\n")
        print(cache.explain("When do I disable dark mode?"), "\n")

        cache.store("How long do refunds take?", "7 days.", cites=["refunds"])
        print(cache.lookup("how long does the refund take?"))
        passages.upsert(["Refunds are paid within 14 days."], ids=["refunds"])
        print(cache.lookup("how long does the refund take?"), "- the passage it cites has changed\n")

        mine = cache.within(tenant="alice")
        mine.store("Where is my parcel?", "At the depot.")
        print(mine.lookup("Where's my parcel?"), "/", cache.within(tenant="bob").lookup("Where's my parcel?"), "\n")

        @cache.cached
        def translate(text: str, language: str) -> str:
            return f"{text} in {language}"

        print(translate("good morning", language="French"), "/", translate("Good morning!", language="French"), "\n")
        print(cache.report())
