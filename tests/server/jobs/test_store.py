"""Jobs on disk: which of them are kept."""

import time
from pathlib import Path

from bandmate_server.jobs.request import JobRequest
from bandmate_server.jobs.store import DONE, FAILED, RUNNING, Job, JobStore

DAY = 86_400.0


def finished(
    store: JobStore, name: str, days: float, state: str = DONE, mail: str | None = None
) -> Job:
    """Make a job that ended so many days ago."""
    job = store.create(JobRequest(name, "/bandmate/separate", {}, {}))
    job.state, job.mail, job.finished = state, mail, time.time() - days * DAY
    (store.folder / job.job / "stems").mkdir()
    store.save(job)
    return job


def test_old_finished_jobs_are_forgotten_and_nothing_else(tmp_path: Path) -> None:
    store = JobStore(tmp_path)
    finished(store, "old", 31)
    finished(store, "old-failed", 31, FAILED, "imported")
    finished(store, "new", 29)
    finished(store, "uncollected", 31, mail="sent")
    running = store.create(JobRequest("running", "/bandmate/separate", {}, {}))
    running.state, running.created = RUNNING, 0
    store.forget(time.time() - 30 * DAY)
    left = {"new", "uncollected", "running"}
    assert set(store.jobs) == left
    assert {path.name for path in tmp_path.iterdir()} == left
    assert store.find(JobRequest("old", "/bandmate/separate", {}, {})) is None


def test_a_removal_that_was_cut_off_ends_at_the_next_start(tmp_path: Path) -> None:
    store = JobStore(tmp_path)
    finished(store, "old", 31)
    (tmp_path / "old").rename(tmp_path / ".old-old")
    again = JobStore(tmp_path)
    again.load()
    assert not again.jobs
    assert not any(tmp_path.iterdir())
