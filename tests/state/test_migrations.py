"""The service's own database: made, brought forward and back, and what happens where it can't be used."""

import pytest
import sqlalchemy as sa

from bluelamp import state as kept
from bluelamp.errors import BadSettings, InputOutputError, NoInput, TryAgain
from bluelamp.state import accounts, open_state
from bluelamp.state._tables import metadata


def test_its_tables_are_those_that_the_program_knows(state):
    found = sa.inspect(state.engine)
    assert set(found.get_table_names()) == {*metadata.tables, "alembic_version"}
    for name, table in metadata.tables.items():
        there = {each["name"]: each["nullable"] for each in found.get_columns(name)}
        assert there == {column.name: bool(column.nullable) for column in table.columns}, name


def test_it_goes_back_to_nothing_and_forward_again(state):
    accounts.add_first(state, "ann", "correct horse battery", "LV")
    kept.migrate(state, "base")
    assert kept.version_of(state) is None
    assert set(sa.inspect(state.engine).get_table_names()) <= {"alembic_version"}
    kept.migrate(state)
    assert kept.version_of(state) == kept.newest_version()
    assert accounts.every(state) == []


def test_opening_it_again_leaves_it_as_it_is(tmp_path):
    first = open_state(tmp_path)
    accounts.add_first(first, "ann", "correct horse battery", "LV")
    assert [each.name for each in accounts.every(open_state(tmp_path))] == ["ann"]


def test_one_of_a_newer_bluelamp_is_left_alone(tmp_path):
    opened = open_state(tmp_path)
    with opened.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(BadSettings, match="newer Bluelamp"):
        open_state(tmp_path)


def test_only_its_owner_may_look_into_the_folder(tmp_path):
    open_state(tmp_path)
    assert (tmp_path / "state").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("address", "kind", "words"),
    [
        ("mysql://somebody:secret@db/x", BadSettings, "can't be a 'mysql'"),
        ("not an address", BadSettings, "can't be read"),
        ("postgresql+psycopg://u:${NO_SUCH_VARIABLE}@db/x", BadSettings, "NO_SUCH_VARIABLE"),
        ("postgresql+psycopg://u:secret@127.0.0.1:1/x", TryAgain, "can't be reached"),
    ],
)
def test_an_address_that_can_not_be_used_gets_a_sentence_without_its_password(tmp_path, address, kind, words):
    with pytest.raises(kind) as error:
        open_state(tmp_path, address)
    assert words in str(error.value)
    assert "secret" not in str(error.value)


def test_a_folder_that_is_not_there_and_a_damaged_file_get_a_sentence(tmp_path):
    with pytest.raises(NoInput):
        open_state(tmp_path / "nowhere" / "at all")
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "bluelamp.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(InputOutputError, match="Restore it from a backup"):
        open_state(tmp_path)
