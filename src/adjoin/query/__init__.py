"""Around the neighbours: from a query to vectors, and from rows to hits."""
