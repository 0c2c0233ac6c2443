"""Workers on PostgreSQL while SIGKILL hits them, the one that proposes, and the server.

Afterwards the store is held against two witnesses outside it: what the workers wrote once a tell had returned, and
what the trials wrote of themselves. KRIGON_STORM_SECONDS, _WORKERS and _SLOTS say how long and how large,
KRIGON_TEST_SEED repeats the moments (as far as a machine repeats itself).
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
from server import Server
from support import processes_with

KRIGON = os.environ["KRIGON"]
TRIAL = os.environ["KRIGON_FAULTS_TRIAL"]
SECONDS = float(os.environ.get("KRIGON_STORM_SECONDS", "10"))
WORKERS = int(os.environ.get("KRIGON_STORM_WORKERS", "10"))
SLOTS = int(os.environ.get("KRIGON_STORM_SLOTS", "4"))
# About as many trials a second as two cores start beside the server.
LONGEST = max(0.6, WORKERS * SLOTS / 25)
# Seconds between two kills of a kind, on average; a server that comes back has to be there for a while.
BETWEEN = {"worker": SECONDS / min(150, 2 * SECONDS / 3), "suggester": SECONDS / min(40, SECONDS / 4),
           "server": SECONDS / min(20, SECONDS / 5)}

STUDY = """\
study: storm
objective: {metric: loss, direction: minimize}
parameters:
  x: {min: %g, max: %g}
trial:
  command: ["%s", "{x}", "%s"]
  retries: 1000
  grace: 1s
budget: {trials: 10000000}
sampler: random
seed: 3
"""

TOLD = re.compile(r"^\d\d:\d\d:\d\d trial (\d+) (?:completed: loss (\d+)\b|(failed): exit code 1)", re.MULTILINE)


class Storm(unittest.TestCase):
    def setUp(self):
        self.seed = int(os.environ.get("KRIGON_TEST_SEED", time.time_ns() % 1_000_000))
        self.rng = random.Random(self.seed)
        self.server = Server("max_connections=400")
        self.addCleanup(self.server.stop)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="krigon-storm-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.mark = f"KRIGON_TEST_MARK=storm-{os.getpid()}-{self.seed}"
        self.workers = []
        self.started = 0
        self.addCleanup(self.end_workers)
        self.kills = {"worker": [], "suggester": [], "server": []}
        self.away = []  # seconds for which the server was
        self.gave_up = []

    def end_workers(self):
        for worker in self.workers:
            worker.kill()
            worker.wait()

    def start_worker(self):
        self.started += 1
        env = dict(os.environ, **dict([self.mark.split("=")]))
        with open(self.folder / f"worker-{self.started}.log", "wb") as log:
            self.workers.append(subprocess.Popen(
                [KRIGON, "worker", "study.yaml", "--storage", self.server.url, "--parallel", str(SLOTS)],
                cwd=self.folder, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                # It is left as it is where it is ignored already, as in the background of a shell.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)))

    def kill_worker(self, worker):
        """And another in its place; whether it was alive."""
        alive = worker.poll() is None
        worker.kill()
        worker.wait()
        self.workers.remove(worker)
        time.sleep(self.rng.choice([0, 0, 0.5]))
        self.start_worker()
        return alive

    def kill_suggester(self):
        name = self.server.rows("SELECT suggester FROM study")[0][0]
        pid = int(name.rsplit(":", 2)[1]) if name else -1
        found = [worker for worker in self.workers if worker.pid == pid]
        return bool(found) and self.kill_worker(found[0])

    def kill_server(self):
        at = time.monotonic()
        self.server.kill()
        time.sleep(self.rng.choice([0, 0.3, 2]))
        self.server.restart()
        self.away.append(time.monotonic() - at)
        return True

    def replace_those_that_gave_up(self):
        """As what keeps workers running would; a store that is away for too long ends them with 5."""
        for worker in [w for w in self.workers if w.poll() is not None]:
            self.gave_up.append(worker.returncode)
            self.workers.remove(worker)
            self.start_worker()

    def test_nothing_that_was_told_is_lost_or_there_twice(self):
        say(f"seed {self.seed} (KRIGON_TEST_SEED repeats it): {WORKERS} workers of {SLOTS} for {SECONDS:g} s")
        (self.folder / "study.yaml").write_text(STUDY % (LONGEST / 5, LONGEST, TRIAL, self.folder / "trials.log"))
        self.start_worker()
        end = time.monotonic() + 60
        while "started" not in self.log(1) and time.monotonic() < end:
            time.sleep(0.05)
        for _ in range(WORKERS - 1):
            self.start_worker()
        began = time.monotonic()
        due = {kind: began + self.rng.uniform(0.5, 1) * each for kind, each in BETWEEN.items()}
        while time.monotonic() < began + SECONDS:
            time.sleep(0.05)
            self.replace_those_that_gave_up()
            kind = min(due, key=due.get)
            if time.monotonic() < due[kind]:
                continue
            at = time.time_ns() // 1000
            hit = {"worker": lambda: self.kill_worker(self.rng.choice(self.workers)),
                   "suggester": self.kill_suggester, "server": self.kill_server}[kind]()
            if hit:
                self.kills[kind].append(at)
            due[kind] = time.monotonic() + self.rng.uniform(0.5, 1.5) * BETWEEN[kind]
        self.seconds = time.monotonic() - began
        self.let_all_end()
        self.check_processes()
        self.check_counts()
        self.check_attempts()
        self.check_witnesses()
        self.print_figures()
        self.check_that_it_goes_on()

    def log(self, number):
        return (self.folder / f"worker-{number}.log").read_text(encoding="utf-8")

    def let_all_end(self):
        # One that was started a moment ago does not listen to signals yet.
        end = time.monotonic() + 60
        while time.monotonic() < end:
            self.replace_those_that_gave_up()
            known = {int(name.rsplit(":", 2)[1]) for [name] in self.server.rows("SELECT name FROM worker")}
            if known >= {worker.pid for worker in self.workers}:
                break
            time.sleep(0.1)
        for worker in self.workers:
            worker.send_signal(signal.SIGINT)
        for worker in self.workers:
            self.assertEqual(worker.wait(timeout=300), 130, "of a worker that was asked to let its trials end")
        self.workers = []

    def check_processes(self):
        end = time.monotonic() + 20
        while (left := processes_with(self.mark)) and time.monotonic() < end:
            time.sleep(0.1)
        self.assertEqual(left, [], "processes outlived their workers")

    def check_counts(self):
        states = ["queued", "running", "paused", "completed", "stopped", "failed", "cancelled"]
        [[made, events, fence, *head]] = self.server.numbers(
            f"SELECT next_trial, sequence, fence, {', '.join(states)} FROM study")
        counted = {row[0]: int(row[1]) for row in self.server.rows("SELECT state, count(*) FROM trial GROUP BY 1")}
        self.assertEqual({s: n for s, n in zip(states, head) if n}, counted, "the head counts what is there")
        self.assertEqual(sum(head), made)
        self.assertEqual(self.server.numbers("SELECT min(number), max(number), count(*) FROM trial"), [[0, made - 1, made]])
        self.assertEqual(counted.get("running", 0), 0, "trials that no one runs")
        self.assertEqual(self.server.numbers("SELECT count(*), max(id & 1099511627775) FROM event"), [[events, events]])
        self.made, self.events, self.fence, self.counted = made, events, fence, counted
        ends = self.server.numbers(
            "SELECT trial & 1099511627775, count(*) FROM event WHERE kind IN ('completed', 'failed') GROUP BY 1")
        self.assertEqual({n: 1 for n, _ in ends}, dict(ends), "a result was taken twice")
        self.assertEqual(len(ends), counted["completed"] + counted["failed"])

    def check_attempts(self):
        """No two leases of a trial at once, by their times and by the tokens that order them."""
        rows = self.server.rows("SELECT trial & 1099511627775, number, fence, started, ended_at, outcome FROM attempt ORDER BY trial, number")
        fences, before = set(), (-1, 0, 0, 0)
        self.outcomes = {}
        for row in rows:
            trial, number, fence, started, ended = map(int, row[:5])
            self.outcomes[row[5]] = self.outcomes.get(row[5], 0) + 1
            self.assertNotIn(fence, fences)
            fences.add(fence)
            self.assertLessEqual(started, ended, row)
            if trial == before[0]:
                self.assertEqual(number, before[1] + 1, row)
                self.assertGreater(fence, before[2], row)
                self.assertGreaterEqual(started, before[3], f"{row}: the one before it had not ended")
            else:
                self.assertEqual(number, 1, row)
            before = (trial, number, fence, ended)
        self.assertEqual(max(fences), self.fence)
        [[requeued]] = self.server.numbers("SELECT count(*) FROM event WHERE kind = 'requeued'")
        self.assertEqual(requeued, self.outcomes.get("lost", 0), "each lost attempt puts its trial back once")
        self.requeued = requeued

    def check_witnesses(self):
        stored = {int(n): (state, int(attempts), json.loads(metrics)["loss"] if metrics else None)
                  for n, state, attempts, metrics in self.server.rows("SELECT number, state, attempts, metrics FROM trial")}
        self.told = 0
        for number in range(1, self.started + 1):
            for trial, value, failed in TOLD.findall(self.log(number)):
                self.told += 1
                state, _, loss = stored[int(trial)]
                self.assertEqual((state, loss), ("failed", None) if failed else ("completed", int(value)),
                                 f"of trial {trial}, as worker {number} told it")
        ran = {}
        for line in (self.folder / "trials.log").read_text(encoding="ascii").splitlines():
            trial, attempt, began, ended, value = map(int, line.split())
            ran[trial, attempt] = (began, ended, value)
        for trial, (state, attempts, loss) in stored.items():
            if state == "completed":
                self.assertEqual(ran[trial, attempts][2], loss, f"trial {trial}: what its newest attempt said")
        # The workers that were killed told some of which they could not write any more.
        self.assertGreater(self.told, 0.9 * (self.counted["completed"] + self.counted["failed"]))

    def longest_pauses(self):
        """Between two ends of trials, around each kill of the server; seconds."""
        times = [row[0] for row in self.server.numbers("SELECT time FROM event WHERE kind IN ('completed', 'failed') ORDER BY time")]
        pauses = []
        for at in self.kills["server"]:
            after = [t for t in times if at - 1_000_000 <= t <= at + 60_000_000]
            pauses.append(max((b - a for a, b in zip(after, after[1:])), default=0) / 1e6)
        return pauses

    def print_figures(self):
        pauses = self.longest_pauses()
        say(f"kills: {len(self.kills['worker'])} of workers, {len(self.kills['suggester'])} of the suggester, "
              f"{len(self.kills['server'])} of the server (away for {min(self.away):.1f} to {max(self.away):.1f} s)")
        say(f"workers that gave up by themselves: {len(self.gave_up)}, exit statuses {sorted(set(self.gave_up))}")
        say(f"trials: {self.made} made, {self.counted}; {self.told} tells witnessed")
        say(f"events: {self.events}, {self.events / self.seconds:.0f} a second over {self.seconds:.0f} s")
        say(f"attempts by outcome: {self.outcomes}; {self.requeued} trials put back")
        say(f"longest pause between two ends around a kill of the server: {max(pauses):.1f} s "
              f"(median {sorted(pauses)[len(pauses) // 2]:.1f} s)")
        for kind, hits in self.kills.items():
            self.assertGreater(len(hits), 0, f"no {kind} was killed")
        self.assertGreater(self.requeued, 0, "no kill hit a running trial")

    def check_that_it_goes_on(self):
        def krigon(*words):
            return subprocess.run([KRIGON, words[0], "study.yaml", "--storage", self.server.url, *words[1:]],
                                  cwd=self.folder, check=True, capture_output=True, text=True).stdout

        asked = json.loads(krigon("ask", "--json"))["trial"]
        krigon("tell", str(asked), "loss=0.25")
        self.assertEqual(self.server.rows(f"SELECT state, metrics FROM trial WHERE number = {asked}"), [["completed", '{"loss":0.25}']])


if __name__ == "__main__":
    unittest.main(verbosity=2)
