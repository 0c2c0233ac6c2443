"""run, and what follows it: status, best, trials, show, reproduce, resume."""

import json
import unittest

from support import STUDY, TRIAL, StudyTest


class Run(StudyTest):
    def test_runs_to_its_budget_and_prints_the_best(self):
        done = self.krigon("run", "study.yaml")
        status = self.json("status", "study.yaml")
        self.assertEqual((status["completed"], status["running"], status["queued"]), (6, 0, 0))
        best = self.json("best", "study.yaml")
        losses = [t["metrics"]["loss"] for t in self.lines("trials", "study.yaml", "--json")]
        self.assertEqual(best["metrics"]["loss"], min(losses))
        x = best["parameters"]["x"]
        self.assertIn(f"(trial {best['trial']})", done.stdout)
        self.assertIn(f"\n  sh trial.sh {x!r}\n", done.stdout)
        self.assertIn(f"\n  krigon reproduce study.yaml {best['trial']}\n", done.stdout)
        self.assertNotIn("\x1b", done.stdout + done.stderr)
        for number in range(6):
            self.assertRegex(done.stderr, rf"(?m)^\d\d:\d\d:\d\d trial {number} started: x=")
            self.assertRegex(done.stderr, rf"(?m)^\d\d:\d\d:\d\d trial {number} completed: loss ")
        self.assertTrue((self.folder / "krigon.db").exists())
        self.assertTrue((self.folder / "krigon-trials" / "curve").is_dir())

    def test_json_and_quiet(self):
        done = self.krigon("run", "study.yaml", "--json", "--quiet")
        self.assertEqual(done.stderr, "")
        end = json.loads(done.stdout)
        self.assertEqual((end["end"], end["completed"], end["ended_here"]), ("budget", 6, 6))
        self.assertEqual(end["command"], f"sh trial.sh {end['best']['parameters']['x']!r}")

    def test_goes_on_where_it_was(self):
        self.krigon("run", "study.yaml", "--trials", "2")
        self.assertEqual(self.json("status", "study.yaml")["completed"], 2)
        end = self.json("run", "study.yaml")
        self.assertEqual((end["completed"], end["ended_here"]), (6, 4))
        end = self.json("run", "study.yaml")
        self.assertEqual((end["completed"], end["ended_here"]), (6, 0))

    def test_one_at_a_time_and_resumed_is_the_same_as_at_once(self):
        self.krigon("run", "study.yaml", "--parallel", "1")
        at_once = [t["parameters"] for t in self.lines("trials", "study.yaml", "--json")]
        for trials in (1, 3, 6):
            self.krigon("run", "study.yaml", "--parallel", "1", "--trials", trials, "--storage", "other.db")
        resumed = [t["parameters"] for t in self.lines("trials", "study.yaml", "--json", "--storage", "other.db")]
        self.assertEqual(at_once, resumed)

    def test_enqueued_points_come_first(self):
        self.krigon("enqueue", "study.yaml", "x=0.75")
        self.krigon("run", "study.yaml", "--trials", "2")
        first = self.json("show", "study.yaml", "0")
        self.assertEqual((first["parameters"], first["sampler"], first["state"]), ({"x": 0.75}, "enqueued", "completed"))

    def test_show_tells_all(self):
        self.krigon("run", "study.yaml", "--trials", "1")
        shown = self.json("show", "study.yaml", "0")
        self.assertEqual([r["step"] for r in shown["reports"]], [1, 2, 3])
        self.assertEqual(shown["all_attempts"][0]["outcome"], "completed")
        self.assertEqual(shown["command"], f"sh trial.sh {shown['parameters']['x']!r}")
        text = self.out("show", "study.yaml", "0")
        for word in ("state:", "completed", "seed:", "attempt", "step"):
            self.assertIn(word, text)

    def test_reproduce_says_what_differs(self):
        self.krigon("run", "study.yaml", "--trials", "2")
        same = self.krigon("reproduce", "study.yaml", "best")
        self.assertIn("every value to the last bit", same.stdout)
        before = self.out("trials", "study.yaml", "--json")
        self.write("trial.sh", TRIAL.replace('"$1"', '"1$1"'))
        other = self.krigon("reproduce", "study.yaml", "0", code=1)
        self.assertIn("input trial.sh: its content has changed", other.stdout)
        self.assertIn("loss at step 1", other.stdout)
        told = json.loads(self.out("reproduce", "study.yaml", "0", "--json", code=1))
        self.assertFalse(told["reproduced"])
        self.assertEqual(len(told["differences"]), 4)
        self.assertEqual(self.out("trials", "study.yaml", "--json"), before, "the store is not changed")


class EarlyStopping(StudyTest):
    study = STUDY.replace("trials: 6", "trials: 8") + "early_stopping: {type: asha, max_steps: 9, reduction: 2}\n"

    def test_bad_trials_are_stopped_and_shown_so(self):
        done = self.krigon("run", "study.yaml", "--parallel", "1", KRIGON_TEST_SLOW="0.1")
        status = self.json("status", "study.yaml")
        self.assertEqual(status["completed"] + status["stopped"], 8)
        self.assertGreater(status["stopped"], 0)
        stopped = self.lines("trials", "study.yaml", "--json", "--state", "stopped")[0]
        self.assertEqual(stopped["metrics"], {}, "a stopped trial has no final value")
        self.assertIn("rank", stopped["reason"])
        self.assertIn(f"trial {stopped['trial']} is stopped early: rank", done.stderr)
        shown = self.json("show", "study.yaml", stopped["trial"])
        self.assertEqual(shown["decisions"][-1]["verdict"], "stop")


class Failures(StudyTest):
    trial = "echo 'the data are gone' >&2; exit 3\n"

    def test_no_completed_trial_exits_with_one(self):
        done = self.krigon("run", "study.yaml", code=1)
        self.assertIn("no trial has completed", done.stdout)
        self.assertIn("the data are gone", done.stderr)
        self.assertIn("last failure:  trial 5: exit code 3: the data are gone", done.stdout.replace("trial 4", "trial 5"))
        shown = self.json("show", "study.yaml", "0")
        self.assertEqual((shown["state"], shown["all_attempts"][0]["exit_code"]), ("failed", 3))
        self.assertIn("the data are gone", self.out("show", "study.yaml", "0"))
        self.krigon("best", "study.yaml", code=1)

    def test_too_many_failures_end_the_study(self):
        self.write("study.yaml", STUDY + "max_failures: 1\n")
        self.krigon("run", "study.yaml", "--parallel", "1", code=1)
        self.assertEqual(self.json("status", "study.yaml")["failed"], 2)


if __name__ == "__main__":
    unittest.main()
