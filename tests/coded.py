"""A small force whose incidents have codes, for tests of crosswalks."""

from pathlib import Path

from bluelamp import intake

MAP = """title = "North control room"
table = "incidents"
time_zone = "force"
[columns]
incident_id = "id"
received_at = "at"
updated_at = { column = "changed", optional = true }
opening_code = "code"
opening_description = "words"
grade_code = "grade"
"""
INLINE = """[[crosswalk]]
class = "theft"
origin = "public"
codes = ["TH1", "TH2"]
[[crosswalk]]
class = "patrol"
origin = "officer_initiated"
codes = ["PT1"]
"""
OURS = """title = "North codes"
version = 1
made_on = 2026-03-01
scheme = "North control room, 2026"
"""
# (code, its words, how many)
CODES = [
    ("TH1", "Shoplifting", 6),
    ("PT1", "Vehicle stop", 4),
    ("TH2", "Theft of cycle", 3),
    ("XX9", "Noise nuisance", 2),
]


def make_force(folder: Path, crosswalk: str = INLINE, files: dict[str, str] | None = None) -> Path:
    """Write a force with a column map that ends in `crosswalk`, and files beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "force.toml").write_text(
        '[force]\nid = "north"\nname = "North <Valley>"\ntime_zone = "Europe/London"\n\n'
        '[sources.incidents]\nmap = "north.toml"\n'
    )
    # What is at the top of a map comes before its tables.
    head, _, rest = MAP.partition("[columns]")
    named = crosswalk if crosswalk.startswith("crosswalk_file") else ""
    (folder / "north.toml").write_text(f"{head}{named}\n[columns]{rest}{'' if named else crosswalk}")
    for name, text in (files or {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def calls(path: Path, grade: str = "2", changed: str | None = None) -> Path:
    """Write an extract with `CODES`."""
    rows = [
        f"{code}-{number},2026-03-{number + 1:02d} 10:00,{code},{words},{grade}" + (f",{changed}" if changed else "")
        for code, words, count in CODES
        for number in range(count)
    ]
    header = "id,at,code,words,grade" + (",changed" if changed else "")
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def imported(folder: Path, crosswalk: str = INLINE, files: dict[str, str] | None = None) -> Path:
    """Make such a force and bring its incidents in."""
    make_force(folder, crosswalk, files)
    intake.import_extract(folder, calls(folder / "calls.csv"))
    return folder
