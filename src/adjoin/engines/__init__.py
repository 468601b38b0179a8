"""Other databases as engines, found by the scheme of their URL. Each is a file or a folder of its own here."""
