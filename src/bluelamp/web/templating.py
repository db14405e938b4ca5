"""The templates of all pages, read once, with the navigation that they share."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, select_autoescape

from bluelamp.web.navigation import navigation

TEMPLATES = Environment(loader=PackageLoader("bluelamp.web", "templates"), autoescape=select_autoescape(["html"]))
TEMPLATES.globals["navigation"] = navigation
