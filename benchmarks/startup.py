"""How long `import adjoin` and `adjoin --help` take beside a bare `import numpy`: medians of whole processes in turn."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

ROUNDS = 15
ADJOIN = str(Path(sys.executable).with_name("adjoin"))
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import numpy": [sys.executable, "-c", "import numpy"],
    "import adjoin": [sys.executable, "-c", "import adjoin"],
    "import adjoin; adjoin.open": [sys.executable, "-c", "import adjoin; adjoin.open"],
    "adjoin --help": [ADJOIN, "--help"],
}


def main() -> None:
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(ROUNDS):
        for name, command in COMMANDS.items():
            began = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            seconds[name].append(time.perf_counter() - began)
    numpy_s = statistics.median(seconds["import numpy"])
    print("| command | seconds | to `import numpy` |\n|---|---|---|")
    for name, times in seconds.items():
        median = statistics.median(times)
        print(f"| `{name}` | {median:.3f} | {median / numpy_s:.2f} × |")


if __name__ == "__main__":
    main()
