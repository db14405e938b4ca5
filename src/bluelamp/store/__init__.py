"""A force's store: imports and runs that are there whole or not at all, each stored byte checked before it is believed.

A force is a folder with `force.toml` and `store/`. In `store/` each table is a Delta table that Spark, Power BI and
`deltalake` read as it is, and one small file, the ledger, lists what counts.

    store = Store("avon")
    with store.writing("incidents", source_name="calls.csv.gz") as batch:
        batch.add(rows)
    store.read("incidents")

`ledger.py` is the list and the one moment at which a batch or a run becomes visible. `accounting.py` says of each
row whether it is new, updated, unchanged or a duplicate. `delta.py` keeps the Delta tables. `disk.py` writes so
that a crash leaves old or new, checks hashes, and holds the lock. `folder.py` brings them together.
"""

from bluelamp.store.accounting import Counts
from bluelamp.store.folder import BatchWriter, Store

__all__ = ["BatchWriter", "Counts", "Store"]
