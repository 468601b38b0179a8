"""The embedded store, handled roughly."""
