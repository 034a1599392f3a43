"""Statements and queries as frozen data: what the text said, with names unresolved and positions kept.

Everything below `sql/` sees only these; sqlglot and lark trees stay inside that folder.  `position` is a 0-based
character offset into the statement's text.  A Query keeps the foreign tree in `tree`, opaque to all but `sql/`.
"""

from sqlengine.sql.ast.access import *  # noqa: F403 (the vocabulary in one place; each name is written once)
from sqlengine.sql.ast.alteration import *  # noqa: F403
from sqlengine.sql.ast.constraints import *  # noqa: F403
from sqlengine.sql.ast.cursors import *  # noqa: F403
from sqlengine.sql.ast.expressions import *  # noqa: F403
from sqlengine.sql.ast.hive import *  # noqa: F403
from sqlengine.sql.ast.queries import *  # noqa: F403
from sqlengine.sql.ast.row_patterns import *  # noqa: F403
from sqlengine.sql.ast.statements import *  # noqa: F403
