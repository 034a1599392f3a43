"""The replication protocol: replicas and their controller as pure step functions, their messages, the codec."""

from storage.replication.codec import decode, encode
from storage.replication.controller import Controller, ControllerReady, Saved
from storage.replication.machine import step
from storage.replication.messages import CONTROLLER, NOBODY, Entry, Integrity, Metadata, Refusal
from storage.replication.refusals import refusal_error
from storage.replication.state import LogState, Ready, Replica, Settings, opened

__all__ = [
    "CONTROLLER",
    "NOBODY",
    "Controller",
    "ControllerReady",
    "Entry",
    "Integrity",
    "LogState",
    "Metadata",
    "Ready",
    "Refusal",
    "Replica",
    "Saved",
    "Settings",
    "decode",
    "encode",
    "opened",
    "refusal_error",
    "step",
]
