"""Notes in Korean and English, found by meaning. Run: python examples/notes.py"""

import tempfile

import adjoin

with tempfile.TemporaryDirectory() as folder, adjoin.open(f"{folder}/notes.adjoin") as db:
    notes = db.collection("notes")
    notes.add(
        [
            "Seoul is the capital of Korea.",
            "김치는 배추를 소금에 절여 발효시킨 음식이다.",
            "The cat sleeps on the warm sofa.",
            "환불은 구매 후 7일 안에 신청하실 수 있습니다.",
        ],
        ids=["seoul", "kimchi", "cat", "refund"],
        metadata=[{"year": 2024}, {"year": 2021}, {"year": 2019}, {"year": 2023, "tags": ["shop"]}],
    )

    for question in ("수도가 어디인가요?", "how do I get my money back?", "고양이는 무엇을 하나요?"):
        print(notes.search(question, k=2))

    print(notes.search("food", k=2, where={"year": {"$gte": 2020}, "tags": {"$exists": False}}).explain())
    notes.update("cat", {"year": 2025})
    notes.delete(where={"year": {"$lt": 2022}})
    print(sorted(document.id for document in notes.scan()))
