"""The line protocol, as another language would drive it."""

import json
import subprocess
import unittest

from support import KRIGON, StudyTest

STUDY = """\
study: piped
objective: {metric: loss, direction: minimize}
parameters: {x: {min: -2, max: 2, type: linear}}
budget: {trials: 5}
early_stopping: {type: asha, max_steps: 9, reduction: 2}
sampler: random
"""


class Pipe(StudyTest):
    study = STUDY

    def open(self):
        process = subprocess.Popen([KRIGON, "pipe", "study.yaml"], cwd=self.folder, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, encoding="utf-8", env=self.environment())

        def close():
            process.stdin.close()
            process.wait(timeout=60)
            process.stdout.close()
        self.addCleanup(close)
        return process

    def say(self, process, **request):
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    def test_a_whole_study(self):
        pipe = self.open()
        told = {}
        while True:
            asked = self.say(pipe, op="ask")
            if asked["trial"] is None:
                self.assertIn("budget of 5 trials", asked["reason"])
                break
            x = asked["parameters"]["x"]
            if self.say(pipe, op="report", trial=asked["trial"], step=1, metrics={"loss": x * x})["stop"]:
                continue
            told[asked["trial"]] = x * x
            self.assertEqual(self.say(pipe, op="tell", trial=asked["trial"], metrics={"loss": x * x}), {"ok": True})
        best = self.say(pipe, op="best")
        self.assertEqual(best["metrics"]["loss"], min(told.values()))
        status = self.json("status", "study.yaml")
        self.assertEqual((status["completed"], status["completed"] + status["stopped"]), (len(told), 5))

    def test_errors_are_answered_and_it_goes_on(self):
        pipe = self.open()
        pipe.stdin.write("not json\n")
        pipe.stdin.flush()
        self.assertIn("error", json.loads(pipe.stdout.readline()))
        self.assertIn("error", self.say(pipe, op="tell", trial=3, metrics={"loss": 1}))
        self.assertEqual(self.say(pipe, op="ask")["trial"], 0)

    def test_a_key_survives_the_pipe(self):
        first = self.say(self.open(), op="ask", key="worker-1")
        second = self.open()
        self.assertEqual(self.say(second, op="ask", key="worker-1"), first)
        self.assertEqual(self.say(second, op="fail", trial=first["trial"], reason="lost"), {"ok": True})

    def test_two_pipes_serve_one_study(self):
        one, two = self.open(), self.open()
        trials = [self.say(p, op="ask")["trial"] for p in (one, two, one, two)]
        self.assertEqual(trials, [0, 1, 2, 3])
        self.assertEqual(self.say(two, op="tell", trial=0, metrics={"loss": 1}), {"ok": True})


if __name__ == "__main__":
    unittest.main()
