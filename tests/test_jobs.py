"""Long work that is asked for: taken once, done again where whoever did it died, and never made twice."""

import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bluelamp import intake, jobs
from bluelamp.errors import BadData, NoInput, NoRoom, UsageError
from bluelamp.jobs import Worker, _kinds, _queue, _schedule, _worker
from bluelamp.state import jobs as kept
from bluelamp.state import log
from bluelamp.store import Store
from tests.databases import state_of
from tests.web.served import copied, set_service


@pytest.fixture
def force(small_force, tmp_path):
    return copied(small_force, tmp_path / "lantern")


@pytest.fixture
def told():
    return []


def doing(kind, do):
    """Stand something in for what a kind of job does."""
    return {**_kinds.KINDS, kind: replace(_kinds.KINDS[kind], do=do)}


@pytest.fixture
def quick(monkeypatch):
    """Runs that take no time, whose keys are written down."""
    made = []

    def do(folder, job, progress):
        made.append(job.key)
        return "Run r1.", {"run_id": "r1"}

    monkeypatch.setattr(_worker, "KINDS", doing("plan", do))
    return made


def handed_out(state, worker, until, seconds=20):
    """Let jobs be handed out until something is so."""
    deadline = time.monotonic() + seconds
    _queue.hand_out(state, worker.do, lambda: None, lambda: until() or time.monotonic() > deadline)
    assert until()


def test_a_job_is_asked_for_done_and_logged(state, tmp_path, told, quick):
    job, is_new = jobs.ask(state, "plan", {}, "ann")
    assert (job.state, job.tries, is_new) == ("waiting", 0, True)
    handed_out(state, Worker(tmp_path, state, told.append), lambda: kept.find(state, job.key).has_ended)
    done = kept.find(state, job.key)
    assert (done.state, done.tries, done.words, done.outcome) == ("done", 1, "Run r1.", {"run_id": "r1"})
    (entry,) = log.entries(state, operation="combination")
    assert (entry.who, entry.role, entry.subject) == ("ann", "service", "job plan")
    assert "r1" in entry.detail
    assert len(told) == 1


def test_pressing_twice_asks_once_and_after_that_anew(state, tmp_path, quick):
    first, _ = jobs.ask(state, "plan", {}, "ann")
    assert jobs.ask(state, "plan", {}, "bob")[0].key == first.key
    other, is_new = jobs.ask(state, "backtest", {"origins": 3}, "bob")
    assert is_new
    assert other.settings == {"origins": 3, "every": 28}
    kept.take(state, first.key)
    assert jobs.ask(state, "plan", {}, "bob")[1]


def test_of_many_who_ask_at_once_for_the_same_one_is_told_new(state):
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(jobs.ask(state, "plan", {}, "ann"))) for _ in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len({job.key for job, _ in answers}) == 1
    assert [is_new for _, is_new in answers].count(True) == 1


def test_jobs_are_handed_out_in_the_order_in_which_they_were_asked_for(state, tmp_path, quick, monkeypatch):
    # Each of other settings, so that none is the other.
    done = []

    def do(folder, job, progress):
        done.append(job.settings["origins"])
        return "Done.", {}

    monkeypatch.setattr(_worker, "KINDS", doing("backtest", do))
    for origins in (5, 3, 8, 2):
        jobs.ask(state, "backtest", {"origins": origins}, "ann")
    handed_out(state, Worker(tmp_path, state, print), lambda: len(done) == 4)
    assert done == [5, 3, 8, 2]


def test_one_taken_for_dead_changes_nothing_any_more(state):
    job, _ = jobs.ask(state, "plan", {}, "ann")
    first = kept.take(state, job.key)
    assert [each.key for each in kept.take_over(state)] == [job.key]
    second = kept.take(state, job.key)
    assert second.tries == 2
    assert not kept.progress(state, first, "forecast", 0.5)
    assert not kept.end(state, first, "done", "Run r1.")
    kept.put_back(state, first, "later", timedelta(0))
    assert kept.find(state, job.key).state == "running"
    assert kept.progress(state, second, "forecast", 0.25)
    assert kept.end(state, second, "done", "Run r2.")
    assert kept.find(state, job.key).words == "Run r2."


def test_a_job_whose_worker_dies_again_and_again_fails_with_a_sentence(state):
    job, _ = jobs.ask(state, "plan", {}, "ann")
    for _ in range(kept.MOST_TRIES):
        assert kept.take(state, job.key) is not None
        kept.take_over(state)
    failed = kept.find(state, job.key)
    assert (failed.state, failed.tries) == ("failed", kept.MOST_TRIES)
    assert "memory" in failed.words
    assert kept.take(state, job.key) is None


def test_what_was_offered_to_a_dead_worker_is_done_by_the_next(state, tmp_path, quick):
    job, _ = jobs.ask(state, "plan", {}, "ann")
    waiting, _ = jobs.ask(state, "backtest", {}, "ann")
    kept.ask_to_stop(state, waiting.key)
    assert kept.take(state, job.key) is not None
    # The one that took it is gone; the next does as `work` does.
    _queue.forget_all(state)
    kept.take_over(state, _queue.offer_of(state))
    handed_out(state, Worker(tmp_path, state, print), lambda: kept.find(state, job.key).has_ended)
    assert quick == [job.key]
    assert kept.find(state, waiting.key).state == "stopped"


def test_a_disk_without_room_lets_a_job_wait_and_it_is_no_try(state, tmp_path, monkeypatch):
    tries = []

    def do(folder, job, progress):
        tries.append(job.tries)
        if len(tries) == 1:
            raise NoRoom("The disk is full. Free some space and try again.")
        return "Done.", {}

    monkeypatch.setattr(_worker, "KINDS", doing("plan", do))
    monkeypatch.setattr(_worker, "_AGAIN_AFTER", timedelta(seconds=1))
    monkeypatch.setattr(_queue, "_LOOK_AGAIN_SECONDS", 0.5)
    job, _ = jobs.ask(state, "plan", {}, "ann")
    Worker(tmp_path, state, print).do(job.key)
    waiting = kept.find(state, job.key)
    assert (waiting.state, waiting.tries) == ("waiting", 0)
    assert "The disk is full" in waiting.words
    assert kept.next_waiting(state) is None
    handed_out(state, Worker(tmp_path, state, print), lambda: kept.find(state, job.key).has_ended)
    assert tries == [1, 1]
    assert kept.find(state, job.key).state == "done"


@pytest.mark.parametrize("error", [BadData("No row of it fits:", ["Row 2: 'x' is no time."]), ValueError("oh")])
def test_what_can_not_be_done_is_said_and_not_tried_again(state, tmp_path, monkeypatch, error):
    def do(folder, job, progress):
        raise error

    monkeypatch.setattr(_worker, "KINDS", doing("plan", do))
    job, _ = jobs.ask(state, "plan", {}, "ann")
    Worker(tmp_path, state, print).do(job.key)
    failed = kept.find(state, job.key)
    assert failed.state == "failed"
    assert str(error) in failed.words
    assert ("fault in Bluelamp" in failed.words) == isinstance(error, ValueError)


def test_asked_to_stop_a_job_stops_at_its_next_step(state, tmp_path, monkeypatch):
    steps = []

    def do(folder, job, progress):
        for number in range(100):
            steps.append(number)
            progress("forecast", number / 100)
            if number == 3:
                jobs.ask_to_stop(state, tmp_path, job.key)
                assert kept.find(state, job.key).is_stopping
        return "Done.", {}

    monkeypatch.setattr(_worker, "KINDS", doing("plan", do))
    monkeypatch.setattr(_worker, "_TELL_SECONDS", 0)
    job, _ = jobs.ask(state, "plan", {}, "ann")
    Worker(tmp_path, state, print).do(job.key)
    assert kept.find(state, job.key).state == "stopped"
    assert steps == [0, 1, 2, 3, 4]


def test_one_that_waits_is_stopped_at_once_and_never_begun(state, tmp_path, quick):
    job, _ = jobs.ask(state, "plan", {}, "ann")
    assert jobs.ask_to_stop(state, tmp_path, job.key).state == "stopped"
    Worker(tmp_path, state, print).do(job.key)
    assert quick == []
    with pytest.raises(NoInput, match="no job"):
        jobs.ask_to_stop(state, tmp_path, "j000000-000000000000")


@pytest.mark.parametrize(
    ("kind", "settings", "words"),
    [
        ("plann", {}, "Did you mean 'plan'"),
        ("backtest", {"origins": 0, "every": 8}, "'every'"),
        ("plan", {"seed": 1}, "'seed'"),
        ("import", {"upload": "../../etc/passwd", "name": "x"}, "'upload'"),
        ("import", {"upload": "j261123-5f0c2d9ab1e7", "name": "../x"}, "'name'"),
        ("import", {"table": "incident"}, "Did you mean 'incidents'"),
    ],
)
def test_what_can_not_be_asked_for_gets_a_sentence(state, kind, settings, words):
    with pytest.raises(UsageError) as error:
        jobs.ask(state, kind, settings, "ann")
    assert words in str(error.value)
    assert kept.every(state) == []


def test_a_run_that_was_published_is_not_made_twice(force, monkeypatch):
    state = state_of(force)
    job, _ = jobs.ask(state, "plan", {}, "ann")
    before = Store(force).runs().height
    worker = Worker(force, state, print)

    def died(*_):
        raise SystemExit

    # The run is there, and whoever made it dies before it can say so.
    with monkeypatch.context() as patch:
        patch.setattr(kept, "end", died)
        with pytest.raises(SystemExit):
            worker.do(job.key)
    made = Store(force).runs()
    assert made.height == before + 1
    kept.take_over(state)
    worker.do(job.key)
    done = kept.find(state, job.key)
    assert (done.state, done.tries) == ("done", 2)
    assert done.outcome == {"run_id": made["run_id"][-1]}
    assert Store(force).runs().height == before + 1
    assert Store(force).verify() == []


def test_an_import_of_what_was_sent_is_done_once_and_the_file_is_forgotten(force):
    state = state_of(force)
    events = (
        b"event_id,event_name,kind,area_id,starts_at,ends_at,lead_in_hours,wind_down_hours\n"
        b"F1,Fair,festival,,2026-11-28T12:00Z,2026-11-28T18:00Z,1,1\n"
    )
    with jobs.Upload(state, force, "fair.csv", "events") as sent:
        for part in (events[:20], events[20:]):
            sent.write(part)
        job = sent.ask("ann")
    place = force / "state" / "uploads" / job.settings["upload"] / "fair.csv"
    assert place.read_bytes() == events
    assert place.stat().st_mode & 0o077 == 0
    Worker(force, state, print).do(job.key)
    done = kept.find(state, job.key)
    assert (done.state, done.words) == ("done", "1 row read from 1 extract.")
    assert Store(force).batches("events")["batch_id"].to_list()[-1:] == done.outcome["batches"]
    assert Store(force).batches("events")["source_name"].to_list()[-1] == "fair.csv"
    assert not place.parent.exists()
    # The same once more: known by its bytes.
    with jobs.Upload(state, force, "fair.csv", "events") as sent:
        sent.write(events)
        again = sent.ask("ann")
    Worker(force, state, print).do(again.key)
    assert kept.find(state, again.key).words == "0 rows read from 0 extracts. 1 extract had come before."


def test_what_was_sent_and_not_asked_for_is_removed(force):
    state = state_of(force)
    with jobs.Upload(state, force, "half.csv", None) as sent:
        sent.write(b"half")
    assert list((force / "state" / "uploads").iterdir()) == []


def test_all_that_force_toml_names_is_imported_once(force):
    state = state_of(force)
    named = len(intake.extracts_of(force))
    job, _ = jobs.ask(state, "import", {}, "ann")
    Worker(force, state, print).do(job.key)
    done = kept.find(state, job.key)
    assert done.state == "done", done.words
    assert f"{named} extracts had come before" in done.words


def test_the_schedule_asks_once_a_day_and_not_where_somebody_has_planned(force, monkeypatch):
    state = state_of(force)
    set_service(force, 'plan_at = "05:00"')
    made = Store(force).runs()["made_at"].max()
    now = [made]

    class Clock(datetime):
        @classmethod
        def now(cls, zone=None):
            return now[0].astimezone(zone)

    monkeypatch.setattr(_worker, "datetime", Clock)
    worker = Worker(force, state, print)
    _, due = _schedule.last_due("05:00", made, "Europe/London")
    worker.tick()
    assert kept.every(state) == []
    for hours in (24, 25, 30):
        now[0] = due + timedelta(hours=hours)
        worker.tick()
    (asked,) = kept.every(state)
    assert (asked.kind, asked.asked_by) == ("plan", "the schedule")
    kept.ask_to_stop(state, asked.key)
    worker.tick()
    now[0] = due + timedelta(hours=49)
    worker.tick()
    assert len(kept.every(state)) == 2


@pytest.mark.parametrize(
    ("at", "now", "day", "due"),
    [
        ("05:00", "2026-11-23T04:59", "2026-11-22", "2026-11-22T05:00"),
        ("05:00", "2026-11-23T05:00", "2026-11-23", "2026-11-23T05:00"),
        # The hour from one to two comes twice: the first of the two, and once.
        ("01:30", "2026-10-25T00:29", "2026-10-24", "2026-10-24T00:30"),
        ("01:30", "2026-10-25T00:30", "2026-10-25", "2026-10-25T00:30"),
        ("01:30", "2026-10-25T01:45", "2026-10-25", "2026-10-25T00:30"),
        # And in spring it does not come: half an hour after the change.
        ("01:30", "2026-03-29T01:29", "2026-03-28", "2026-03-28T01:30"),
        ("01:30", "2026-03-29T01:30", "2026-03-29", "2026-03-29T01:30"),
        ("23:30", "2026-06-01T22:10", "2026-05-31", "2026-05-31T22:30"),
    ],
)
def test_a_time_of_day_comes_once_a_day_on_both_clock_changes_too(at, now, day, due):
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert _schedule.last_due(at, moment, "Europe/London") == (day, datetime.fromisoformat(due).replace(tzinfo=UTC))
