"""Anything into standard tables: delimited extracts through column maps, and the made-up force.

What other rooms use is named here and imported on first use, so that `--help` stays quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bluelamp.sources.column_maps import (
        ColumnMap,
        column_map_schema,
        parse_column_map,
        read_column_map,
        shipped_maps,
    )
    from bluelamp.sources.crosswalks import (
        UNMAPPED,
        CodeRule,
        Crosswalk,
        CrosswalkFile,
        changed_rules,
        claims,
        classes,
        classify,
        crosswalk_schema,
        meanings,
        newest_version,
        read_crosswalk,
        shipped_crosswalks,
        version_before,
        write_version,
    )
    from bluelamp.sources.extracts import Chunk, Extract, read_extract, reasons, resumed
    from bluelamp.sources.files import Query, file_sha256
    from bluelamp.sources.folder_proposals import FolderProposal, propose_database, propose_folder
    from bluelamp.sources.proposals import Proposal, Question, guess_class, propose
    from bluelamp.sources.rules import RULES
    from bluelamp.sources.tokens import is_token, secret_of

_HOMES = {
    "ColumnMap": "column_maps",
    "column_map_schema": "column_maps",
    "parse_column_map": "column_maps",
    "read_column_map": "column_maps",
    "shipped_maps": "column_maps",
    "UNMAPPED": "crosswalks",
    "CodeRule": "crosswalks",
    "Crosswalk": "crosswalks",
    "CrosswalkFile": "crosswalks",
    "changed_rules": "crosswalks",
    "claims": "crosswalks",
    "classes": "crosswalks",
    "classify": "crosswalks",
    "crosswalk_schema": "crosswalks",
    "meanings": "crosswalks",
    "newest_version": "crosswalks",
    "read_crosswalk": "crosswalks",
    "shipped_crosswalks": "crosswalks",
    "version_before": "crosswalks",
    "write_version": "crosswalks",
    "Query": "files",
    "file_sha256": "files",
    "RULES": "rules",
    "Chunk": "extracts",
    "Extract": "extracts",
    "read_extract": "extracts",
    "reasons": "extracts",
    "resumed": "extracts",
    "FolderProposal": "folder_proposals",
    "propose_database": "folder_proposals",
    "propose_folder": "folder_proposals",
    "Proposal": "proposals",
    "Question": "proposals",
    "guess_class": "proposals",
    "propose": "proposals",
    "is_token": "tokens",
    "secret_of": "tokens",
}

__all__ = [
    "RULES",
    "UNMAPPED",
    "Chunk",
    "CodeRule",
    "ColumnMap",
    "Crosswalk",
    "CrosswalkFile",
    "Extract",
    "FolderProposal",
    "Proposal",
    "Query",
    "Question",
    "changed_rules",
    "claims",
    "classes",
    "classify",
    "column_map_schema",
    "crosswalk_schema",
    "file_sha256",
    "guess_class",
    "is_token",
    "meanings",
    "newest_version",
    "parse_column_map",
    "propose",
    "propose_database",
    "propose_folder",
    "read_column_map",
    "read_crosswalk",
    "read_extract",
    "reasons",
    "resumed",
    "secret_of",
    "shipped_crosswalks",
    "shipped_maps",
    "version_before",
    "write_version",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'bluelamp.sources' has no attribute '{name}'")
    return getattr(import_module(f"bluelamp.sources.{_HOMES[name]}"), name)
