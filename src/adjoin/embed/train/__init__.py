"""Embedders that learn from labels: items of the same label come to lie near each other."""
