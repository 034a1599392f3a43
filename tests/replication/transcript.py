"""Transcripts: commands to a small set of replicas and their controller, and all that they say and do.

README.md describes the format. A section runs in a fresh world in which nothing is lost, reordered or late unless a
command says so.
"""

from __future__ import annotations

import dataclasses
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from storage.replication import controller, machine
from storage.replication.controller import Controller
from storage.replication.messages import (
    CONTROLLER,
    NOBODY,
    Answered,
    Append,
    AppendRefused,
    Damaged,
    Decided,
    ElectUnclean,
    Entry,
    Event,
    Heartbeat,
    Integrity,
    Member,
    Message,
    Metadata,
    Reassign,
    Refusal,
    SetMinInsync,
    Synced,
    Tick,
    Trim,
)
from storage.replication.refusals import refusal_error
from storage.replication.state import Following, Leading, Replica, Settings, opened
from tests.replication.disk import Disk

CLIENT = 100
HIDDEN = ("sender", "round", "incarnation", "life", "request")


class TranscriptError(Exception):
    """A line of a transcript cannot be understood."""


@dataclass(frozen=True)
class Command:
    """A line that begins with `>`, its number in the file, and the output below it."""

    text: str
    line: int
    output: tuple[str, ...]


@dataclass(frozen=True)
class Section:
    """`== name (options)` and its commands."""

    name: str
    options: str
    commands: tuple[Command, ...]


def parse(text: str) -> tuple[Section, ...]:
    """The sections of a file."""
    sections: list[Section] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("== "):
            match = re.fullmatch(r"== (.+?)(?: \((.*)\))?", line)
            assert match is not None
            sections.append(Section(match[1], match[2] or "", ()))
        elif line.startswith("> ") and sections:
            last = sections[-1]
            sections[-1] = replace(last, commands=(*last.commands, Command(line[2:], number, ())))
        elif line.strip() and not line.startswith("#"):
            if not sections or not sections[-1].commands:
                raise TranscriptError(f"line {number}: output without a command")
            *earlier, command = sections[-1].commands
            command = replace(command, output=(*command.output, line))
            sections[-1] = replace(sections[-1], commands=(*earlier, command))
    return tuple(sections)


def rewritten(text: str, answers: dict[int, list[str]]) -> str:
    """The text with the output of each command (by its line) replaced."""
    lines: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if number in answers:
            lines += [line, *answers[number]]
        elif not line.strip() or line.startswith(("#", "=")):
            lines.append(line)
    return "\n".join(lines) + "\n"


# ---------------------------------------------------------------- how things are written


def shown(value: Any) -> str:
    """A field's value."""
    if isinstance(value, Entry):
        return f"{value.base_offset}..{value.next_offset}@{value.leader_epoch}"
    if isinstance(value, Member):
        return str(value.replica)
    if isinstance(value, Metadata):
        return shown_metadata(value)
    if isinstance(value, tuple):
        return ",".join(shown(item) for item in value) or "-"
    if isinstance(value, Refusal) and value is not Refusal.NONE:
        return f'"{refusal_error(value).message}"'
    if isinstance(value, (Integrity, Refusal)):
        return value.name.lower()
    return value.decode() if isinstance(value, bytes) else str(value)


def shown_metadata(value: Metadata) -> str:
    """The decisions, as short as can be."""
    leader = "nobody" if value.leader == NOBODY else str(value.leader)
    parts = [f"v{value.version} leader={leader} epoch={value.leader_epoch} isr={shown(value.isr)}"]
    for name in ("eligible", "suspects", "target"):
        if getattr(value, name):
            parts.append(f"{name}={shown(getattr(value, name))}")
    parts.append(f"replicas={shown(value.replicas)}")
    if value.unclean_epoch == value.leader_epoch:
        parts.append("unclean")
    return " ".join(parts)


def shown_message(message: Message) -> str:
    """Kind and fields of a message."""
    fields = [field.name for field in dataclasses.fields(message) if field.name not in HIDDEN]
    if isinstance(message, Decided):
        return f"decided {shown_metadata(message.metadata)}"
    named = " ".join(f"{name}={shown(getattr(message, name))}" for name in fields)
    return f"{type(message).__name__.lower()} {named}".rstrip()


def name_of(node: int) -> str:
    """How a node is called."""
    return {CONTROLLER: "controller", CLIENT: "client"}.get(node, str(node))


# ---------------------------------------------------------------- the world of a section


class Stage:
    """Replicas, a controller, and the messages under way between them, in order."""

    def __init__(self, options: str) -> None:
        given = dict(option.split("=") for option in options.split(", ") if option)
        count = int(given.pop("replicas", "3"))
        members = int(given.pop("members", count))
        self.settings = Settings(commit_synced=given.pop("commit", "written") == "synced")
        min_insync = int(given.pop("min_insync", "1"))
        if given:
            raise TranscriptError(f"unknown options {sorted(given)}")
        self.now_ms = self.lives = self.requests = 0
        self.flight: deque[tuple[int, int, Message]] = deque()
        self.cut: set[tuple[int, int]] = set()
        self.disks = {replica: Disk() for replica in range(count)}
        self.controller: Controller = controller.created(self.settings, tuple(range(members)), min_insync)
        self.replicas: dict[int, Replica] = {}
        self.lines: list[str] = []
        for replica in range(count):
            self.open(replica, Integrity.INTACT)
        self.tick(0)
        self.run(lambda sender, to: True)
        self.lines.clear()

    def do(self, text: str) -> list[str]:
        """The output of one command."""
        self.lines = []
        verb, *arguments = text.split()
        quiet = verb == "quiet"
        if quiet:
            verb, *arguments = arguments
        action = getattr(self, f"do_{verb}", None)
        if action is None:
            raise TranscriptError(f'unknown command "{verb}"')
        action(*arguments)
        return [] if quiet else self.lines

    # --- commands ---

    def do_tick(self, milliseconds: str, *nodes: str) -> None:
        """Time passes, for all or for the named; in pieces, as a caller would tick."""
        left = int(milliseconds)
        while left > 0:
            piece = min(left, 500)
            self.now_ms, left = self.now_ms + piece, left - piece
            self.tick(self.now_ms, [self.node(n) for n in nodes])
            if left:
                self.run(lambda sender, to: True)

    def do_run(self, *link: str) -> None:
        """Messages arrive, and the answers to them, until none is left; or only those of one link: `run 1 -> 0`."""
        if not link:
            self.run(lambda sender, to: True)
            return
        wanted = (self.node(link[0]), self.node(link[2]))
        self.run(lambda sender, to: (sender, to) == wanted)

    def do_lose(self) -> None:
        """All messages under way are lost."""
        self.flight.clear()

    def do_cut(self, sender: str, arrow: str, to: str) -> None:
        """One direction of a link is cut (`->`), or both (`<->`)."""
        self.cut.add((self.node(sender), self.node(to)))
        if arrow == "<->":
            self.cut.add((self.node(to), self.node(sender)))

    def do_heal(self) -> None:
        """All links work again."""
        self.cut.clear()

    def do_append(self, replica: str, records: str = "1") -> None:
        """A client appends so many records."""
        self.requests += 1
        self.deliver(self.node(replica), Append(CLIENT, self.requests, int(records), b"%d" % self.requests))

    def do_sync(self, replica: str) -> None:
        """All that a replica has written is synced."""
        disk = self.disks[self.node(replica)]
        disk.synced = disk.end
        self.deliver(self.node(replica), Synced(disk.synced))

    def do_crash(self, replica: str, kept: str | None = None) -> None:
        """A replica goes down, with all records or only those before an offset left."""
        number = self.node(replica)
        del self.replicas[number]
        self.flight = deque(one for one in self.flight if number not in one[:2])
        if kept is not None:
            self.disks[number].cut(int(kept))

    def do_open(self, replica: str, integrity: str = "intact") -> None:
        """A replica comes back and registers."""
        self.open(self.node(replica), Integrity[integrity.upper()])
        self.tick(self.now_ms, [self.node(replica)])

    def do_damage(self, replica: str, offset: str) -> None:
        """A replica cannot read its records from an offset on."""
        self.lives += 1
        self.disks[self.node(replica)].bad_from = int(offset)
        self.deliver(self.node(replica), Damaged(int(offset), self.lives))

    def do_trim(self, replica: str, offset: str) -> None:
        """Retention drops records before an offset."""
        self.deliver(self.node(replica), Trim(int(offset)))

    def do_reassign(self, replicas: str) -> None:
        """An operator wants the partition on `0,1,2`."""
        self.deliver(CONTROLLER, Reassign(CLIENT, 0, tuple(int(r) for r in replicas.split(","))))

    def do_min_insync(self, count: str) -> None:
        """An operator sets min_insync_replicas."""
        self.deliver(CONTROLLER, SetMinInsync(CLIENT, 0, int(count)))

    def do_unclean(self) -> None:
        """An operator accepts a loss."""
        self.deliver(CONTROLLER, ElectUnclean(CLIENT, 0))

    def do_state(self) -> None:
        """What everyone is and has."""
        self.lines.append(f"controller {shown_metadata(self.controller.metadata)}")
        for number in sorted(self.disks):
            self.lines.append(f"{number} {self.shown_replica(number)}")

    # --- what they are made of ---

    def node(self, name: str) -> int:
        return CONTROLLER if name == "controller" else int(name)

    def open(self, replica: int, integrity: Integrity) -> None:
        self.lives += 1
        log = self.disks[replica].found()
        self.replicas[replica] = opened(replica, self.settings, life=self.lives, log=log, integrity=integrity)

    def tick(self, now_ms: int, nodes: list[int] | None = None) -> None:
        for node in nodes or [CONTROLLER, *sorted(self.replicas)]:
            self.deliver(node, Tick(now_ms))

    def run(self, wanted: Callable[[int, int], bool]) -> None:
        for _ in range(1000):
            found = next((one for one in self.flight if wanted(one[0], one[1])), None)
            if found is None:
                return
            self.flight.remove(found)
            sender, to, message = found
            if to not in self.replicas and to != CONTROLLER:
                continue
            if not isinstance(message, Heartbeat):
                self.lines.append(f"{name_of(to)} <- {name_of(sender)}: {shown_message(message)}")
            self.deliver(to, message)
        raise TranscriptError("the messages do not come to an end")

    def deliver(self, to: int, event: Event) -> None:
        if to == CONTROLLER:
            self.step_controller(event)
        else:
            self.step_replica(to, event)

    def step_controller(self, event: Event) -> None:
        before = self.controller.metadata
        self.controller, ready = controller.step(self.controller, event)
        if self.controller.metadata != before:
            self.lines.append(f"    controller decides {shown_metadata(self.controller.metadata)}")
        for send in ready.messages:
            is_news = not isinstance(send.message, Decided) or self.is_news(send.to, send.message.metadata)
            if is_news:
                self.send(CONTROLLER, send.to, send.message)

    def is_news(self, replica: int, metadata: Metadata) -> bool:
        """Whether a replica does not know these decisions yet; the others are answers to heartbeats."""
        state = self.replicas.get(replica)
        return state is None or state.metadata != metadata or state.integrity is not Integrity.INTACT

    def step_replica(self, number: int, event: Event) -> None:
        before, disk = self.replicas[number], self.disks[number]
        state, ready = machine.step(before, event)
        self.replicas[number] = state
        for cut in ready.truncations:
            self.lines.append(f"    {number} drops {'all of' if cut.start is not None else 'from'} {cut.end} on")
        for entry in ready.appends:
            self.lines.append(f"    {number} writes {shown(entry)}")
        if ready.delete_before is not None:
            self.lines.append(f"    {number} deletes before {ready.delete_before}")
        disk.perform(ready)
        if type(state.role) is not type(before.role) or self.epoch(state) != self.epoch(before):
            self.lines.append(f"    {number} {self.shown_role(state)}")
        if ready.committed is not None:
            self.lines.append(f"    {number} commits up to {ready.committed}")
        for read in ready.reads:
            self.send(number, read.to, replace(read.reply, entries=disk.read(read, 100)))
        for send in ready.messages:
            self.send(number, send.to, send.message)

    def send(self, sender: int, to: int, message: Message) -> None:
        if to == CLIENT:
            self.lines.append(f"    {name_of(sender)} answers {shown_message(message)}")
            if isinstance(message, (Answered, AppendRefused)) and message.reason is not Refusal.NONE:
                self.lines.append(f"        hint: {refusal_error(message.reason).hint}")
        elif (sender, to) not in self.cut:
            self.flight.append((sender, to, message))

    def epoch(self, state: Replica) -> int:
        return state.role.epoch if isinstance(state.role, (Leading, Following)) else NOBODY

    def shown_role(self, state: Replica) -> str:
        if isinstance(state.role, Leading):
            return f"leads in epoch {state.role.epoch}"
        if isinstance(state.role, Following):
            return f"follows {state.role.leader} in epoch {state.role.epoch}"
        return "is removed" if state.is_removed else "stands by"

    def shown_replica(self, number: int) -> str:
        state = self.replicas.get(number)
        entries = ",".join(shown(entry) for entry in self.disks[number].entries) or "nothing"
        if state is None:
            return f"is down with {entries}"
        return f"{self.shown_role(state)}, has {entries}, committed up to {state.high_watermark}"


def play(section: Section) -> dict[int, list[str]]:
    """The output of each command of a section, by its line."""
    stage = Stage(section.options)
    answers = {}
    for command in section.commands:
        try:
            answers[command.line] = stage.do(command.text)
        except (TranscriptError, TypeError, ValueError, KeyError) as error:
            raise TranscriptError(f"line {command.line}: {command.text}: {error}") from error
    return answers
