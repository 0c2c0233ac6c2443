"""Trials that do what trials should not: each has an outcome that is said in words, and the study goes on.

KRIGON_FLOOD_MEGABYTES: what the one that floods prints to standard output and again to standard error.
"""

import os
import re
import subprocess
import time
import unittest

from figures import say
from support import StudyTest, processes_with

MEGABYTES = int(os.environ.get("KRIGON_FLOOD_MEGABYTES", "200"))

TRIAL = r"""
r="$KRIGON_REPORT_FILE"
case "$1" in
flood)     head -c ${MEGABYTES}M /dev/zero >&2 & head -c ${MEGABYTES}M /dev/zero; wait; echo '{"loss": 1}' >>"$r" ;;
children)  setsid sleep 600 & (trap '' TERM HUP; setsid sleep 601) & sh -c 'trap "" TERM; while :; do sleep 1; done' &
           echo '{"loss": 1}' >>"$r" ;;
binary)    head -c 300000 /dev/urandom >>"$r"; printf '\n{"loss": 1}\n' >>"$r" ;;
cut_off)   printf '{"step": 1, "other": 3}\n{"loss": 1' >>"$r" ;;
unended)   printf '{"loss": 1}' >>"$r" ;;
long_line) head -c 100M /dev/zero | tr '\0' 'x' >>"$r" ;;
latin_1)   printf '{"loss": 2, "\351t\351": 1}\n' >>"$r" ;;
text)      echo '{"loss": "0.5"}' >>"$r" ;;
list)      echo '{"loss": [0.5]}' >>"$r" ;;
truth)     echo '{"loss": true}' >>"$r" ;;
no_object) echo '0.5' >>"$r" ;;
step_text) echo '{"step": "1", "loss": 0.5}' >>"$r" ;;
huge)      echo '{"loss": 1e400}' >>"$r" ;;
nan)       echo '{"loss": NaN}' >>"$r" ;;
infinite)  echo '{"loss": -Infinity}' >>"$r" ;;
null)      echo '{"loss": null}' >>"$r" ;;
good)      echo '{"loss": 1}' >>"$r" ;;
esac
"""

# What becomes of each, and what a person is told: in the trial's reason, or in a warning.
EXPECTED = {
    "flood": ("completed", "bytes of stdout not kept"),
    "children": ("completed", ""),
    "binary": ("completed", "set aside"),
    "cut_off": ("bad_result", "without reporting 'loss'"),
    "unended": ("completed", ""),
    "long_line": ("bad_result", "longer than 65536 bytes"),
    "latin_1": ("bad_result", "set aside"),
    "text": ("bad_result", "set aside"),
    "list": ("bad_result", "set aside"),
    "truth": ("bad_result", "set aside"),
    "no_object": ("bad_result", "set aside"),
    "step_text": ("bad_result", "set aside"),
    "huge": ("bad_result", "not a finite number"),
    "nan": ("bad_result", "not a finite number"),
    "infinite": ("bad_result", "not a finite number"),
    "null": ("bad_result", "not a finite number"),
    "good": ("completed", ""),
}

STUDY = """\
study: misbehaviour
objective: {metric: loss, direction: minimize}
parameters:
  kind: {values: [%s]}
trial:
  command: [sh, trial.sh, "{kind}"]
  grace: 1s
%sbudget: {parallel: 2}
sampler: grid
"""


class Misbehaviour(StudyTest):
    trial = TRIAL

    def run_kinds(self, kinds, more=""):
        """The trials by kind, what was said meanwhile, and the most memory that Krigon took; bytes."""
        self.write("study.yaml", STUDY % (", ".join(f'"{k}"' for k in kinds), more))
        mark = f"mark-of-{self.folder.name}"
        with open(self.folder / "said.log", "wb") as said:
            process = subprocess.Popen(
                [os.environ["KRIGON"], "run", "study.yaml"], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                env=self.environment(KRIGON_TEST_MARK=mark, MEGABYTES=str(MEGABYTES)))
            # Of the program and of those that it waited for, the largest.
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        end = time.monotonic() + 10
        while (left := processes_with(mark)) and time.monotonic() < end:
            time.sleep(0.1)
        self.assertEqual(left, [], "processes outlived the study")
        trials = {t["parameters"]["kind"]: t for t in self.lines("trials", "study.yaml", "--json")}
        self.assertEqual(sorted(trials), sorted(kinds))
        return trials, (self.folder / "said.log").read_text(encoding="utf-8"), usage.ru_maxrss * 1024, process.returncode

    def test_each_has_an_outcome_that_is_said(self):
        _, _, alone, code = self.run_kinds(["good"])
        self.assertEqual(code, 0)
        (self.folder / "krigon.db").unlink()
        began = time.monotonic()
        trials, said, peak, code = self.run_kinds(list(EXPECTED))
        took = time.monotonic() - began
        for kind, (outcome, words) in EXPECTED.items():
            trial = trials[kind]
            mine = re.compile(rf"^.{{8}} trial {trial['trial']}\b(?! started)")
            spoken = [line for line in said.splitlines() if mine.match(line)]
            with self.subTest(kind=kind):
                self.assertEqual(trial["outcome"], outcome)
                self.assertIn(words, " ".join(spoken) + trial["reason"])
                if outcome == "completed":
                    self.assertEqual(trial["metrics"]["loss"], 1)
            say(ascii(f"{kind}: {outcome}: {' '.join(line[9:] for line in spoken)[:200]}")[1:-1])
        self.assertEqual(code, 0, said)
        kept = {name: self.output_of(trials["flood"]["trial"], name) for name in ("stdout.log", "stderr.log")}
        say(f"two floods of {MEGABYTES} MB: {kept} bytes kept; {took:.1f} s in all; most memory {peak / 2**20:.1f} MB, "
              f"with one good trial alone {alone / 2**20:.1f} MB")
        for size in kept.values():
            self.assertLess(size, 65 * 2**20)
        # Neither what is printed nor a line of 100 MB is ever held.
        self.assertLess(peak, alone + 32 * 2**20)

    def output_of(self, trial, name):
        [file] = self.folder.rglob(f"{trial}/attempt-1/{name}")
        return file.stat().st_size

    def test_one_that_is_deaf_is_killed_after_the_grace(self):
        self.write("trial.sh", "trap '' TERM; [ $1 = good ] || while :; do sleep 1; done; echo '{\"loss\": 1}' >>$KRIGON_REPORT_FILE")
        began = time.monotonic()
        trials, _, _, code = self.run_kinds(["deaf", "good"], "  timeout: 1s\n")
        took = time.monotonic() - began
        self.assertEqual(code, 0)
        self.assertEqual({k: t["outcome"] for k, t in trials.items()}, {"deaf": "timed_out", "good": "completed"})
        self.assertIn("time-out", trials["deaf"]["reason"])
        say(f"\ndeaf: {trials['deaf']['reason']}; killed {took:.1f} s after the study began")
        self.assertGreater(took, 2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
