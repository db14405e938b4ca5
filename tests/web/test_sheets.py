"""Sheets: every view as PDF and PNG, saying what its page says, to those who may take it out."""

import io
import re
import struct
import sys
from collections import Counter
from datetime import date
from unicodedata import category, normalize

import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader
from selectolax.lexbor import LexborHTMLParser

from bluelamp.errors import NoInput, UsageError
from bluelamp.state import accounts, log
from bluelamp.web.access_table import SHEETS
from bluelamp.web.app import make_app
from bluelamp.web.sheets import reading, typesetting, widths
from bluelamp.web.sheets.asking import ask_for_sheet
from bluelamp.web.sheets.pictures import size_of, standing_alone
from bluelamp.web.sheets.reading import read_page
from bluelamp.web.sheets.setting import Furniture, make_document
from bluelamp.web.sheets.typesetting import typeset
from tests.web.served import copied, set_service, sign_in, with_accounts

ADDRESSES = {"/what-if": "?runs=5&demand=1.2&b_demand=1.3", "/tables/{name}": "?level=pool"}
LEFT_OUT = (
    "nav, form, .twins, .twins-of, .is-narrow, .visually-hidden, .tools, .no-print, .on-map, .every-table, .day-links, "
    ".hours-links, [aria-hidden=true]"
)
FURNITURE = Furniture("A force", "Run r1", "/x", date(2026, 11, 23), "OFFICIAL")


@pytest.fixture(scope="module")
def client(small_force, tmp_path_factory):
    return TestClient(make_app(copied(small_force, tmp_path_factory.mktemp("sheets") / "lantern")))


@pytest.fixture(scope="module")
def served(small_force, tmp_path_factory):
    return with_accounts(copied(small_force, tmp_path_factory.mktemp("sheets") / "lantern"))


@pytest.fixture
def asker(client, served, request):
    """Whoever may take a view out: whoever is at the machine, and of some views those who sign in alone."""
    role = {"/log": "auditor", "/duties": "planner", "/jobs": "planner"}.get(request.getfixturevalue("view"))
    return client if role is None else served[1](role)


@pytest.fixture
def address_of(client):
    """Give the address of a view in a form, of a table, an area and a run that there are."""
    area = client.get("/areas.json").json()
    parts = {"name": "coverage", "area_id": area["data"][0]["area_id"], "run_id": area["run_id"]}

    def address(view, form=""):
        return f"{view.format(**parts)}{form}{ADDRESSES.get(view, '')}"

    return address


def text_of(pdf):
    return " ".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)


def squashed(text):
    return re.sub(r"[\s\u200b\u00a0]+", "", text)


def set_here(html, form="pdf"):
    """Set a page in this process, which is quicker than in one of its own."""
    return typesetting._set(make_document(read_page(html), FURNITURE), form)


def page_with(body, title="A page"):
    return f"<body><h1>{title}</h1><main>{body}</main></body>"


@pytest.mark.parametrize("view", SHEETS)
def test_the_pdf_of_every_view_says_what_its_page_says(asker, address_of, view):
    page = asker.get(address_of(view))
    answer = asker.get(address_of(view, ".pdf"))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    tree = LexborHTMLParser(page.text)
    for each in tree.css(LEFT_OUT):
        each.decompose()
    shown = squashed(text_of(answer.content))
    assert squashed(tree.css_first("h1").text()) in shown
    for each in tree.css("main h2, main h3, main ul.score-words li"):
        assert squashed(each.text()) in shown, each.text()
    told = 0
    for table in tree.css("main table"):
        most = reading.MOST_FOLDED_ROWS if reading._is_folded(table) else reading.MOST_ROWS
        for row in [each for each in table.css("tr") if not reading._is_of_head(each)][:most]:
            for cell in row.css("td, th"):
                if "svg" not in cell.html:
                    assert squashed(cell.text()) in shown, cell.text()
                    told += bool(cell.text().strip())
    few = ("/now", "/jobs", "/log", "/hotspots", "/backtest", "/validation", "/scoreboard", "/contacts", "/runs")
    if view not in few:
        assert told > 20, "there was little to compare"


@pytest.mark.parametrize("view", SHEETS)
def test_the_png_of_every_view_is_one_page_of_a4(asker, address_of, view):
    answer = asker.get(address_of(view, ".png"))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert answer.content.startswith(b"\x89PNG")
    assert sorted(struct.unpack(">II", answer.content[16:24])) == [1240, 1754]


def test_a_sheet_says_whose_it_is_of_which_run_how_old_and_from_where(client, small_force):
    answer = client.get("/outlook.pdf?secret=hush&place=D1")
    reader = PdfReader(io.BytesIO(answer.content))
    run = client.get("/health.json").json()["run_id"]
    for number, page in enumerate(reader.pages, 1):
        text = page.extract_text()
        assert f"Page {number} of {len(reader.pages)}" in text
        assert f"Run {run}, made" in text
        assert "old when the run was made" in text
        assert "/outlook?place=D1" in text
        assert "hush" not in text
    assert "four years by month" in reader.metadata.title


def test_the_sheet_of_a_run_is_dated_by_that_run_and_those_of_no_run_name_none(client, served, address_of):
    run = client.get("/health.json").json()["run_id"]
    text = text_of(client.get(address_of("/runs/{run_id}", ".pdf")).content)
    assert f"Run {run}, made" in text
    assert "old when the run was made" not in text_of(served[1]("planner").get("/duties.pdf").content)


def test_it_is_tagged_for_reading_aloud_and_names_its_language(client):
    root = PdfReader(io.BytesIO(client.get("/strength.pdf").content)).trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"].startswith("en")
    assert b"pdfuaid" in root["/Metadata"].get_data()


def test_the_same_state_gives_the_same_bytes_and_whoever_has_them_is_told_so(client, small_force, tmp_path):
    first = client.get("/map.pdf")
    held = client.get("/map.pdf", headers={"if-none-match": first.headers["etag"]})
    assert (held.status_code, held.content) == (304, b"")
    elsewhere = TestClient(make_app(copied(small_force, tmp_path / "lantern")))
    assert elsewhere.get("/map.pdf").content == first.content
    assert elsewhere.get("/map.png").content == client.get("/map.png").content


def test_the_marking_of_the_settings_stands_on_every_page_and_none_without(client, small_force, tmp_path):
    force = copied(small_force, tmp_path / "lantern")
    set_service(force, 'marking = "OFFICIAL-SENSITIVE"')
    pages = PdfReader(io.BytesIO(ask_for_sheet(force, "strength", "pdf"))).pages
    assert all(page.extract_text().count("OFFICIAL-SENSITIVE") == 2 for page in pages)
    assert "OFFICIAL" not in text_of(client.get("/strength.pdf").content)


# ---- who may ----


def test_whoever_may_only_look_is_refused_and_finds_no_links(served):
    _, client = served
    viewer, planner = client("viewer"), client("planner")
    assert viewer.get("/outlook").status_code == 200
    assert viewer.get("/outlook.pdf").status_code == viewer.get("/map.png").status_code == 403
    assert "/outlook.pdf" not in viewer.get("/outlook").text
    assert 'href="/outlook.pdf?place=D1"' in planner.get("/outlook?place=D1").text
    assert 'href="/tables/coverage.png?level=pool"' in planner.get("/tables/coverage?level=pool").text
    assert planner.get("/outlook.pdf").status_code == 200
    assert client().get("/outlook.pdf").status_code == 303


def test_who_sees_no_people_gets_no_sheet_of_duties(served):
    _, client = served
    assert client("planner").get("/duties.pdf").status_code == 200
    assert 'href="/duties.pdf"' in client("planner").get("/duties").text
    for role in ("viewer", "analyst", "supervisor", "chief", "auditor", "administrator"):
        assert client(role).get("/duties.pdf").status_code == 403, role


def test_the_sheet_of_an_area_is_for_those_of_its_district(served):
    app, client = served
    accounts.add(app.state.admission.state, "areas.d1", "planner", app.state.admission.force_id,
                 password="correct horse battery", districts=("D1",))  # fmt: skip
    rows = client("planner").get("/areas.json").json()["data"]
    theirs = client("areas.d1")
    for row in (next(each for each in rows if each["district_id"] == name) for name in ("D1", "D2")):
        answer = theirs.get(f"/areas/{row['area_id']}.pdf")
        assert answer.status_code == (200 if row["district_id"] == "D1" else 403)
    shown = text_of(theirs.get("/areas.pdf").content)
    assert all((row["area_name"] in shown) == (row["district_id"] == "D1") for row in rows if row["area_name"])


def test_an_account_of_one_district_gets_that_much_on_paper_too(served):
    app, client = served
    state = app.state.admission.state
    accounts.add(state, "of.d1", "planner", app.state.admission.force_id, password="correct horse battery",
                 districts=("D1",))  # fmt: skip
    theirs = client("of.d1")
    assert theirs.get("/outlook.pdf").status_code == theirs.get("/strength.png").status_code == 403
    whole, cut = (text_of(each.get("/tables/areas.pdf").content) for each in (client("planner"), theirs))
    others = {row["area_id"] for row in client("planner").get("/tables/areas.json").json() if row["parent_id"] == "D2"}
    assert others
    assert all(each in whole and each not in cut for each in others)
    assert theirs.get("/map.pdf").content != client("planner").get("/map.pdf").content


def test_the_log_says_who_took_which_sheet(served):
    app, client = served
    planner = client("planner")
    planner.get("/outlook.pdf?place=D1")
    newest = log.entries(app.state.admission.state, operation="disclosure", most=1)[0]
    assert (newest.who, newest.subject) == ("planner", "/outlook.pdf")
    assert "place=D1" in newest.detail


def test_without_the_typesetter_it_says_what_to_install(client, monkeypatch):
    monkeypatch.setitem(sys.modules, "typst", None)
    answer = client.get("/scoreboard.pdf?run=")
    assert answer.status_code == 400
    assert "pip install" in answer.text
    assert "bluelamp[sheets]" in answer.text


# ---- text stays text ----

HOSTILE = [
    "#let x = 1 #panic() #include \"/etc/passwd\"", "$a^2$ ] [ ) ( } {", "back\\slash \\u{41}", "@reference <label>",
    "`raw` ```typ #x```", "*bold* _emph_ // comment /* more */", "~ -- --- ... 'quotes' \"quotes\"", "= heading",
    "- list + enum / term: x",
    "https://example.org/#a?b=c&d", "x" * 400, "é e\u0301 ñ ß Ж Ω", "€ £ − × → ≤ ▸",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_typesetter_would_read_as_its_own_is_printed_as_it_is(text):
    from html import escape

    html = page_with(f"<h2>{escape(text)}</h2><p>{escape(text)}</p><ul><li>{escape(text)}</li></ul>"
                     f"<table><tr><td>{escape(text)}</td></tr></table>", title=escape(text))  # fmt: skip
    shown = normalize("NFC", squashed(text_of(set_here(html))))
    # As title, over later pages, as heading, paragraph, item and cell.
    assert shown.count(normalize("NFC", squashed(text))) >= 5


def test_letters_that_no_font_has_are_told_by_their_numbers():
    shown = text_of(set_here(page_with("<p>A car 🚔 and \U0001f9ff.</p>")))
    assert "A car" in shown
    assert all(each in shown or f"[U+{ord(each):04X}]" in shown for each in "🚔\U0001f9ff")


def test_marks_that_turn_the_order_of_letters_do_not_reach_the_paper():
    assert "safe 123 end" in text_of(set_here(page_with("<p>safe \u202e123\u202c \u2066end\u2069</p>")))


def letters(text):
    """Count the letters of a text: their order is the paper's where a script is written from the right."""
    decoded = re.sub(r"\[U\+([0-9A-F]{4,6})\]", lambda code: chr(int(code[1], 16)), text)
    plain = normalize("NFKD", decoded)
    return Counter(each for each in plain if category(each)[0] in "LNPS")


@settings(max_examples=40)
@given(st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn", "Co", "Cf")), min_size=1, max_size=60))
def test_any_text_that_goes_in_comes_out(text):
    from html import escape

    shown = letters(text_of(set_here(page_with(f"<p>{escape(text)}</p>"))))
    assert not letters(text) - shown


def test_what_is_for_the_hand_is_left_out():
    html = page_with(
        "<nav>Navigation</nav><form>Form <input value='x'></form><button>Button</button><script>Script</script>"
        "<p class='no-print'>Unprinted</p><p hidden>Hidden</p><p>Kept <span class='twins'>CSV</span></p>"
        "<details><summary>Folded</summary><p>Inside</p></details>"
    )
    shown = text_of(set_here(html))
    assert all(each in shown for each in ("Kept", "Folded", "Inside"))
    assert not any(each in shown for each in ("Navigation", "Form", "Button", "Script", "Unprinted", "Hidden", "CSV"))


# ---- tables ----


def table(columns, rows, cell="{row}.{column}"):
    head = "".join(f"<th>Head{column}</th>" for column in range(columns))
    body = "".join(
        "<tr>" + "".join(f"<td>{cell.format(row=row, column=column)}</td>" for column in range(columns)) + "</tr>"
        for row in range(rows)
    )
    return f"<table data-table='demand'><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def test_a_table_that_is_longer_than_a_page_repeats_its_head():
    pages = PdfReader(io.BytesIO(set_here(page_with(table(3, 150))))).pages
    assert len(pages) > 1
    assert all("Head1" in page.extract_text() for page in pages)


def test_a_table_that_is_wider_than_any_page_is_parted_and_each_part_begins_with_the_first_column():
    laid = widths.lay_out([[widths.Cell(f"column-number-{each}") for each in range(40)]], widths.LANDSCAPE)
    assert len(laid.parts) > 1
    assert all(columns[0] == 0 for columns, _ in laid.parts)
    assert sorted({each for columns, _ in laid.parts for each in columns}) == list(range(40))
    assert all(sum(each) <= widths.LANDSCAPE + 0.01 for _, each in laid.parts)
    shown = squashed(text_of(set_here(page_with(table(40, 3, "cell-of-{row}-and-{column}")))))
    assert all(f"cell-of-{row}-and-{column}" in shown for row in range(3) for column in range(40))


def test_no_letter_leaves_the_page():
    html = page_with(table(6, 2, "x" * 90) + f"<p>{'y' * 900}</p>")
    outside = []

    def look(text, _cm, matrix, *_):
        if text.strip() and not 0 <= matrix[4] <= 842:
            outside.append(text)

    for page in PdfReader(io.BytesIO(set_here(html))).pages:
        page.extract_text(visitor_text=look)
    assert not outside


def test_what_is_left_out_of_a_long_table_is_said_with_the_address_of_all_of_it():
    html = page_with(f"<section><a href='/tables/demand.csv?run=r1'>CSV</a>{table(2, reading.MOST_ROWS + 5)}</section>")
    shown = text_of(set_here(html))
    assert (
        f"The first {reading.MOST_ROWS} of {reading.MOST_ROWS + 5} rows. All of them: /tables/demand.csv?run=r1"
        in shown
    )
    assert f"{reading.MOST_ROWS + 1}.0" not in shown


def test_a_page_without_end_ends_with_a_sentence(monkeypatch):
    monkeypatch.setattr(reading, "MOST_LETTERS", 1_000)
    shown = text_of(set_here(page_with("<p>word word word</p>" * 500)))
    assert "This sheet ends here" in shown
    assert shown.count("word word word") < 100


def test_a_sheet_that_takes_too_long_is_stopped(monkeypatch):
    from bluelamp.errors import TryAgain

    monkeypatch.setattr(typesetting, "SECONDS", 0.001)
    with pytest.raises(TryAgain, match="not ready"):
        typeset(make_document(read_page(page_with("<p>x</p>")), FURNITURE), "pdf")
    assert typesetting._turn.acquire(blocking=False), "the turn was not given back"
    typesetting._turn.release()


# ---- without a server ----


def test_the_same_sheet_comes_without_a_server(client, small_force, tmp_path):
    force = copied(small_force, tmp_path / "lantern")
    assert ask_for_sheet(force, "outlook?place=D1", "pdf") == client.get("/outlook.pdf?place=D1").content


@pytest.mark.parametrize(
    ("view", "said"),
    [("outlok", "Did you mean 'outlook'"), ("outlook?place=D99", "D99"), ("map?hour=now", "no hour 'now'"),
     ("map?figure=fear", "no figure 'fear'"), ("map?place=pool:X", "no place 'pool:X'"),
     ("what-if?runs=2", "greater than or equal to 5"), ("accounts", "no view 'accounts'"),
     ("areas/B999", "no area 'B999'"), ("runs/r9", "no run 'r9'"), ("duties", "no view 'duties'")],
)  # fmt: skip
def test_a_view_that_is_not_there_is_told_in_a_sentence(small_force, view, said):
    with pytest.raises((UsageError, NoInput)) as error:
        ask_for_sheet(small_force, view, "pdf")
    assert said in str(error.value)


def test_nobody_signs_in_by_a_sheet(served):
    _, client = served
    fresh = client()
    assert "next=%2Fmap.pdf" in fresh.get("/map.pdf").headers["location"]
    sign_in(fresh, "chief", onward="/map.pdf")
    assert fresh.get("/map.pdf").status_code == 200


def test_a_picture_keeps_its_measure_and_its_colours(client):
    page = LexborHTMLParser(client.get("/what-if?runs=5&demand=1.2").text)
    picture = page.css_first("svg.plan-hours.is-wide")
    assert size_of(picture) == (960, 150)
    alone = standing_alone(picture)
    assert 'viewBox="0 0 960 150"' in alone
    colours = dict(re.findall(r"\.(plan-before|plan-after|plan-allowed)\{[^}]*stroke:([^;}]+)", alone))
    assert set(colours) == {"plan-before", "plan-after", "plan-allowed"}
    assert len(set(colours.values())) == 3
    assert all(re.fullmatch("#[0-9a-f]{3,6}", each) for each in colours.values()), colours
