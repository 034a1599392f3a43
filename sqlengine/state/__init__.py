"""State of operators: key indexes, value dictionaries, row stores; columnar, snapshot and restore of each.

It must not do I/O nor know plans; operators own the state and say when to compact.
"""
