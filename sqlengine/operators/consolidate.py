"""consolidate: cancel opposite weights of equal rows.

Why: a tick may insert and delete the same row; what comes after should see only the net change.  Equal means equal by
state/fingerprint.py: NULL equals NULL.  It must not reorder rows: survivors keep the order of their first appearance.
"""

from __future__ import annotations

import numpy as np

from sqlengine.delta import Delta
from sqlengine.state.row_index import net_weights


def consolidate(delta: Delta | None) -> Delta | None:
    """The delta with at most one entry per distinct row and no weight 0, or None when nothing is left.

    A delta without negative weights has nothing to cancel and is returned as it is.
    """
    if delta is None or not delta.num_rows:
        return None
    if delta.weights is None or int(delta.weights.min()) > 0:
        return delta
    rows, weights, prints = net_weights(delta)
    if not len(rows):
        return None
    if len(rows) == delta.num_rows and bool(np.array_equal(weights, delta.weights)):
        return Delta(delta.batch, weights, prints)
    return Delta(delta.take(rows).batch, weights, prints[rows])
