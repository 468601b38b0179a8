"""A memory for two users, without any model; with one it also holds a conversation. Run: python examples/memory.py [MODEL]

MODEL is what `adjoin.llm.model` takes: openai:NAME, a .gguf file, or smollm2.
"""

import sys
import tempfile

import adjoin
from adjoin.llm.memory import Memory

with tempfile.TemporaryDirectory() as folder, adjoin.open(f"{folder}/assistant.adjoin") as db:
    memory = Memory(db.collection("memory"))

    memory.remember("mina", "monday", "user", "Hi! My name is Mina and I live in Seoul.")
    memory.remember("mina", "monday", "assistant", "Nice to meet you, Mina.")
    memory.remember("mina", "monday", "user", "My dog's name is Rex.")
    memory.remember("mina", "friday", "user", "ㅋㅋㅋ")
    moved = memory.remember("mina", "friday", "user", "이제 부산에 살아.")
    memory.remember("jonas", "friday", "user", "I live in Oslo.")

    print(memory.recall("mina", "내가 어디 살지?", n=3, neighbours=0))
    print(memory.recall("jonas", "Where do I live?", n=3))
    print(memory.explain(moved.id))

    memory.undo(moved.id)
    print(memory.recall("mina", "Where do I live?", n=1).texts)
    if len(sys.argv) > 1:
        talking = Memory(db.collection("memory"), adjoin.llm.model(sys.argv[1]), extract_facts=False)
        print(talking.chat("mina", "friday", "What is the name of my dog?", max_tokens=24))
    print(memory.export("mina"))
    print(memory.erase("mina"))
    print(memory.users())
