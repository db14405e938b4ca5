"""Bluelamp: a digital map of a police force's workforce against projected demand."""

__version__ = "0.1.0"
