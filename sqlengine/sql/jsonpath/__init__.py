"""SQL's language of paths into JSON (ISO/IEC 9075-2, 9.44; PostgreSQL's jsonpath): its text, tree and canonical form.

What a path leads to is found in sqlengine/functions/jsonpath.
"""
