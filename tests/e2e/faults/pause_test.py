"""Workers that are stopped (SIGSTOP) while they hold trials, and wake when their leases have long ended.

Others run the trials meanwhile, so that what the woken tell is refused. Each worker stands in for a machine of its own,
by a host's name of its own: of one on its own machine a worker knows that it lives, and leaves it its trials.
KRIGON_PAUSE_TRIALS says how many trials of a study are run; KRIGON_TEST_SEED repeats the moments.
"""

import json
import os
import pathlib
import random
import re
import shutil
import signal
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
TRIALS = int(os.environ.get("KRIGON_PAUSE_TRIALS", "30"))
WORKERS = 4
SLOTS = 2
LEASE = 1  # seconds

STUDY = """\
study: pause
objective: {metric: loss, direction: minimize}
parameters:
  x: {min: 0.2, max: 0.9}
trial:
  command: ["%s", "{x}", "%s"]
  retries: 1000
  grace: 1s
budget: {trials: %d}
sampler: random
seed: 3
"""

ENDED = re.compile(r"^\S+ trial (\d+) (?:completed: loss (\d+)\b|(failed): exit code 1)", re.MULTILINE)
# A word that came too late: a result; a report, or a heartbeat, whose trial's process is ended for it.
REFUSED = re.compile(r"trial (\d+) is no longer this worker's: .*?(; its process is ended here)?$", re.MULTILINE)


class Pauses:
    """The tests of one store, whose URL `self.url` is."""

    def setUp(self):
        if elsewhere("machine") is None:
            self.skipTest("this user may not give a process another host's name (unshare --uts)")
        self.seed = int(os.environ.get("KRIGON_TEST_SEED", time.time_ns() % 1_000_000))
        self.rng = random.Random(self.seed)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="krigon-pause-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.mark = f"pause-{os.getpid()}-{self.seed}-{self.store}"
        self.workers = []
        self.addCleanup(self.end_workers)

    def write_study(self, trials):
        (self.folder / "study.yaml").write_text(STUDY % (TRIAL, self.folder / "trials.log", trials))

    def end_workers(self):
        for worker in self.workers:
            worker.kill()
            worker.wait()

    def start_worker(self):
        number = len(self.workers)
        env = dict(os.environ, KRIGON_LEASE=f"{LEASE}s", KRIGON_TEST_MARK=self.mark)
        with open(self.log(number), "wb") as log, open(self.folder / f"{number}.json", "wb") as out:
            self.workers.append(subprocess.Popen(
                [*elsewhere(f"machine-{number}"), KRIGON, "worker", "study.yaml", "--storage", self.url, "--parallel", str(SLOTS),
                 "--trials-folder", f"trials-{number}", "--json"],
                cwd=self.folder, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=log))

    def log(self, number):
        return self.folder / f"worker-{number}.log"

    def krigon(self, *words):
        done = subprocess.run([KRIGON, words[0], "study.yaml", "--storage", self.url, *words[1:]], cwd=self.folder,
                              check=True, capture_output=True, encoding="utf-8")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def status(self):
        return self.krigon("status", "--json")[0]

    def holders(self):
        """The workers that hold trials now, by their number; and the one that proposes."""
        now = self.status()
        held = {int(t["worker"].split(":")[0].removeprefix("machine-")) for t in now["running_trials"]}
        leads = {int(w["worker"].split(":")[0].removeprefix("machine-")) for w in now["workers"] if w["proposes"]}
        return now, held, leads

    def test_nothing_is_told_twice_and_what_comes_late_is_refused(self):
        self.write_study(TRIALS)
        for _ in range(WORKERS):
            self.start_worker()
            # Whoever is first makes the study.
            end = time.monotonic() + 60
            while "started" not in self.log(0).read_text(encoding="utf-8") and time.monotonic() < end:
                time.sleep(0.02)
        self.pauses, self.suggester_paused = [], 0
        began = time.monotonic()
        while self.workers:
            now, held, leads = self.holders()
            if now["completed"] + now["failed"] >= TRIALS:
                break
            alive = [n for n in sorted(held) if self.workers[n].poll() is None]
            if not alive:
                time.sleep(0.02)
                continue
            # Two at a time: those left take over what they held.
            chosen = self.rng.sample(alive, min(len(alive), self.rng.choice([1, 2])))
            self.suggester_paused += bool(leads & set(chosen))
            for number in chosen:
                self.workers[number].send_signal(signal.SIGSTOP)
            at = time.monotonic()
            time.sleep(LEASE * self.rng.uniform(1.5, 2.5))
            for number in chosen:
                self.workers[number].send_signal(signal.SIGCONT)
                self.pauses.append(time.monotonic() - at)
            time.sleep(self.rng.uniform(0, 0.3))
        for number, worker in enumerate(self.workers):
            self.assertEqual(worker.wait(timeout=120), 0, self.log(number).read_text(encoding="utf-8")[-2000:])
        self.seconds = time.monotonic() - began
        self.workers = []
        self.check_processes()
        self.check_trials()
        self.check_that_it_goes_on()

    def check_processes(self):
        end = time.monotonic() + 20
        while (left := processes_with(self.mark)) and time.monotonic() < end:
            time.sleep(0.1)
        self.assertEqual(left, [], "processes outlived their workers")

    def check_trials(self):
        trials = {t["trial"]: t for t in self.krigon("trials", "--json")}
        self.assertEqual(sorted(trials), list(range(TRIALS)))
        self.assertLessEqual({t["state"] for t in trials.values()}, {"completed", "failed"})
        now = self.status()
        self.assertEqual(now["completed"] + now["failed"], TRIALS)
        self.assertEqual((now["queued"], now["running"], now["workers"]), (0, 0, []))

        # Each result was told by one worker, and is the one that stands.
        logs = [self.log(n).read_text(encoding="utf-8") for n in range(WORKERS)]
        told = [(int(trial), value) for log in logs for trial, value, _ in ENDED.findall(log)]
        self.assertEqual(sorted(trial for trial, _ in told), list(range(TRIALS)))
        for trial, value in told:
            metrics = trials[trial]["metrics"]
            self.assertEqual(metrics["loss"] if metrics else None, int(value) if value else None, f"of trial {trial}, as it was told")
        here = [json.loads((self.folder / f"{n}.json").read_text())["ended_here"] for n in range(WORKERS)]
        self.assertEqual(sum(here), TRIALS, f"of the workers, one by one: {here}")

        # What the trials wrote of themselves: of those that ran to their end, one attempt each is the one that counts.
        ran = {}
        for line in (self.folder / "trials.log").read_text(encoding="ascii").splitlines():
            trial, attempt, _, _, value = map(int, line.split())
            ran[trial, attempt] = value
        late = 0
        for (trial, attempt), value in ran.items():
            if attempt != trials[trial]["attempts"]:
                late += 1
            elif trials[trial]["state"] == "completed":
                self.assertEqual(trials[trial]["metrics"]["loss"], value, f"trial {trial}: what its newest attempt said")
        refused = [process for log in logs for _, process in REFUSED.findall(log)]
        attempts = sum(t["attempts"] for t in trials.values())
        retold = [t["attempts"] for t in trials.values() if t["attempts"] > 1]
        tells = sum(not process for process in refused)
        say(f"\n{self.store}, seed {self.seed} (KRIGON_TEST_SEED repeats it): {WORKERS} workers of {SLOTS} slots, leases of {LEASE} s")
        say(f"pauses: {len(self.pauses)} of {min(self.pauses):.1f} to {max(self.pauses):.1f} s in {self.seconds:.1f} s, "
            f"{self.suggester_paused} times of the suggester")
        say(f"trials: {now['completed']} completed, {now['failed']} failed, each told once, {attempts} attempts; "
            f"{len(retold)} were taken over, one up to {max(retold, default=1) - 1} times")
        say(f"the woken: {tells} tells refused, {len(refused) - tells} trials ended unheard; {late} attempts had run to their end in vain")
        self.assertGreater(len(retold), 0, "no pause hit a running trial")
        self.assertGreater(tells, 0, "no word came too late")
        self.assertGreaterEqual(len(refused), late)

    def check_that_it_goes_on(self):
        """With a larger budget."""
        self.write_study(TRIALS + 2)
        self.krigon("worker", "--parallel", "2", "--quiet", "--json")
        self.assertEqual([t["trial"] for t in self.krigon("trials", "--json")], list(range(TRIALS + 2)))


class OnSqlite(Pauses, unittest.TestCase):
    store = "SQLite"

    def setUp(self):
        super().setUp()
        self.url = str(self.folder / "krigon.db")


class OnPostgreSql(Pauses, unittest.TestCase):
    store = "PostgreSQL"

    def setUp(self):
        super().setUp()
        self.server = Server("max_connections=100")
        self.addCleanup(self.server.stop)
        self.url = self.server.url


if __name__ == "__main__":
    unittest.main(verbosity=2)
