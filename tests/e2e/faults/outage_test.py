"""A store that is away for longer than anybody else waits for it, while trials run for hours.

Two workers, each standing in for a machine of its own, run trials over the outage: of a PostgreSQL server that was
killed, and of an SQLite file that another process keeps locked. Nothing of what they ran may be run again. Both at once,
for most of the time is spent waiting.
"""

import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
import unittest

from figures import say
from machines import elsewhere
from server import Server
from support import processes_with

KRIGON = os.environ["KRIGON"]
TRIAL = os.environ["KRIGON_FAULTS_TRIAL"]
LEASE = 6  # seconds: over long before the store is back
AWAY = 34  # longer than the half minute that commands wait
WORKERS = 2
SLOTS = 2

# Of the trials that are running when the store goes away some end before it is back, others after.
STUDY = """\
study: outage
objective: {metric: loss, direction: minimize}
parameters:
  seconds: {values: [12, 20, 38, 42]}
trial:
  command: ["%s", "{seconds}", "%s"]
  retries: 0
  grace: 1s
budget: {trials: 4}
sampler: grid
"""


class Site:
    """Workers on one store."""

    def __init__(self, case, name, url, **environment):
        self.case, self.name = case, name
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="krigon-outage-"))
        case.addCleanup(shutil.rmtree, self.folder)
        self.url = url or str(self.folder / "krigon.db")
        self.mark = f"outage-{os.getpid()}-{name}"
        self.environment = environment
        self.workers = []
        case.addCleanup(self.end_workers)
        (self.folder / "study.yaml").write_text(STUDY % (TRIAL, self.folder / "trials.log"))

    def end_workers(self):
        for worker in self.workers:
            worker.kill()
            worker.wait()

    def log(self, number):
        return (self.folder / f"worker-{number}.log").read_text(encoding="utf-8")

    def heartbeat(self, number):
        """Its age in seconds."""
        return time.time() - (self.folder / f"alive-{number}").stat().st_mtime

    def start(self, workers=WORKERS):
        for number in range(workers):
            self.start_one()
            self.wait_for(lambda n=number: self.log(n).count(" started") == SLOTS, "trials to start")

    def start_one(self):
        number = len(self.workers)
        env = dict(os.environ, KRIGON_LEASE=f"{LEASE}s", KRIGON_TEST_MARK=self.mark,
                   KRIGON_HEARTBEAT_FILE=str(self.folder / f"alive-{number}"), **self.environment)
        with open(self.folder / f"worker-{number}.log", "wb") as log:
            self.workers.append(subprocess.Popen(
                [*elsewhere(f"machine-{number}"), KRIGON, "worker", "study.yaml", "--storage", self.url,
                 "--parallel", str(SLOTS), "--trials-folder", f"trials-{number}"],
                cwd=self.folder, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log))

    def wait_for(self, what, words, seconds=30):
        end = time.monotonic() + seconds
        while not what():
            self.case.assertLess(time.monotonic(), end, f"{self.name}: waited in vain for {words}\n" + self.log(0)[-2000:])
            time.sleep(0.05)

    def trials(self):
        done = subprocess.run([KRIGON, "trials", "study.yaml", "--storage", self.url, "--json"], cwd=self.folder, check=True,
                              capture_output=True, encoding="utf-8")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def lock(self):
        """Of an SQLite file: what another process does that is stopped in the middle of a change."""
        holder = sqlite3.connect(self.url, isolation_level=None)
        holder.execute("PRAGMA busy_timeout = 10000")
        holder.execute("BEGIN IMMEDIATE")
        return holder


def program_of(process):
    try:
        return pathlib.Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")[0].decode()
    except OSError:
        return ""


class Outage(unittest.TestCase):
    def setUp(self):
        if elsewhere("machine") is None:
            self.skipTest("this user may not give a process another host's name (unshare --uts)")

    def test_trials_run_on_and_are_told_once_it_is_back(self):
        server = Server("max_connections=100")
        self.addCleanup(server.stop)
        sites = [Site(self, "PostgreSQL", server.url), Site(self, "SQLite", None)]
        for site in sites:
            site.start()
        server.kill()
        holder = sites[1].lock()
        time.sleep(AWAY)
        for site in sites:
            for number in range(WORKERS):
                self.assertIsNone(site.workers[number].poll(), site.log(number)[-2000:])
                self.assertLess(site.heartbeat(number), 5, "its heartbeat stood still: it would be taken for hung")
        holder.execute("ROLLBACK")
        holder.close()
        server.restart()
        for site in sites:
            site.start_one()  # its trials are not to be taken for lost by one that comes now, either
        for site in sites:
            for number, worker in enumerate(site.workers):
                self.assertEqual(worker.wait(timeout=90), 0, site.log(number)[-2000:])
                if number >= WORKERS:
                    continue
                self.assertIn("trials run on, and it is waited for up to 3600 s", site.log(number))
                self.assertIn("the store is back", site.log(number))
            trials = site.trials()
            self.assertEqual([(t["state"], t["attempts"]) for t in trials], [("completed", 1)] * 4,
                             site.log(0)[-2000:] + site.log(1)[-2000:])
            ran = (site.folder / "trials.log").read_text(encoding="ascii").splitlines()
            self.assertEqual(len(ran), 4, "a trial was run again")
            say(f"\n{site.name}: away for {AWAY} s with leases of {LEASE} s; {len(trials)} trials of {WORKERS} workers "
                "ran on and were told, each after one attempt")

    def test_a_worker_that_may_not_wait_ends_and_leaves_no_process(self):
        site = Site(self, "SQLite", None, KRIGON_PATIENCE="3s")
        site.start(1)
        holder = site.lock()
        at = time.monotonic()
        self.assertEqual(site.workers[0].wait(timeout=20), 5)
        self.assertLess(time.monotonic() - at, 15)
        self.assertIn("fuser", site.log(0))
        site.wait_for(lambda: not processes_with(site.mark), "its trials to end")
        holder.execute("ROLLBACK")
        holder.close()

    def test_a_worker_that_is_told_to_leave_meanwhile_stops_its_trials_at_once(self):
        site = Site(self, "SQLite", None)
        site.start(1)
        holder = site.lock()
        time.sleep(LEASE / 4 + 1)
        site.workers[0].send_signal(signal.SIGTERM)
        # The worker is left, and what supervises its trials.
        def trials_left():
            return [p for p in processes_with(site.mark) if program_of(p) == TRIAL]
        site.wait_for(lambda: not trials_left(), "its trials to be stopped", seconds=8)
        holder.execute("ROLLBACK")
        holder.close()
        self.assertEqual(site.workers[0].wait(timeout=20), 130)
        self.assertEqual([t["state"] for t in site.trials()], ["queued"] * SLOTS, "they are handed back")


if __name__ == "__main__":
    unittest.main(verbosity=2)
