"""Builds the wheel, installs it alone into a fresh virtual environment elsewhere, and uses it there.

Prints the installed size with what makes it up, and how long the demo takes the first time and the second.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MOST_INSTALLED_MB = 395  # faiss-cpu and rabitqlib are 70 of them, the models 65; without them it is below 300
MOST_FIRST_DEMO_S = 60.0


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="adjoin-wheel-") as folder:
        work = Path(folder)
        wheel = build(work)
        print(f"wheel: {wheel.stat().st_size / 1e6:.1f} MB")
        python = fresh_environment(work / "venv")
        before = sizes(python)
        subprocess.run([python, "-m", "pip", "install", "--quiet", str(wheel)], check=True, cwd=work)
        tell_sizes(before, sizes(python))
        use(python, work)


def build(work: Path) -> Path:
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        str(work / "dist"),
        str(ROOT),
    ]
    subprocess.run(command, check=True)
    (wheel,) = (work / "dist").glob("adjoin-*.whl")
    return wheel


def fresh_environment(folder: Path) -> str:
    venv.create(folder, with_pip=True)
    return str(folder / ("Scripts" if os.name == "nt" else "bin") / "python")


def sizes(python: str) -> dict[str, int]:
    """Bytes of each entry of site-packages."""
    where = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    site = Path(subprocess.run([python, "-c", where], check=True, capture_output=True, text=True).stdout.strip())
    return {
        entry.name: sum(file.stat().st_size for file in [entry, *entry.rglob("*")] if file.is_file())
        for entry in site.iterdir()
    }


def tell_sizes(before: dict[str, int], after: dict[str, int]) -> None:
    added = {name: size for name, size in after.items() if name not in before and not name.endswith(".dist-info")}
    total_mb = sum(size for name, size in after.items() if name not in before) / 1e6
    parts = sorted(added.items(), key=lambda part: -part[1])
    print(
        f"installed: {total_mb:.0f} MB, of which " + ", ".join(f"{name} {size / 1e6:.0f}" for name, size in parts[:9])
    )
    if total_mb > MOST_INSTALLED_MB:
        sys.exit(f"that is more than {MOST_INSTALLED_MB} MB")


def use(python: str, work: Path) -> None:
    """The demo twice and a search, away from the checkout."""
    adjoin = str(Path(python).with_name("adjoin"))
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    took = []
    for _ in range(2):
        began = time.monotonic()
        command = [adjoin, "demo", "--json", "--db", str(work / "demo.adjoin")]
        found = subprocess.run(command, check=True, cwd=work, env=environment, capture_output=True, text=True)
        took.append(time.monotonic() - began)
    told = json.loads(found.stdout)
    print(f"demo: {told['documents']:,} items; first {took[0]:.1f} s, again {took[1]:.1f} s")
    if told["documents"] < 2000 or took[0] > MOST_FIRST_DEMO_S or took[1] > took[0] / 2:
        sys.exit("the demo is smaller or slower than promised")


if __name__ == "__main__":
    main()
