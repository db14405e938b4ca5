"""Accounts and sessions: who is let in, who no longer is, and what wrong attempts meet."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from bluelamp.errors import BadData, NoInput, NotPermitted, TryAgain, UsageError
from bluelamp.state import accounts, sessions
from bluelamp.state._tables import accounts as kept
from bluelamp.state._tables import attempts, keys
from bluelamp.state._tables import sessions as kept_sessions

PASSWORD = "correct horse battery"
IDLE = timedelta(hours=1)


def begin(state, account, hours=12):
    return sessions.begin(state, account, longest=timedelta(hours=hours))[0]


def find(state, token):
    return sessions.find(state, token, idle=IDLE)


def test_an_account_signs_in_with_its_password_and_with_no_other(state):
    made = accounts.add(state, "ann", "planner", "LV", password=PASSWORD, districts=("D1", "D2"), teams=("R-D1/A",))
    assert accounts.sign_in(state, "ann", PASSWORD, "10.0.0.1") == made
    assert (made.districts, made.teams, made.role) == (("D1", "D2"), ("R-D1/A",), "planner")
    for wrong in (PASSWORD.upper(), PASSWORD + " ", "", "x" * 5000):
        with pytest.raises(NotPermitted):
            accounts.sign_in(state, "ann", wrong, "10.0.0.1")


def test_no_password_can_be_read_from_the_database(state):
    accounts.add(state, "ann", "planner", "LV", password=PASSWORD)
    with state.reading() as connection:
        hashed = connection.scalar(sa.select(kept.c.password_hash))
    assert hashed.startswith("$argon2id$")
    assert PASSWORD not in hashed


def test_passwords_are_as_slow_to_guess_as_is_advised():
    hashed = accounts.as_strong_as_advised().hash(PASSWORD)
    assert hashed.startswith("$argon2id$v=19$m=65536,t=3,p=4$")


def test_a_wrong_name_a_wrong_password_and_a_closed_account_meet_the_same_words(state):
    accounts.add(state, "ann", "planner", "LV", password=PASSWORD)
    accounts.add(state, "bob", "viewer", "LV", password=PASSWORD)
    accounts.change(state, "bob", is_open=False)
    said = set()
    for name, password in (("ann", "wrong wrong wrong"), ("nobody", PASSWORD), ("bob", PASSWORD)):
        with pytest.raises(NotPermitted) as error:
            accounts.sign_in(state, name, password, "10.0.0.1")
        said.add(str(error.value))
    assert len(said) == 1


def test_after_five_wrong_passwords_the_right_one_has_to_wait_too(state):
    accounts.add(state, "ann", "planner", "LV", password=PASSWORD)
    for _ in range(accounts.WRONG_FOR_AN_ACCOUNT):
        with pytest.raises(NotPermitted):
            accounts.sign_in(state, "ann", "wrong wrong wrong", "10.0.0.1")
    with pytest.raises(TryAgain, match="Wait 15 minutes"):
        accounts.sign_in(state, "ann", PASSWORD, "10.0.0.2")
    # Once they are old enough, they count no more.
    with state.writing() as connection:
        connection.execute(attempts.update().values(at=datetime.now(UTC) - accounts.WINDOW - timedelta(seconds=1)))
    assert accounts.sign_in(state, "ann", PASSWORD, "10.0.0.1").name == "ann"


def test_one_address_can_not_try_one_password_on_many_accounts_without_end(state):
    for number in range(accounts.WRONG_FROM_AN_ADDRESS):
        with pytest.raises(NotPermitted):
            accounts.sign_in(state, f"name{number}", PASSWORD, "10.0.0.1")
    with pytest.raises(TryAgain):
        accounts.sign_in(state, "another", PASSWORD, "10.0.0.1")
    with pytest.raises(NotPermitted):
        accounts.sign_in(state, "another", PASSWORD, "10.0.0.2")


def test_what_was_typed_for_a_name_is_kept_nowhere(state):
    with pytest.raises(NotPermitted):
        accounts.sign_in(state, PASSWORD, "x", "10.0.0.1")
    with state.reading() as connection:
        assert PASSWORD not in str(connection.execute(sa.select(attempts)).all())


def test_everything_that_is_wrong_with_an_account_is_told_at_once(state):
    with pytest.raises(BadData) as error:
        accounts.add(state, "-ann", "planer", "LV", password="ann", teams=("C",))
    told = str(error.value)
    assert "begins with no sign" in told
    assert "Did you mean 'planner'?" in told
    assert "fewer than 12 characters" in told
    assert "'C' is not a team" in told
    with pytest.raises(BadData, match="holds the account's name"):
        accounts.add(state, "northern", "viewer", "LV", password="the northern lights")
    assert accounts.every(state) == []


def test_a_name_is_taken_once(state):
    accounts.add(state, "ann", "planner", "LV", password=PASSWORD)
    with pytest.raises(UsageError, match="an account 'ann' already"):
        accounts.add(state, "ann", "viewer", "LV", password=PASSWORD)


def test_a_name_that_there_is_not_is_told_with_the_nearest(state):
    accounts.add(state, "annabel", "planner", "LV", password=PASSWORD)
    with pytest.raises(NoInput, match="Did you mean 'annabel'"):
        accounts.change(state, "anabel", role="viewer")


def test_a_session_holds_until_it_ends_is_idle_or_its_account_changes(state):
    account = accounts.add(state, "ann", "planner", "LV", password=PASSWORD)
    token = begin(state, account)
    assert find(state, token).holder == account.holder
    assert find(state, token + "x") is None
    sessions.end(state, token)
    assert find(state, token) is None

    token = begin(state, account)
    with state.writing() as connection:
        connection.execute(kept_sessions.update().values(seen_at=datetime.now(UTC) - IDLE - timedelta(seconds=1)))
    assert find(state, token) is None

    token = begin(state, account, hours=-1)
    assert find(state, token) is None

    token = begin(state, account)
    accounts.change(state, "ann", role="viewer")
    assert find(state, token) is None

    token = begin(state, account)
    accounts.change(state, "ann", is_open=False)
    assert find(state, token) is None


def test_being_used_keeps_a_session_from_being_idle(state):
    token = begin(state, accounts.add(state, "ann", "planner", "LV", password=PASSWORD))
    early = datetime.now(UTC) - timedelta(minutes=59)
    with state.writing() as connection:
        connection.execute(kept_sessions.update().values(seen_at=early))
    assert find(state, token) is not None
    with state.reading() as connection:
        assert connection.scalar(sa.select(kept_sessions.c.seen_at)) > early


def test_the_token_of_a_session_can_not_be_read_from_the_database(state):
    token = begin(state, accounts.add(state, "ann", "planner", "LV", password=PASSWORD))
    with state.reading() as connection:
        assert token not in str(connection.execute(sa.select(kept_sessions)).all())


def test_a_key_asks_as_its_account_until_it_ends_or_the_account_is_closed(state):
    accounts.add(state, "cad", "source", "LV")
    key = accounts.make_key(state, "cad", "control room")
    assert accounts.by_key(state, key).name == "cad"
    assert accounts.by_key(state, key + "x") is None
    with state.reading() as connection:
        assert key not in str(connection.execute(sa.select(keys)).all())
    old = accounts.make_key(state, "cad", "old", ends_at=datetime.now(UTC) - timedelta(seconds=1))
    assert accounts.by_key(state, old) is None
    accounts.change(state, "cad", is_open=False)
    assert accounts.by_key(state, key) is None
    accounts.change(state, "cad", is_open=True)
    assert accounts.by_key(state, key) is None, "an account that is opened again does not bring old keys back"


def test_an_account_without_a_password_lets_nobody_in_by_one(state):
    accounts.add(state, "cad", "source", "LV")
    for password in ("", "None", PASSWORD):
        with pytest.raises(NotPermitted):
            accounts.sign_in(state, "cad", password, "10.0.0.1")


def test_of_two_who_set_up_at_once_one_becomes_the_administrator(state):
    went = []

    def set_up(name):
        try:
            went.append(accounts.add_first(state, name, PASSWORD, "LV").name)
        except NotPermitted as error:
            went.append(error)

    both = [threading.Thread(target=set_up, args=(name,)) for name in ("ann", "bob")]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert sorted(isinstance(each, str) for each in went) == [False, True]
    assert len(accounts.every(state)) == 1


def test_the_last_administrator_stays(state):
    accounts.add_first(state, "ann", PASSWORD, "LV")
    for wanted in ({"is_open": False}, {"role": "viewer"}):
        with pytest.raises(NotPermitted, match="only administrator"):
            accounts.change(state, "ann", **wanted)
    accounts.add(state, "bob", "administrator", "LV", password=PASSWORD)
    assert accounts.change(state, "ann", role="viewer").role == "viewer"


def test_workers_share_a_secret(state):
    assert sessions.shared_secret(state, "cookies") == sessions.shared_secret(state, "cookies")
    assert sessions.shared_secret(state, "cookies") != sessions.shared_secret(state, "others")


def test_of_many_workers_that_start_at_once_all_have_the_same_secret(state):
    found = []
    together = threading.Barrier(8)

    def ask():
        together.wait()
        found.append(sessions.shared_secret(state, "cookies"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_passwords_are_tried_a_few_at_a_time_and_who_waits_too_long_is_told(state, monkeypatch):
    accounts.add(state, "ann", "planner", "LV", password=PASSWORD)
    monkeypatch.setattr(accounts, "_AT_ONCE", threading.BoundedSemaphore(1))
    monkeypatch.setattr(accounts, "_LONGEST_WAIT_SECONDS", 0.05)
    with accounts._in_turn(), pytest.raises(TryAgain, match="at this moment"):
        accounts.sign_in(state, "ann", PASSWORD, "10.0.0.1")
    assert accounts.sign_in(state, "ann", PASSWORD, "10.0.0.1").name == "ann"
