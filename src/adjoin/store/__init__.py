"""The embedded engine: a folder with a SQLite database. It knows vectors and rows, and nothing of embedders."""
