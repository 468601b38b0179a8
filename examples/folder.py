"""A folder, indexed and kept in step. Run: python examples/folder.py [FOLDER] "your question" """

import sys
from pathlib import Path

import adjoin

folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parent)
question = sys.argv[2] if len(sys.argv) > 2 else "벡터를 직접 넣으려면?"

with adjoin.open("memory://") as db:
    files = db.collection("files")
    print(files.index(folder))  # on a folder store, the next run reads only what changed
    for hit in files.search(question, k=3):
        print(f"{hit.score:.3f}  {hit.origin}  {' › '.join(hit.origin.heading)}")
