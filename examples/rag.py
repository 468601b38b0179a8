"""Questions answered from documents, with checked citations. Run: python examples/rag.py [MODEL]

MODEL is what `adjoin.llm.model` takes: openai:NAME, a .gguf file, or smollm2. Without one, a function stands in for it and
quotes the first sentence of the first passage.
"""

import re
import sys

import adjoin
from adjoin.llm.rag import RAG


def quoting(messages):
    """A model that needs no model."""
    passage = re.search(r"^\[passage 1 .*?\]\nsource: .*?\n(.*?[.다]) ?", messages[-1].content, re.M | re.S)
    return f"{passage[1]} [1]"


model = sys.argv[1] if len(sys.argv) > 1 else quoting

with adjoin.open("memory://") as db:
    guide = db.collection("guide")
    guide.add(
        [
            "A refund can be asked for within seven days of the purchase. It is paid to the card that was used.",
            "The shop is open from nine to six on weekdays, and closed on public holidays.",
            "배송은 주문 후 이틀 안에 시작됩니다. 섬 지역은 하루가 더 걸립니다.",
            "The red kettle costs 39,000 won. Its guarantee is two years.",
        ],
        ids=["refunds", "hours", "delivery", "kettle"],
    )
    rag = RAG(guide, model, k=3)

    for question in ("How long do I have to ask for a refund?", "배송은 언제 시작되나요?", "Who wrote Don Quixote?"):
        answer = rag.ask(question)
        print(f"{question}\n  {answer.text}" + (f" ({answer.why})" if answer.refused else ""))
        for number, citation in answer.citations.items():
            print(f"  [{number}] {citation.source}: {'in the prompt' if citation.valid else 'not in the prompt'}")
        for sentence in answer.unsupported:
            print(f"  not borne out: {sentence.text} ({sentence.why})")

    answer = rag.ask(
        "And on which card is it paid?", history=[("user", "How do I get a refund?"), ("assistant", answer.text)]
    )
    print(answer.searched, "→", answer.text)
    print(rag.evaluate([("When does delivery begin?", ["delivery"]), ("Who wrote Don Quixote?", [])]))
