"""A study in a file, on a disk that is full, or can only be read; and two programs that run it at once."""

import json
import os
import pathlib
import re
import subprocess
import unittest

from figures import say
from support import StudyTest

TOLD = re.compile(r"^\d\d:\d\d:\d\d trial (\d+) completed: loss (\S+?),? ", re.MULTILINE)

# Reports much, so that a small disk is soon full; the loss is short enough to be shown whole.
TRIAL = """\
#!/bin/sh
loss=$((KRIGON_TRIAL * 7 % 1000))
awk -v loss="$loss" 'BEGIN { for (s = 1; s <= 20; ++s) printf "{\\"step\\": %d, \\"loss\\": %d, \\"other\\": %d}\\n", s, loss, s
  printf "{\\"loss\\": %d}\\n", loss }' >>"$KRIGON_REPORT_FILE"
"""


class Disk(StudyTest):
    trial = TRIAL
    study = StudyTest.study.replace("trials: 6", "trials: 60").replace("  cwd: study\n", "")

    def mount(self, size):
        """A disk of its own, of that size, for the study's file alone."""
        self.disk = self.folder / "disk"
        self.disk.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", self.disk], capture_output=True,
                              text=True, check=False)
        if done.returncode != 0:
            self.skipTest(f"this user may not mount: {done.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", self.disk], check=True)
        self.store = self.disk / "krigon.db"

    def remount(self, options):
        subprocess.run(["mount", "-o", f"remount,{options}", self.disk], check=True)

    def run_study(self):
        return subprocess.run([os.environ["KRIGON"], "run", "study.yaml", "--storage", self.store],
                              cwd=self.folder, env=self.environment(), capture_output=True, encoding="utf-8", timeout=240, check=False)

    def without_folder(self, said):
        """Which is another each time."""
        return said.replace(str(self.folder) + "/", "")

    def trials(self):
        return {t["trial"]: t for t in self.lines("trials", "study.yaml", "--storage", self.store, "--json")}

    def test_a_full_disk_loses_nothing_and_the_study_goes_on(self):
        self.mount("3m")
        full = self.run_study()
        self.assertEqual(full.returncode, 5, full.stderr)
        said = full.stderr.splitlines()[-1]
        say(f"\non a disk of 3 MB: {self.without_folder(said)}")
        self.assertIn(str(self.store), said)
        self.assertIn("no room left", said)
        told = {int(trial): float(loss) for trial, loss in TOLD.findall(full.stderr)}
        self.assertGreater(len(told), 2)
        # Once more, as it stands: nothing is made worse.
        self.assertEqual(self.run_study().returncode, 5)
        self.assertLess(len(told), 60)
        self.remount("size=64m")
        before = self.trials()
        for trial, loss in told.items():
            self.assertEqual((before[trial]["state"], before[trial]["metrics"]["loss"]), ("completed", loss), f"trial {trial}")
        on = self.run_study()
        self.assertEqual(on.returncode, 0, on.stderr)
        after = self.trials()
        self.assertEqual(sorted(after), list(range(60)))
        self.assertEqual({t["state"] for t in after.values()}, {"completed"})
        for trial, loss in told.items():
            self.assertEqual(after[trial]["metrics"]["loss"], loss)
            self.assertEqual(after[trial]["attempts"], before[trial]["attempts"])
        say(f"told before it was full: {len(told)} trials, all there; the study went on to its 60")

    def test_what_can_only_be_read_is_read_and_refused_in_words(self):
        self.mount("8m")
        self.write("study.yaml", self.study.replace("trials: 60", "trials: 2"))
        self.assertEqual(self.run_study().returncode, 0)
        self.remount("ro")
        self.assertEqual(self.json("status", "study.yaml", "--storage", self.store)["completed"], 2)
        self.assertEqual(len(self.trials()), 2)
        told = self.krigon("delete", "study.yaml", "--yes", "--storage", self.store, code=5).stderr.strip()
        say(f"\non a disk that can only be read: {self.without_folder(told)}")
        self.assertIn(str(self.store), told)
        self.assertIn("cannot be changed", told)
        self.write("study.yaml", self.study)
        refused = self.run_study()
        said = refused.stderr.splitlines()[-1]
        say(f"and: {self.without_folder(said)}")
        self.assertEqual(refused.returncode, 5, refused.stderr)
        self.assertIn(str(self.store), said)
        self.assertRegex(said, "read-only|written")
        self.assertIn("; Read-only file system, code", said)
        self.remount("rw")
        self.assertEqual(self.run_study().returncode, 0)
        self.assertEqual(len(self.trials()), 60)

    def test_two_programs_run_one_study(self):
        self.store = self.folder / "krigon.db"
        self.write("trial.sh", "sleep 0.2\n" + TRIAL)  # so that there is enough for both
        both = [self.start("run", "study.yaml", "--storage", self.store) for _ in range(2)]
        told = []
        for each in both:
            _, err = each.communicate(timeout=240)
            self.assertEqual(each.returncode, 0, err)
            told.append([int(trial) for trial, _ in TOLD.findall(err)])
        say(f"\ntwo at once: one told {len(told[0])} trials, the other {len(told[1])}")
        self.assertEqual(sorted(told[0] + told[1]), list(range(60)))
        self.assertTrue(told[0] and told[1], "one did all the work")
        after = self.trials()
        self.assertEqual({(t["state"], t["attempts"]) for t in after.values()}, {("completed", 1)})
        self.assertEqual(len({json.dumps(t["parameters"]) for t in after.values()}), 60)


if __name__ == "__main__":
    unittest.main(verbosity=2)
