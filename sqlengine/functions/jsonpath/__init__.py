"""What paths into JSON lead to: items, the meaning of each kind of step, predicate and method, and a path made ready.

The meaning is PostgreSQL's (manual, section 9.16.2); its grammar is in sqlengine/sql/jsonpath.
"""
