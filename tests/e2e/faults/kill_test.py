"""Kills the manager with SIGKILL at 50 random moments of one study.

After each kill: every result that was told before is still there, unchanged; no process of the study
is left. At the end: the budget is used exactly, no trial was counted twice, and the study is the one
that an uninterrupted run of the same seed makes, point for point and verdict for verdict.
"""

import json
import os
import pathlib
import random
import signal
import sqlite3
import subprocess
import tempfile
import time
import unittest

from figures import say

KRIGON = os.environ["KRIGON"]
KILLS = 50
TRIALS = 60

STUDY = """\
study: killed
objective: {metric: loss, direction: minimize}
parameters:
  x: {min: -5, max: 10}
  y: {min: 0, max: 15}
  kind: {values: [a, b]}
trial:
  command: [sh, trial.sh]
  retries: 1000
  grace: 1s
budget: {trials: %d, parallel: 1}
early_stopping: {type: asha, max_steps: 9, reduction: 3}
seed: 11
inputs: [trial.sh]
""" % TRIALS

# Leaves a grandchild in a session of its own behind, which must not outlive the manager either.
TRIAL = """\
setsid sleep 600 &
for step in 1 2 3 4 5 6 7 8 9; do
  sleep 0.01
  awk -v x="$KRIGON_PARAM_X" -v y="$KRIGON_PARAM_Y" -v k="$KRIGON_PARAM_KIND" -v s=$step \\
    'BEGIN { v = (x - 2)^2 + (y - 3)^2 / 4 + (k == "a"); printf "{\\"step\\": %d, \\"loss\\": %.6f}\\n", s, v + 9 / s }' \\
    >> "$KRIGON_REPORT_FILE"
done
"""


def marked_processes(mark):
    """Processes of the study, found by an environment variable that every descendant inherits."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if mark in (entry / "environ").read_bytes() and (entry / "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z":
                found.append((int(entry.name), (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()))
        except OSError:
            pass  # it ended while we looked
    return found


def make_study(folder):
    (folder / "study.yaml").write_text(STUDY)
    (folder / "trial.sh").write_text(TRIAL)


def trials(folder):
    out = subprocess.run([KRIGON, "trials", "study.yaml", "--json"], cwd=folder, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in out.stdout.splitlines()]


def essence(records):
    """What must not depend on interruptions: not times, attempts or sequence numbers."""
    return [(t["trial"], t["state"], t["parameters"], t["metrics"], t.get("last"), t["step"]) for t in records]


class KillTest(unittest.TestCase):
    def test_fifty_kills_lose_nothing(self):
        seed = int(os.environ.get("KRIGON_TEST_SEED", time.time_ns() % 1_000_000))
        say(f"seed {seed} (KRIGON_TEST_SEED repeats it)")
        rng = random.Random(seed)
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            make_study(folder)
            mark = f"KRIGON_TEST_MARK=kill-{os.getpid()}-{seed}"
            env = dict(os.environ, **dict([mark.split("=")]))
            told = {}
            kills = 0
            while True:
                manager = subprocess.Popen([KRIGON, "run", "study.yaml"], cwd=folder, env=env,
                                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
                if kills < KILLS:
                    # Short at first, so that the start itself is hit too, and never so long that the
                    # study is over before the fiftieth.
                    time.sleep(rng.choice([0.02, 0.1, 0.3, 0.5]) * rng.uniform(0.5, 1.5))
                    if manager.poll() is None:
                        kills += 1
                    manager.send_signal(signal.SIGKILL)
                    manager.communicate()
                else:
                    _, errors = manager.communicate(timeout=600)
                    self.assertEqual(manager.returncode, 0, errors)
                deadline = time.monotonic() + 20
                while (left := marked_processes(mark.encode())) and time.monotonic() < deadline:
                    time.sleep(0.02)
                self.assertEqual(left, [], "processes outlived their manager")
                if not (folder / "krigon.db").exists():
                    continue
                now = {t["trial"]: t for t in trials(folder)} if self.study_exists(folder) else {}
                for number, before in told.items():
                    self.assertEqual(essence([now[number]]), essence([before]), "a told result changed or was lost")
                told = {n: t for n, t in now.items() if t["state"] in ("completed", "stopped", "failed")}
                if kills >= KILLS and manager.returncode == 0:
                    break
            self.check_the_end(folder, kills)

    @staticmethod
    def study_exists(folder):
        out = subprocess.run([KRIGON, "list", "--storage", "sqlite:///" + str(folder / "krigon.db"), "--json"],
                             capture_output=True, text=True, check=False)
        return out.returncode == 0 and "killed" in out.stdout

    def check_the_end(self, folder, kills):
        final = trials(folder)
        states = [t["state"] for t in final]
        say(f"{kills} kills, {len(final)} trials: {states.count('completed')} completed, {states.count('stopped')} stopped")
        self.assertEqual(sorted(t["trial"] for t in final), list(range(TRIALS)))
        self.assertEqual(states.count("completed") + states.count("stopped"), TRIALS)
        self.assertGreater(states.count("stopped"), 0, "early stopping took no part")

        db = sqlite3.connect(folder / "krigon.db")
        self.assertEqual(db.execute("PRAGMA integrity_check").fetchone(), ("ok",))
        ends = dict(db.execute("SELECT trial & 0xffffffffff, count(*) FROM event WHERE kind IN ('completed', 'stopped', 'failed') GROUP BY 1"))
        self.assertEqual(ends, {n: 1 for n in range(TRIALS)}, "a trial was counted twice or not at all")
        lost = db.execute("SELECT count(*) FROM event WHERE kind = 'requeued'").fetchone()[0]
        say(f"{lost} running trials were lost and run again")
        self.assertGreater(lost, 5, "the kills hardly ever hit a running trial")

        with tempfile.TemporaryDirectory() as other:
            whole = pathlib.Path(other)
            make_study(whole)
            subprocess.run([KRIGON, "run", "study.yaml"], cwd=whole, check=True, capture_output=True)
            self.assertEqual(essence(final), essence(trials(whole)), "interruptions changed what was proposed")


if __name__ == "__main__":
    unittest.main(verbosity=2)
