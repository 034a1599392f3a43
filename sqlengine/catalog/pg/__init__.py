"""PostgreSQL's catalog as clients ask for it: the schemas `pg_catalog` and `information_schema` from live metadata.

`relations` has the columns of every system relation of PostgreSQL 15, `types` its types; `facts` is what rows are made
of; `rows/` has the rows, one file a family of relations, `functions/` the functions that go with them.  The queries
themselves are ordinary ones: sql/pg_forms.py and sql/pg_types.py put what only these queries say into words that the
snapshot executor knows, and snapshot/pg.py calls the functions.
"""
