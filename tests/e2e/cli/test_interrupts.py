"""Ctrl-C in its three stages, SIGTERM, and going on afterwards."""

import json
import signal
import subprocess
import unittest

from support import KRIGON, STUDY, StudyTest, processes_with


class Interrupts(StudyTest):
    def begin(self, slow):
        """A run whose first two trials have reported a step."""
        process = self.start("run", "study.yaml", KRIGON_TEST_SLOW=slow, KRIGON_TEST_MARK=self.mark())
        self.addCleanup(self.end, process)
        self.wait_for(lambda: self.reported() >= 2 or process.poll() is not None, "two trials to report")
        self.assertIsNone(process.poll())
        return process

    def mark(self):
        return f"mark-of-{self.folder.name}"

    def reported(self):
        if not (self.folder / "krigon.db").exists():
            return 0
        # The store may be found half made, before the study is in it.
        done = subprocess.run([KRIGON, "trials", "study.yaml", "--json", "--state", "running"], cwd=self.folder,
                              capture_output=True, encoding="utf-8", env=self.environment(), check=False)
        return sum(1 for line in done.stdout.splitlines() if json.loads(line)["step"] >= 1)

    def end(self, process):
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=60)

    def finish(self, process):
        out, err = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 130, err)
        self.assertIn("interrupted", out)
        self.wait_for(lambda: not processes_with(self.mark()), "its processes to be gone", 30)
        return err

    def test_once_lets_the_running_trials_end(self):
        process = self.begin("1")
        process.send_signal(signal.SIGINT)
        err = self.finish(process)
        status = self.json("status", "study.yaml")
        self.assertEqual((status["completed"], status["running"], status["queued"]), (2, 0, 0), err)

    def test_twice_stops_them_and_hands_them_back(self):
        process = self.begin("60")
        process.send_signal(signal.SIGINT)
        self.wait_for(lambda: self.reported() == 2, "it to go on running")
        process.send_signal(signal.SIGINT)
        self.finish(process)
        status = self.json("status", "study.yaml")
        self.assertEqual((status["completed"], status["running"], status["queued"], status["failed"]), (0, 0, 2, 0))
        end = self.json("run", "study.yaml")
        self.assertEqual((end["completed"], end["trials"]), (6, 6), "and the same trials are run again")

    def test_three_times_kills(self):
        self.write("trial.sh", "trap '' TERM\n" + self.trial)
        self.write("study.yaml", STUDY.replace("grace: 2s", "grace: 10m"))
        process = self.begin("100")
        # Signals that come close together are taken as one: press until it ends.
        for _ in range(30):
            process.send_signal(signal.SIGINT)
            try:
                process.wait(timeout=2)
                break
            except subprocess.TimeoutExpired:
                continue
        self.finish(process)
        self.assertEqual(self.json("status", "study.yaml")["running"], 0)

    def test_sigterm_stops_at_once(self):
        process = self.begin("60")
        process.send_signal(signal.SIGTERM)
        self.finish(process)
        status = self.json("status", "study.yaml")
        self.assertEqual((status["running"], status["queued"]), (0, 2))

    def test_killed_it_leaves_nothing_behind_and_goes_on(self):
        process = self.begin("60")
        process.kill()
        process.communicate(timeout=60)
        self.wait_for(lambda: not processes_with(self.mark()), "its trials to be gone", 60)
        end = self.json("run", "study.yaml")
        self.assertEqual((end["completed"], end["trials"]), (6, 6))


if __name__ == "__main__":
    unittest.main()
