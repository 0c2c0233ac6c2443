"""What the modules share: a folder with a study, and the program run in it."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

KRIGON = os.environ["KRIGON"]

# A trial that reports a few steps of a curve; x says where it ends. Written for speed of start: a shell.
TRIAL = """\
#!/bin/sh
# x is the loss; with KRIGON_TEST_SLOW a step takes that long.
step=1
while [ "$step" -le "${KRIGON_MAX_STEPS:-3}" ]; do
  printf '{"step": %s, "loss": %s}\\n' "$step" "$1" >>"$KRIGON_REPORT_FILE"
  [ -z "${KRIGON_TEST_SLOW:-}" ] || sleep "$KRIGON_TEST_SLOW"
  step=$((step + 1))
done
printf '{"loss": %s}\\n' "$1" >>"$KRIGON_REPORT_FILE"
"""

STUDY = """\
study: curve
objective: {metric: loss, direction: minimize}
parameters:
  x: {min: 0.5, max: 1.5}
trial:
  command: [sh, trial.sh, "{x}"]
  cwd: study
  grace: 2s
budget: {trials: 6, parallel: 2}
sampler: random
seed: 7
inputs: [trial.sh]
"""


class StudyTest(unittest.TestCase):
    """A fresh folder for each test, with study.yaml and trial.sh in it."""

    maxDiff = None
    study = STUDY
    trial = TRIAL

    def setUp(self):
        self._temporary = tempfile.TemporaryDirectory(prefix="krigon-cli-")
        self.addCleanup(self._temporary.cleanup)
        self.folder = pathlib.Path(self._temporary.name)
        self.write("study.yaml", self.study)
        self.write("trial.sh", self.trial)

    def write(self, name, text):
        (self.folder / name).write_text(text, encoding="utf-8")

    def environment(self, **changes):
        keep = {k: v for k, v in os.environ.items()
                if not k.startswith(("KRIGON_", "SLURM_")) and k not in ("NO_COLOR", "COLUMNS", "CUDA_VISIBLE_DEVICES")}
        keep.update({"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TERM": "xterm", **changes})
        return keep

    def krigon(self, *arguments, code=0, stdin="", **environment):
        """Runs the program; returns the completed process, its exit code checked."""
        done = subprocess.run(
            [KRIGON, *map(str, arguments)], cwd=self.folder, input=stdin, capture_output=True,
            encoding="utf-8", env=self.environment(**environment), timeout=240, check=False)
        self.assertEqual(done.returncode, code, f"krigon {' '.join(map(str, arguments))}\n{done.stdout}\n{done.stderr}")
        return done

    def out(self, *arguments, **options):
        return self.krigon(*arguments, **options).stdout

    def json(self, *arguments, **options):
        return json.loads(self.out(*arguments, "--json", **options))

    def lines(self, *arguments, **options):
        """Output of one JSON object a line."""
        return [json.loads(line) for line in self.out(*arguments, **options).splitlines()]

    def start(self, *arguments, **environment):
        return subprocess.Popen(
            [KRIGON, *map(str, arguments)], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, encoding="utf-8", env=self.environment(**environment))

    def wait_for(self, condition, what, seconds=120):
        """Until the condition holds; machines may be slow."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if condition():
                return
            time.sleep(0.05)
        self.fail(f"waited {seconds} s for {what}")


def processes_with(marker):
    """Processes whose command line or environment holds the text."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            text = (entry / "cmdline").read_bytes() + b"\0" + (entry / "environ").read_bytes()
        except OSError:
            continue
        if marker.encode() in text:
            found.append(int(entry.name))
    return found


if __name__ == "__main__":
    sys.exit("run the test_*.py modules")
