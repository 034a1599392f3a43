"""Physical operators: one file each; BUILDERS maps a plan node's class to its operator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlengine.operators.asof_join import AsofJoinOperator
from sqlengine.operators.assign_window import AssignWindowOperator
from sqlengine.operators.base import Operator
from sqlengine.operators.changelog import ChangelogOperator
from sqlengine.operators.drop_late import DropLateOperator
from sqlengine.operators.emit_every import EmitEveryOperator
from sqlengine.operators.filter import FilterOperator
from sqlengine.operators.group_aggregate import GroupAggregateOperator
from sqlengine.operators.hold_watermark import HoldWatermarkOperator
from sqlengine.operators.iterate import IterateOperator
from sqlengine.operators.join import JoinOperator
from sqlengine.operators.lookup_join import LookupJoinOperator
from sqlengine.operators.match.operator import MatchOperator
from sqlengine.operators.over.operator import OverOperator
from sqlengine.operators.project import ProjectOperator
from sqlengine.operators.recompute import RecomputeOperator
from sqlengine.operators.release_in_order import ReleaseInOrderOperator
from sqlengine.operators.repeat import RepeatOperator
from sqlengine.operators.rounds import RoundsOperator
from sqlengine.operators.session_aggregate import SessionAggregateOperator
from sqlengine.operators.sharded import Sharded
from sqlengine.operators.sharded_winners import ShardedWinners
from sqlengine.operators.temporal_filter import TemporalFilterOperator
from sqlengine.operators.top_n import TopNOperator
from sqlengine.operators.union_all import UnionAllOperator
from sqlengine.operators.unnest import UnnestOperator
from sqlengine.operators.values import ValuesOperator
from sqlengine.operators.versions import VersionsOperator
from sqlengine.operators.window_aggregate import WindowAggregateOperator
from sqlengine.operators.window_winners import WindowWinnersOperator
from sqlengine.operators.working_tables import WorkingTablesOperator
from sqlengine.plan import nodes
from sqlengine.plan.match_node import MatchRecognize
from sqlengine.plan.sharding import calls_program, shard_keys
from sqlengine.workers import Workers

BUILDERS: dict[type[nodes.Node], Callable[[Any], Operator]] = {
    nodes.AsofJoin: AsofJoinOperator,
    nodes.AssignWindow: AssignWindowOperator,
    nodes.Changelog: ChangelogOperator,
    nodes.DropLate: DropLateOperator,
    nodes.EmitEvery: EmitEveryOperator,
    nodes.Filter: FilterOperator,
    nodes.GroupAggregate: GroupAggregateOperator,
    nodes.HoldWatermark: HoldWatermarkOperator,
    nodes.Iterate: lambda node: IterateOperator(node, build_operator),
    nodes.Join: JoinOperator,
    nodes.LookupJoin: LookupJoinOperator,
    MatchRecognize: MatchOperator,
    nodes.Over: OverOperator,
    nodes.Project: ProjectOperator,
    nodes.Recompute: RecomputeOperator,
    nodes.ReleaseInOrder: ReleaseInOrderOperator,
    nodes.Rounds: lambda node: RoundsOperator(node, build_operator),
    nodes.Repeat: RepeatOperator,
    nodes.SessionAggregate: SessionAggregateOperator,
    nodes.TemporalFilter: TemporalFilterOperator,
    nodes.TopN: TopNOperator,
    nodes.UnionAll: UnionAllOperator,
    nodes.Unnest: UnnestOperator,
    nodes.Values: ValuesOperator,
    nodes.Versions: VersionsOperator,
    nodes.WindowAggregate: WindowAggregateOperator,
    nodes.WindowWinners: WindowWinnersOperator,
    nodes.WorkingTables: lambda node: WorkingTablesOperator(node, build_operator),
}


def build_operator(node: nodes.Node) -> Operator:
    """The operator of a node."""
    return BUILDERS[type(node)](node)


def build_parallel(node: nodes.Node, workers: Workers) -> Operator:
    """The operator of a node, on several threads where it can be: by shards of its keys, or by pieces of a batch."""
    if calls_program(node):
        return build_operator(node)
    match node:
        case nodes.WindowWinners():
            return ShardedWinners(node, workers)
        case _ if shard_keys(node):
            return Sharded(lambda: build_operator(node), shard_keys(node), workers)
        case nodes.SessionAggregate():
            return SessionAggregateOperator(node, workers)
        case nodes.WindowAggregate():
            return WindowAggregateOperator(node, workers)
        case nodes.Join() if type(node) is nodes.Join:
            return JoinOperator(node, workers)
    return build_operator(node)
