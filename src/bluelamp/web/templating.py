"""The templates of all pages, read once, with the navigation that they share, and who may follow which link."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, select_autoescape

from bluelamp.web.navigation import may_look, may_take, navigation
from bluelamp.web.wording import change

TEMPLATES = Environment(loader=PackageLoader("bluelamp.web", "templates"), autoescape=select_autoescape(["html"]))
TEMPLATES.globals.update(navigation=navigation, may_look=may_look, may_take=may_take, change=change)
