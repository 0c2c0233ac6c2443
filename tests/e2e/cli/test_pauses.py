"""Rules that pause trials, take them up again, and let clones go on from others' checkpoints."""

import contextlib
import sqlite3
import unittest

from support import StudyTest

# Goes on from the last whole step of its checkpoint, where there is one; writes it before it reports the step, for
# with that it may be told to stop. The worse it is the slower, so that it finds the better ones' reports there.
TRIAL = """\
step=1
pause=$(awk "BEGIN { print $1 / 8 }")
if [ -f "$KRIGON_CHECKPOINT_DIR/step" ]; then step=$(($(cat "$KRIGON_CHECKPOINT_DIR/step") + 1)); fi
while [ "$step" -le 9 ]; do
  sleep "$pause"
  echo "$step" >"$KRIGON_CHECKPOINT_DIR/step.new" && mv "$KRIGON_CHECKPOINT_DIR/step.new" "$KRIGON_CHECKPOINT_DIR/step"
  printf '{"step": %s, "loss": %s}\\n' "$step" "$1" >>"$KRIGON_REPORT_FILE"
  step=$((step + 1))
done
printf '{"loss": %s}\\n' "$1" >>"$KRIGON_REPORT_FILE"
"""


class Pauses(StudyTest):
    trial = TRIAL

    def run_with(self, rule, trials, parallel):
        self.write("study.yaml", self.study.replace("trials: 6, parallel: 2", f"trials: {trials}, parallel: {parallel}")
                   .replace("  cwd: study\n", "  cwd: study\n  checkpoint: true\n") + f"early_stopping: {rule}\n")
        self.krigon("run", "study.yaml", "--quiet")
        told = self.lines("trials", "study.yaml", "--json")
        status = self.json("status", "study.yaml")
        self.assertEqual((status["running"], status["queued"], status["paused"]), (0, 0, 0))
        return told

    def test_promoted_trials_go_on_from_their_checkpoints(self):
        for rule in ("{type: asha, promote: true, max_steps: 9, reduction: 3}", "{type: hyperband, max_steps: 9}"):
            with self.subTest(rule=rule):
                told = self.run_with(rule, 13, 2)
                self.assertEqual(len(told), 13)
                self.assertEqual({t["state"] for t in told}, {"completed", "stopped"})
                promoted = [t for t in told if t["attempts"] > 1]
                self.assertTrue(promoted)
                for trial in promoted:
                    shown = self.json("show", "study.yaml", trial["trial"])
                    steps = [(r["attempt"], r["step"]) for r in shown["reports"] if "step" in r] if "reports" in shown else []
                    self.assertTrue(steps, shown)
                    # No step was done twice but those that were under way when it was told to stop.
                    self.assertGreater(min(step for attempt, step in steps if attempt == 2), 1)
                self.krigon("delete", "study.yaml", "--yes")

    def test_without_the_key_there_is_no_checkpoint_and_it_is_said(self):
        rule = "early_stopping: {type: asha, promote: true, max_steps: 9, reduction: 3}\n"
        self.write("study.yaml", self.study + rule)
        self.write("trial.sh", 'env | grep KRIGON_CHECKPOINT_DIR; printf \'{"loss": %s}\\n\' "$1" >>"$KRIGON_REPORT_FILE"\n')
        warning = "without 'checkpoint: true' under 'trial' these begin again from their first step"
        self.assertIn(f"study.yaml:13: early_stopping: asha pauses trials and takes some up again: {warning}",
                      self.krigon("run", "study.yaml", "--quiet", KRIGON_CHECKPOINT_DIR="/outer").stderr)
        trials = self.folder / "krigon-trials" / "curve"
        self.assertEqual(list(trials.glob("*/checkpoint")), [])
        self.assertEqual({log.read_text() for log in trials.glob("*/attempt-1/stdout.log")}, {""})
        # Named by the store, nobody reads the file.
        store = ("--storage", "krigon.db", "--study", "curve")
        for command in ("worker", "run"):
            self.assertIn(warning, self.krigon(command, *store, "--quiet").stderr)
        self.write("study.yaml", self.study.replace("cwd: study", "checkpoint: true") + rule)
        self.assertEqual(self.krigon("run", "study.yaml", "--quiet").stderr, "")
        for command in ("worker", "run"):
            self.assertEqual(self.krigon(command, *store, "--quiet").stderr, "")

    def test_clones_need_the_key(self):
        rule = "early_stopping: {type: pbt, population: 2, interval: 3, max_steps: 9}\n"
        self.write("study.yaml", self.study + rule)
        said = self.krigon("run", "study.yaml", code=2).stderr
        self.assertIn("study.yaml:13: early_stopping: pbt", said)
        self.assertIn("'checkpoint: true' under 'trial'", said)
        self.assertFalse((self.folder / "krigon.db").exists())
        # One that was stored before the key was known.
        self.write("study.yaml", self.study.replace("cwd: study", "checkpoint: true") + rule)
        self.krigon("enqueue", "study.yaml", "x=1")
        with contextlib.closing(sqlite3.connect(self.folder / "krigon.db")) as store, store:
            changed = store.execute("""UPDATE revision SET spec = replace(spec, '"checkpoint":true,', '')""")
            self.assertEqual(changed.rowcount, 1)
        for command in ("worker", "run"):
            said = self.krigon(command, "--storage", "krigon.db", "--study", "curve", code=2).stderr
            self.assertIn("'checkpoint: true' under 'trial'", said)

    def test_clones_begin_with_their_parents_checkpoint(self):
        told = self.run_with("{type: pbt, population: 4, interval: 3, max_steps: 9}", 12, 4)
        clones = [t for t in told if t["trial"] >= 4]
        self.assertTrue(clones)
        self.assertEqual(sum(t["state"] == "stopped" for t in told), len(clones))
        self.assertEqual(sum(t["state"] == "completed" for t in told), 4)
        for trial in clones:
            shown = self.json("show", "study.yaml", trial["trial"])
            self.assertEqual(shown["proposal"]["sampler"], "clone", shown)
            first = min(r["step"] for r in shown["reports"] if "step" in r)
            self.assertGreater(first, 1)


if __name__ == "__main__":
    unittest.main()
