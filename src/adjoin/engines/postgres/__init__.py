"""PostgreSQL with pgvector as an engine: `adjoin.open("postgresql://…")`. docs/engines/postgres.md tells how it is used.

`engine.py` is the engine, method by method as in the protocol. Beside it: `address` (the URL), `connections` (a small
pool, transactions, forks), `faults` (the driver's errors as ours), `schema` (tables), `rows` (to and from the server's
bytes), `facts` (metadata as SQL can ask of it, and filters as SQL), `writing`, `searching`, `nearby` (indexes),
`measuring` (what recall they reach), `checking`.
"""

from adjoin.engines.postgres.engine import PostgresEngine as PostgresEngine
