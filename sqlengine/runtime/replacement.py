"""Views that change while they run.

The new definition is brought up to date beside the old one, which answers meanwhile.  Views over it whose plans stay
as they are go on with their state and are told the difference; those whose plans change are brought up to date with it;
where neither can be, nothing is changed.  Then, in one tick, all of them take their places.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial

import pyarrow as pa

from sqlengine import sql
from sqlengine.catalog.objects import (
    REPLACEMENT,
    STREAM_QUERY,
    CatalogObject,
    ColumnInfo,
    MaterializedView,
    Sink,
    Stream,
    Subscription,
    View,
    indexes_of,
    kept_columns,
)
from sqlengine.catalog.seen import unseen
from sqlengine.errors import DependentObjects, Error, InvalidDefinition, NotSupportedError, ObjectInUse, ObjectNotReady
from sqlengine.plan import nodes
from sqlengine.plan.nodes import Node
from sqlengine.plan.pipeline import Planned
from sqlengine.quick_dataclass import dataclass
from sqlengine.runtime.cut import make_cut
from sqlengine.runtime.fill import Fill, Member, Pace
from sqlengine.runtime.instance import Instance
from sqlengine.runtime.one_shot import prepare
from sqlengine.runtime.planning import Planning, emit_of
from sqlengine.runtime.query import ContinuousQuery
from sqlengine.runtime.subscriptions import follow_replaced
from sqlengine.snapshot.expand import OwnOperators
from sqlengine.sql import ast


@dataclass(frozen=True)
class NewView:
    """A materialized view as it will be, with the plan under its own columns' names."""

    view: MaterializedView
    planned: Planned


def new_view(view: MaterializedView, planned: Planned) -> NewView:
    """A view and the plan of its query."""
    return NewView(view, planned.renamed([c.name for c in view.columns]))


def consequences(instance: Instance, new: View | NewView) -> list[NewView]:
    """The views over a view to be replaced that must be made anew, in dependency order; the lock is held.

    DependentObjects (2BP01) names those that can neither be so nor go on; InvalidDefinition (42P17) when the new
    definition reads itself.
    """
    obj = new if isinstance(new, View) else new.view
    over = [o for o in instance.catalog.dependents(obj.name) if not o.name.endswith(REPLACEMENT)]
    if {obj.name, *(o.name for o in over)} & set(obj.depends_on()) or instance.catalog.way(obj.name, obj.depends_on()):
        raise InvalidDefinition(f'{obj.kind} "{obj.name}" would read itself')
    plans = {} if isinstance(new, View) else {obj.name: new.planned.physical}
    ahead = Planning(instance, instance.catalog.with_object(obj), plans)
    changed, anew, refused = {obj.name}, list[NewView](), list[str]()
    for above in reversed(over):
        if isinstance(above, (MaterializedView, Sink)) and above.query_id not in instance.scheduler.queries:
            continue
        if isinstance(above, Stream):  # its query tells
            continue
        try:
            made = _as_it_will_be(instance, above, ahead, changed)
        except Error as error:
            shown = f"{above.kind} {above.name}"
            if above.name.endswith(STREAM_QUERY):
                shown = f"stream {above.name.removesuffix(STREAM_QUERY)}"
            refused.append(f"{shown} depends on {obj.kind} {obj.name}: {error.message}")
            continue
        if made is not None:
            anew.append(made)
            changed.add(made.view.name)
            plans = {**ahead.plans, made.view.name: made.planned.physical}
            ahead = Planning(instance, ahead.catalog.with_object(made.view), plans)
    if refused:
        raise DependentObjects(
            f"cannot replace {obj.kind} {obj.name} because other objects depend on it",
            detail="\n".join(refused),
            hint="keep the columns they use, with the same types, or drop them first",
        )
    return anew


def _columns_of(planning: Planning, query: ast.Query) -> pa.Schema:
    """What a plain view's query answers with."""
    try:
        return planning.expanded(query).describe()
    except OwnOperators:
        return prepare(query, planning).schema


def _as_it_will_be(instance: Instance, obj: CatalogObject, ahead: Planning, changed: Collection[str]) -> NewView | None:
    """What becomes of an object over changed ones: a new view, or None when it goes on; raises when it cannot."""
    if isinstance(obj, View):
        query = sql.parse_query(obj.query)
        _require_prefix(_columns_of(instance.planning, query), _columns_of(ahead, query))
        return None
    assert isinstance(obj, (MaterializedView, Sink))
    now = instance.planning.plan_again(obj)
    anew = replace(obj, planning=unseen(obj.planning))
    has_texts = not any(isinstance(ahead.catalog.get(tuple(name.split("."))), View) for name in changed)
    then = ahead.plan_again(obj if has_texts else anew)  # of the texts it was made of, unless one is another now
    _require_prefix(now.schema, then.schema)
    more = [ColumnInfo(f.name, f.type) for f in list(then.schema)[len(now.schema) :]]
    columns = (*obj.columns, *more)
    if isinstance(obj, MaterializedView):
        then = then.renamed([c.name for c in columns])
    running = instance.query_of(obj)
    if isinstance(obj, Subscription):
        return None
    if then.physical == running.plan and takes_differences(then.physical, changed):
        return None
    if isinstance(obj, Sink):
        raise NotSupportedError("what it has written cannot be taken back")
    if anew.planning is not obj.planning:
        then = ahead.plan_again(anew).renamed([c.name for c in columns])
    rows = {**obj.planning.rows, **then.rows}
    planning = replace(anew.planning, rows=rows)
    view = replace(obj, columns=columns, query_id=instance.next_id("q"), planning=planning)
    return NewView(view, then)


def _require_prefix(old: pa.Schema, new: pa.Schema) -> None:
    """The columns there were must be the first of those there will be."""
    for i, field in enumerate(old):
        if i >= len(new) or new.field(i).name != field.name:
            raise InvalidDefinition(f'its column "{field.name}" would be gone or elsewhere')
        if new.field(i).type != field.type:
            raise InvalidDefinition(f'the type of its column "{field.name}" would change')


def takes_differences(plan: Node, changed: Collection[str]) -> bool:
    """Whether rows of views may come and go at any time: not where it counts on rows that stay, or on their times."""
    scans = [node for node in _nodes(plan) if isinstance(node, nodes.Scan) and node.source in changed]
    timed = any(s.time_columns or any(slack is not None for slack in s.slacks_us) for s in scans)
    passing = all(isinstance(node, (nodes.Scan, nodes.Filter, nodes.Project)) for node in _nodes(plan))
    return not any(s.append_only for s in scans) and (passing or not timed)


def _nodes(plan: Node) -> list[Node]:
    return [plan, *(below for i in plan.inputs for below in _nodes(i))]


def begin_replacement(instance: Instance, new: View | NewView, pace: Pace) -> Fill | None:
    """Begin to bring a new definition up to date; the caller holds the lock and has the fill's steps made.

    None when nothing had to be read and it has happened already.  Raises as `consequences`; ObjectInUse (55006) while
    another replacement of the view is being brought up to date.
    """
    instance.scheduler.catch_up()
    views = [] if isinstance(new, View) else [new]
    views += consequences(instance, new)
    for each in views:
        other = instance.fills.by_name(each.view.name)
        if other is not None:
            raise ObjectInUse(
                f'"{each.view.name}" is being replaced already', hint=f"CANCEL QUERY {other.query.query_id} ends that"
            )
    if not views:
        assert isinstance(new, View)
        instance.catalog.change([new])
        return None
    queries = [
        instance.build(v.view.query_id, v.view.name, v.view.sql, v.planned, emit_of(v.view), keep=True) for v in views
    ]
    places = {q.name: q.query_id for q in instance.scheduler.queries.values()}
    for query in queries:
        if query.name not in places:
            raise ObjectNotReady(f'"{query.name}" does not run, so nothing can take its place', hint="drop it first")
    members = [Member(query, places[query.name]) for query in queries]
    cut = make_cut(instance, queries, snapshot=True)
    fill = Fill(instance.scheduler, members, cut, partial(_take_places, instance, new, views), pace)
    instance.fills.add(fill)
    return fill


def _take_places(instance: Instance, new: View | NewView, views: Sequence[NewView], fill: Fill) -> None:
    """The new views are up to date: they are the views from now on.  The lock is held."""
    anew = [] if isinstance(new, View) else [new.view.name]
    anew += [each.view.name for each in consequences(instance, new)]
    if anew != [each.view.name for each in views]:
        raise ObjectInUse("what depends on the view has changed meanwhile", hint="try again")
    obj = new if isinstance(new, View) else new.view
    objects = [_with_what_stays(o, instance) for o in [obj, *(v.view for v in views)]]
    instance.catalog.change(objects, without=[obj.name + REPLACEMENT])
    for other in instance.fills:
        if other is not fill and other.reads & set(anew):
            other.end(ObjectInUse("a view it reads was replaced", hint="try again"))
    plans = {each.view.name: each.planned.physical for each in views}
    for query in list(instance.scheduler.queries.values()):
        if query.query_id.startswith("follow") and set(query.upstream) & set(anew):
            _check_follower(query, plans)
    follow_replaced(instance, Planning(instance, instance.catalog, plans), anew)
    instance.scheduler.swap({member.place: member.query for member in fill.members})
    for member in fill.members:
        instance.share(member.query)


def _with_what_stays(new: CatalogObject, instance: Instance) -> CatalogObject:
    """An object as the one whose place it takes was described and shared meanwhile."""
    old = instance.catalog.get(tuple(new.name.split(".")))
    new = replace(new, comment=old.comment, owner=old.owner, grants=old.grants, column_grants=kept_columns(new, old))
    if isinstance(new, MaterializedView):
        names = {c.name for c in new.columns}
        return replace(new, indexes=tuple(i for i in indexes_of(old) if names.issuperset(i.columns)))
    return new


def _check_follower(query: ContinuousQuery, plans: dict[str, Node]) -> None:
    """A follower goes on while what it reads is there and may come and go; else it ends with an error."""
    for scan in (node for node in _nodes(query.plan) if isinstance(node, nodes.Scan) and node.source in plans):
        schema = plans[scan.source].schema
        for name in scan.columns:
            at = schema.get_field_index(name)
            if at < 0 or schema.field(at).type != scan.schema.field(name).type:
                query.status = "failed"
                query.error = NotSupportedError(
                    f'materialized view "{scan.source}" was replaced: its column "{name}" has gone or changed its type',
                    hint="follow it again",
                )
    if query.status != "failed" and not takes_differences(query.plan, plans):
        query.status = "failed"
        query.error = NotSupportedError("a view it counted on never to take a row back was replaced")


def replacement_of(view: MaterializedView) -> str:
    """The name under which the catalog keeps what will replace a view."""
    return view.name + REPLACEMENT


def is_replacement(obj: CatalogObject) -> bool:
    """Whether it is kept only until it takes another's place."""
    return obj.name.endswith(REPLACEMENT)


def as_replacement(view: MaterializedView) -> MaterializedView:
    """A view under the name it is kept until it takes the place of the one there is."""
    return replace(view, name=replacement_of(view), filling=True)


def out_of_replacement(view: MaterializedView) -> MaterializedView:
    """The inverse of `as_replacement`."""
    return replace(view, name=view.name.removesuffix(REPLACEMENT), filling=False)
