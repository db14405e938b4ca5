"""Formats that extracts come in: a member reads one kind of source.

A member has two functions. `fits(source, head)` says how sure it is that a source is of its kind, 0 being "not at all";
`head` are the first bytes of a file. `read(source, reading)` gives the source as an `ExtractFile`.
"""
