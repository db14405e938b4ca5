"""Write the parts of the reference that the code itself says, so that a meaning is written once.

    python docs/make_reference.py            write docs/reference/
    python docs/make_reference.py --check    fail, naming the pages, where what is written is no longer so

Written are: a page for each table with their index and diagram, settings, column maps, crosswalks, commands, web
addresses, exit codes, the rules of intake, classes and priors, and the methods of each family. Pages that people write
(the map's format, the index of the reference) are left alone.
"""

from __future__ import annotations

import json
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

from bluelamp import cli, errors, extensions, settings, sources, tables

REFERENCE = Path(__file__).parent / "reference"
MADE = "<!-- Written by docs/make_reference.py from {source}. Change it there: edits here are lost. -->\n"
KINDS = {
    "imported": (
        "Tables that a force imports",
        "Filled by `bluelamp import`; `bluelamp template NAME` gives a blank one.",
    ),
    "result": ("Tables that a run makes", "Made by `bluelamp plan`, all of one run together."),
    "record": ("Records that the store keeps", "Written by the store itself: what came in, and what was made of it."),
    "account": (
        "Accounts of what came in",
        "Worked out from the store when they are asked for, by `bluelamp data`, `bluelamp table` and the page `/data`.",
    ),
    "analysis": (
        "Analyses of what happened",
        "Worked out when they are asked for, by `bluelamp near-repeat`, `bluelamp before-after`, `bluelamp beats` and "
        "`bluelamp pools`; nothing is stored.",
    ),
    "backtest": (
        "Models held against what came",
        "Made by `bluelamp backtest` and `bluelamp validate`, and shown by `bluelamp table` and the pages `/backtest` "
        "and `/validation`.",
    ),
}
REGIMES = {
    "law_enforcement": "law-enforcement data (in the United Kingdom, Part 3 of the Data Protection Act 2018)",
    "personnel": "personnel data (UK GDPR), shown to nobody on the page",
    "open": "nothing about any person",
}
# A field of this name in another table speaks of a row of this table.
HOMES = {
    "area_id": "areas",
    "parent_id": "areas",
    "pool_id": "pools",
    "person_id": "people",
    "grade_code": "standards",
    "class_code": "service_times",
}
# What a part of the settings is called where another speaks of it.
PARTS = {
    "CrewingPart": "crewing rows",
    "RefreshmentPart": "refreshments rows",
    "Column": "column table",
    "Event": "events",
    "CodeRule": "rules of codes",
    "Swap": "swapped columns",
    "ForceHint": "force",
}
# Settings that are lists of parts: section, name, part.
ROWS = {"staffing": {"crewing": "CrewingPart"}, "duties": {"refreshments": "RefreshmentPart"}}
FAMILIES = {
    "forecast": ("Forecasting methods", "`method` under `[forecast]` in force.toml chooses one."),
    "staffing": (
        "Staffing methods",
        "`method` under `[staffing]` chooses the one that coverage and the map are made with; those named in `rungs` "
        "stand beside it in `required_staff`.",
    ),
}


def made_pages() -> dict[str, str]:
    """Give every generated file of the reference: its path below docs/reference and its text."""
    made = {f"tables/{name}.md": _table_page(name) for name in tables.names()}
    return made | {
        "tables/README.md": _tables_index(),
        "settings.md": _settings_page(),
        "force.schema.json": _as_json(settings.json_schema()),
        "column-maps.md": _column_maps_page(),
        "column-map.schema.json": _as_json(sources.column_map_schema()),
        "crosswalks.md": _crosswalks_page(),
        "crosswalk.schema.json": _as_json(sources.crosswalk_schema()),
        "commands.md": _commands_page(),
        "web.md": _web_page(),
        "exit-codes.md": _exit_codes_page(),
        "intake-rules.md": _rules_page(),
        "classes.md": _classes_page(),
        "methods.md": _methods_page(),
    }


def _as_json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def _grid(head: list[str], rows: list[list[str]]) -> list[str]:
    return [
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
        *(f"| {' | '.join(map(_cell, row))} |" for row in rows),
    ]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _page(title: str, source: str, *parts: str | list[str]) -> str:
    lines = [MADE.format(source=source), f"# {title}"]
    for part in parts:
        lines += ["", *([part] if isinstance(part, str) else part)]
    return "\n".join(lines) + "\n"


# ---- Tables ----


def _table_page(name: str) -> str:
    text = tables.reference_page(name)
    regime = REGIMES[tables.table(name).regime]
    made = MADE.format(source=f"src/bluelamp/schemas/{name}.json")
    return f"{made}\n{text}\nThe rows hold {regime}.\n\n[All tables](README.md)\n"


def _tables_index() -> str:
    parts: list[str | list[str]] = [
        "Every table has one definition, from which come its check, its blank template, its page here and its JSON "
        "Schema (`/schemas/NAME.json` where the map is served). A key is what tells rows apart. Instants are UTC; "
        "`hour_starting` is the start of an hour of the force's own clock, in UTC. Unknown is empty."
    ]
    for kind, (title, words) in KINDS.items():
        rows = []
        for name in tables.names(kind):
            each = tables.table(name)
            key = ", ".join(f"`{part}`" for part in each.key)
            rows.append([f"[{name}]({name}.md)", each.row, key, each.regime.replace("_", " ")])
        parts += [f"## {title}", words, _grid(["Table", "A row is", "Key", "Regime"], rows)]
    parts += [
        "## How they hang together",
        "A line says that the table at its many end has a field that names a row of the other. Demand is counted by "
        "area; officers belong to pools; `pools` says which areas a pool covers, and when.",
        ["```mermaid", "erDiagram", *_diagram(), "```"],
        "Beside these, every row of an imported table carries its `batch_id`, and every row of a result its `run_id`, "
        "when the store's own files are read.",
    ]
    return _page("Tables", "src/bluelamp/schemas/", *parts)


def _diagram() -> Iterator[str]:
    for name in tables.names():
        each = tables.table(name)
        for field in each.fields:
            home = HOMES.get(field.name)
            if home is not None and (home != name or field.name == "parent_id"):
                yield f"    {home} ||--o{{ {name} : {field.name}"


# ---- Settings and column maps ----


def _settings_page() -> str:
    schema = settings.json_schema()
    parts: list[str | list[str]] = [
        "A force is a folder with a file `force.toml`. This is all that can stand in it; a setting that is misspelt is "
        "refused, with the nearest name that there is. The same as JSON Schema: "
        "[force.schema.json](force.schema.json), or `bluelamp doctor --settings-schema`.",
        "Only `[force]` must be there. Paths are relative to the force's folder.",
    ]
    for name, given in schema["properties"].items():
        if name == "sources":
            part, title = _resolve(given["additionalProperties"], schema), "[sources.TABLE]"
            words = f"{given['description']}. {part['description']} TABLE is a table to import, such as `incidents`."
        else:
            part, title = _resolve(given, schema), f"[{name}]"
            words = part["description"]
        parts += [f"## `{title}`", words, _properties(part, schema)]
        for rows, defined in ROWS.get(name, {}).items():
            row = schema["$defs"][defined]
            parts += [f"## `[[{name}.{rows}]]`", row["description"], _properties(row, schema)]
    return _page("Settings: force.toml", "src/bluelamp/settings.py", *parts)


def _resolve(given: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    reference = given.get("$ref") or next((each["$ref"] for each in given.get("allOf", []) if "$ref" in each), None)
    return schema["$defs"][reference.rpartition("/")[2]] if reference else given


def _properties(part: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    rows = []
    for name, given in part["properties"].items():
        if name in part.get("required", []):
            default = "must be given"
        elif given.get("default") in (None, [], {}):
            default = ""
        else:
            default = f"`{json.dumps(given['default'], ensure_ascii=False)}`"
        rows.append([f"`{name}`", _type_words(given, schema), default, given.get("description", "")])
    return _grid(["Name", "Value", "Default", "Meaning"], rows)


def _type_words(given: dict[str, Any], schema: dict[str, Any]) -> str:
    if "anyOf" in given:
        return " or ".join(_type_words(each, schema) for each in given["anyOf"] if each.get("type") != "null")
    if "$ref" in given:
        part = given["$ref"].rpartition("/")[2]
        return f"{PARTS.get(part, part)} (below)"
    if "enum" in given:
        return ", ".join(f"`{each}`" for each in given["enum"])
    if "const" in given:
        return f"`{given['const']}`"
    kind = given.get("type")
    if kind == "array":
        if "prefixItems" in given:
            return f"a pair: {', '.join(_type_words(each, schema) for each in given['prefixItems'])}"
        return f"a list of {_type_words(given['items'], schema)}".replace("a list of a pair", "a list of pairs")
    if kind == "object":
        return f"names, each with {_type_words(given.get('additionalProperties', {}), schema)}"
    words = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}.get(
        kind, "any"
    )
    return ("a date" if given.get("format") == "date" else words) + _bounds(given)


def _bounds(given: dict[str, Any]) -> str:
    least, most = (
        given.get("minimum", given.get("exclusiveMinimum")),
        given.get("maximum", given.get("exclusiveMaximum")),
    )
    said = []
    if least is not None:
        said.append(f"above {least:g}" if "exclusiveMinimum" in given else f"{least:g} or more")
    if most is not None and most < 2**53:
        said.append(f"under {most:g}" if "exclusiveMaximum" in given else f"at most {most:g}")
    return f", {', '.join(said)}" if said else ""


def _column_maps_page() -> str:
    schema = sources.column_map_schema()
    shipped = [[f"`{name}`", title] for name, title in sources.shipped_maps().items()]
    parts: list[str | list[str]] = [
        "A column map says, in one TOML file, how a feed's file becomes a table. How to write one is told in "
        "[Import an extract](../how-to/import-an-extract.md). The same as JSON Schema: "
        "[column-map.schema.json](column-map.schema.json).",
        "## Shipped maps",
        "A shipped map is named without a path; a map of your own by its path, relative to the force's folder.",
        _grid(["Name", "Feed"], shipped),
        "## The file",
        _properties(schema, schema),
    ]
    titles = {
        "Column": (
            "A column: `[columns]`, `district`",
            "In place of the whole table, a plain text is the name of the column.",
        ),
        "Event": ("Events: `[[events]]`", "A field may be given for all rows in `[columns]`, or event by event here."),
        "CodeRule": (
            "Rules of codes: `[[crosswalk]]`",
            "The most exact rule decides. The same stand as `[[rules]]` in a [file of their own](crosswalks.md).",
        ),
        "Swap": ("Swapped columns: `[[swapped]]`", ""),
        "ForceHint": ("The force: `[force]`", "Maps of known feeds have it, so that `bluelamp init` asks nothing."),
    }
    for name, (title, words) in titles.items():
        part = schema["$defs"][name]
        parts += [f"## {title}", f"{part['description']} {words}".strip(), _properties(part, schema)]
    return _page("Column maps", "src/bluelamp/sources/column_maps.py", *parts)


def _crosswalks_page() -> str:
    schema = sources.crosswalk_schema()
    rule = schema["$defs"]["CodeRule"]
    shipped = []
    for name, title in sources.shipped_crosswalks().items():
        crosswalk = sources.read_crosswalk(name).crosswalk
        titles = sources.classes()
        lines = [
            [str(number), titles[each.class_code], each.origin.replace("_", " "), each.nsir or "", each.note or ""]
            for number, each in enumerate(crosswalk.rules, 1)
        ]
        shipped += [
            f"## `{name}`: {title}",
            [f"- {note}" for note in crosswalk.notes],
            _grid(["Rule", "Class", "Origin", "Category", "Note"], lines),
        ]
    return _page(
        "Crosswalks",
        "src/bluelamp/sources/crosswalks.py and src/bluelamp/sources/codes/",
        "A crosswalk gives each of a force's codes a class and an origin. How to keep one is told in [Map your codes]"
        "(../how-to/map-your-codes.md). The same as JSON Schema: [crosswalk.schema.json](crosswalk.schema.json).",
        "A column map or force.toml names one by `crosswalk_file`: a shipped one by its name, a file by its path. Of "
        "`codes/ours.toml`, `codes/ours.v2.toml`, … the newest is used, unless a version is named.",
        "## The file",
        _properties(schema, schema),
        "## A rule: `[[rules]]`",
        f"{rule['description']} It has at least one of `codes`, `patterns` and `words`. The most exact rule decides: a "
        "code, then its part before the column map's `crosswalk_separator`, then the pattern with the most letters, "
        "then the first rule whose words are found.",
        _properties(rule, schema),
        *shipped,
    )


# ---- Commands, addresses, exit codes ----


def _commands_of(group: Any, before: str = "") -> dict[str, Any]:
    """Give every command by its name, those of a group as `group command`."""
    found = {}
    for name, command in group.commands.items():
        found |= _commands_of(command, f"{name} ") if hasattr(command, "commands") else {f"{before}{name}": command}
    return found


def _commands_page() -> str:
    import typer

    commands = _commands_of(typer.main.get_command(cli.app))
    parts: list[str | list[str]] = [
        "Data goes to standard output, messages to standard error. `--help` after any command says what stands here. "
        "[Exit codes](exit-codes.md) tell scripts what went wrong.",
        _grid(
            ["Command", "What it does"],
            [
                [f"[`{name}`](#bluelamp-{name.replace(' ', '-')})", command.help.partition("\n")[0]]
                for name, command in commands.items()
            ],
        ),
    ]
    for name, command in commands.items():
        summary, _, rest = command.help.partition("\n")
        examples = [line.strip() for line in rest.partition("\b")[2].strip().splitlines()]
        parts += [f"## `bluelamp {name}`", summary, ["```text", *examples, "```"]]
        parts.append(_grid(["Argument or option", "Meaning", "Default"], [_parameter(each) for each in command.params]))
    return _page("Commands", "src/bluelamp/cli", *parts)


def _parameter(parameter: Any) -> list[str]:
    is_argument = type(parameter).__name__.endswith("Argument")
    if is_argument:
        name = (parameter.metavar or parameter.name.upper()).strip("[]")
        shown = f"`{name}`" if parameter.required else f"`{name}` (may be left out)"
    else:
        shown = ", ".join(f"`{each}`" for each in (*parameter.opts, *parameter.secondary_opts))
        shown += " (must be given)" if parameter.required else ""
        shown += " (may be repeated)" if parameter.multiple else ""
    default = parameter.default
    has_default = default not in (None, False) and not is_argument and isinstance(default, (str, int))
    if has_default and parameter.is_flag:
        return [shown, parameter.help or "", f"`{parameter.opts[0]}`"]
    return [shown, parameter.help or "", f"`{default}`" if has_default else ""]


def _web_page() -> str:
    from bluelamp import access
    from bluelamp.web.access_table import TABLE
    from bluelamp.web.app import ROWS_ON_A_PAGE, SHOWN, make_app

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / settings.FILE_NAME).write_text('[force]\nid = "x"\nname = "X"\ntime_zone = "UTC"\n', "utf-8")
        paths = make_app(folder).openapi()["paths"]
    rows = [
        [
            f"`{path}`" if method == "get" else f"`{path}` ({method.upper()})",
            operation["summary"],
            ", ".join(f"`{each['name']}`" for each in operation.get("parameters", [])),
            TABLE[method.upper(), path].kind or "the table's",
            TABLE[method.upper(), path].action,
        ]
        for path, operations in paths.items()
        for method, operation in operations.items()
    ]
    rights = [
        [
            role.replace("_", " "),
            access.ROLE_WORDS[role],
            ", ".join(
                f"{kind} ({', '.join(actions)})"
                for kind in access.KINDS
                if kind not in ("public", "own")
                and (
                    actions := [
                        each for each in access.ACTIONS if access.may(access.Holder("x", role, "x"), kind, each, "x")
                    ]
                )
            ),
        ]
        for role in access.ROLES
    ]
    held = [
        [kind, ", ".join(f"`{name}`" for name in SHOWN if access.kind_of_table(name) == kind)] for kind in access.KINDS
    ]
    return _page(
        "Web addresses",
        "src/bluelamp/web/app.py",
        "`bluelamp serve FORCE` answers at these addresses. Open to this machine alone, it lets whoever sits there do "
        "what an analyst may; with `--sign-in` people say who they are, and their account's role decides. Changes are "
        "taken from the service's own pages, or from programs that ask with a key (`Authorization: Bearer …`).",
        _grid(["Address", "What it gives", "Parameters", "Kind of data", "What it does"], rows),
        "## Who may do what",
        _grid(["Role", "In words", "Kinds of data"], rights),
        "An account of another force may do with this one's data what a peer force may, whatever its role at home. An "
        "account that is limited to districts sees the rows of those, and no page that speaks of the whole force.",
        "`run` is a run's id; the latest run is meant where it is left out. Any column of a table can be asked for by "
        "value: `/tables/coverage.csv?level=pool&place_id=R-D2` gives the rows in which both hold, and "
        "`/tables/required_staff.json?binding_grade=` those in which the field is empty. A table as a page shows the "
        f"first {ROWS_ON_A_PAGE} rows; its CSV and JSON give all of them.",
        "`/api/v1/tables/NAME` gives the rows a page at a time, `limit` of them (1,000 where it is left out, 10,000 at "
        "most), with the run that they are of and links: `next` leads to the next page of the same run, and is null on "
        "the last one. JSON and CSV of tables carry an `ETag`; a request that names it in `If-None-Match` is answered "
        "304 with nothing where nothing changed. How to read them is told in [Read tables from a program]"
        "(../how-to/read-tables-from-a-program.md), and what lies below `/ogc/` in [Draw the layers in QGIS]"
        "(../how-to/draw-the-layers-in-qgis.md).",
        "Tables that are given out, by the kind of data that they hold:",
        _grid(["Kind", "Tables"], [each for each in held if each[1]]),
        "The others are read on the machine itself, with `bluelamp table`.",
        "An address that can't be answered gives a sentence: as JSON (`application/problem+json`, with `problems` "
        "where there are several) at addresses that end in `.json`, `.csv` or `.geojson` or begin with `/api/` or "
        "`/ogc/`, else as a page. Requests for a host name other than the one that is served are refused.",
    )


def _exit_codes_page() -> str:
    kinds = sorted(_kinds(errors.BluelampError), key=lambda kind: kind.exit_code)
    rows = [
        ["0", "", "Done."],
        ["1", "", "A fault in Bluelamp itself, and said to be one. `BLUELAMP_DEBUG=1` shows where."],
    ]
    rows += [[str(kind.exit_code), f"`{kind.__name__}`", _first_line(kind)] for kind in kinds]
    rows.append(["130", "", "Stopped with Ctrl-C. Nothing half done is left."])
    return _page(
        "Exit codes",
        "src/bluelamp/errors.py",
        "An error is a sentence on standard error: what is wrong, where, what was expected, and what to do next; all "
        "problems of a file or of the settings at once. Values of fields marked sensitive are never printed. The exit "
        "code says which kind it is; the numbers are those of BSD's sysexits.h.",
        _grid(["Code", "In Python", "Meaning"], rows),
        "What each message wants of you is told in [Fix bad input](../how-to/fix-bad-input.md).",
    )


def _kinds(kind: type[errors.BluelampError]) -> Iterator[type[errors.BluelampError]]:
    for each in kind.__subclasses__():
        if each.__module__ == "bluelamp.errors":
            yield each
            yield from _kinds(each)


def _first_line(thing: Any) -> str:
    return (thing.__doc__ or "").partition("\n")[0]


# ---- What intake and the stages know ----


def _rules_page() -> str:
    titles = {
        "set_aside": (
            "Set aside",
            "The row can't be used. It is kept in `quarantine`, with its file, row number, field and reason. "
            "Once mended, import the file again: what came in before stays as it is.",
        ),
        "changed": (
            "Changed",
            "A value was put right or emptied, never invented. The row's field `repairs` names the rules.",
        ),
        "noted": ("Noted", "Nothing is changed; the report says how many rows it holds for."),
    }
    parts: list[str | list[str]] = [
        "What may be done to a row of an extract, and to how many rows it was done, is told by `bluelamp check` and "
        "`bluelamp import` under these names. There is no other way in which a row is changed."
    ]
    for kind, (title, words) in titles.items():
        rules = {name: rule for name, rule in sources.RULES.items() if rule.kind == kind}
        if kind == "set_aside":
            head = ["Rule", "What it says", "How to mend it"]
            rows = [[f"`{name}`", rule.words, rule.mend] for name, rule in rules.items()]
        else:
            head, rows = ["Rule", "What it says"], [[f"`{name}`", rule.words] for name, rule in rules.items()]
        parts += [f"## {title}", words, _grid(head, rows)]
    return _page("The rules of intake", "src/bluelamp/sources/rules.py", *parts)


def _classes_page() -> str:
    priors = tomllib.loads((files("bluelamp.incidents") / "priors.toml").read_text("utf-8"))
    travel = priors["travel"]["minutes"]
    group_of = {name: group for group in priors["groups"].values() for name in group["classes"]}
    rows = []
    for code, title in sources.classes().items():
        group = group_of.get(code, group_of["all"])
        minutes = f"{group['scene_minutes'] + travel:g}"
        figures = [f"{group['share_deployed']:g}", f"{group['units']:g}", minutes, f"{group['sd_minutes']:g}"]
        rows.append([f"`{code}`", title, *figures, group["source"]])
    head = ["Class", "Meaning", "Share that gets a unit", "Units", "Minutes a unit", "Standard deviation", "Source"]
    return _page(
        "Classes of incident and their priors",
        "src/bluelamp/sources/classes.toml and src/bluelamp/incidents/priors.toml",
        "A column map's crosswalk gives each of a force's codes one of these classes. Beside each stands what an "
        "incident of it is taken to ask for **where the force's own times do not say**: assumptions, which a force "
        "replaces with its own rows of [service_times](tables/service_times.md), and which its own measured times "
        "outweigh by themselves.",
        _grid(head, rows),
        f"Minutes are those at the scene and {travel} of travel. Detroit's are published means (S. Langton, S. Ruiter "
        "and T. Verlaan, 2022); the shares, the units and the travel are assumptions. Police work elsewhere is not "
        "Detroit's: import your own.",
    )


def _methods_page() -> str:
    parts: list[str | list[str]] = [
        "A family is a folder and a method is a file in it; other packages join by an entry point in the group "
        "`bluelamp.FAMILY`."
    ]
    for family, (title, words) in FAMILIES.items():
        rows = [[f"`{name}`", line] for name, line in extensions.members(family).items()]
        parts += [f"## {title}", words, _grid(["Name", "What it is"], rows)]
    return _page("Methods", "src/bluelamp/forecast/ and src/bluelamp/staffing/", *parts)


def stale_pages(made: dict[str, str] | None = None) -> list[str]:
    """Name the generated files that are missing, out of date, or no longer made."""
    made = made_pages() if made is None else made
    stale = [
        name
        for name, text in made.items()
        if not (REFERENCE / name).is_file() or (REFERENCE / name).read_text("utf-8") != text
    ]
    left = [path.relative_to(REFERENCE).as_posix() for path in (REFERENCE / "tables").glob("*.md")]
    return sorted([*stale, *(name for name in left if name not in made)])


def main(arguments: list[str]) -> int:
    """Write the pages, or with --check only say which would change."""
    made = made_pages()
    stale = stale_pages(made)
    if "--check" in arguments:
        for name in stale:
            print(f"docs/reference/{name} is not what the code says. 'python docs/make_reference.py' writes it.")
        return 1 if stale else 0
    for name in stale:
        path = REFERENCE / name
        if name in made:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(made[name], "utf-8")
        else:
            path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
