"""HQL: text in Hive's dialect -> the same statements and queries as of our own SQL.

`lexer.py` cuts text into the tokens that everything behind it knows, `rewrite.py` and `tree.py` put what only Hive
says into forms that have a word in `ast`, and `lower.py` names operators and functions `hive$...`, so that their
meaning, which depends on types, is settled where expressions are bound (expr/hive).
"""
