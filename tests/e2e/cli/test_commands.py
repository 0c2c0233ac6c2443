"""ask, tell, report, enqueue, export, import, list, delete, best's formats, check, doctor."""

import csv
import io
import json
import os
import shlex
import subprocess
import unittest

from support import KRIGON, StudyTest

STUDY = """\
study: driven
objective: {metric: accuracy, direction: maximize}
parameters:
  rate: {min: 1e-5, max: 1e-1, type: log}
  batch: {values: [32, 64, 128], ordered: true}
  layers: {min: 1, max: 4, type: int}
  kind: {values: [adam, "it's sgd"]}
  momentum: {min: 0, max: 0.9, when: {kind: "it's sgd"}}
sampler: random
seed: 3
"""


class Commands(StudyTest):
    study = STUDY

    def ask_and_tell(self, count=4):
        for i in range(count):
            trial = self.json("ask", "study.yaml")
            self.krigon("tell", "study.yaml", trial["trial"], f"accuracy={0.5 + 0.1 * i}")

    def test_check_creates_nothing(self):
        text = self.out("check", "study.yaml")
        for word in ("driven", "maximize accuracy", "1e-05 to 0.1", "real, log", "kind is it's sgd", "random"):
            self.assertIn(word, text)
        self.assertEqual(self.json("check", "study.yaml")["study"]["seed"], 3)
        self.assertEqual(sorted(p.name for p in self.folder.iterdir()), ["study.yaml", "trial.sh"])

    def test_the_study_file_is_found_in_the_folder(self):
        self.assertIn("driven", self.out("check"))

    def test_ask_and_tell(self):
        first = self.out("ask", "study.yaml")
        self.assertRegex(first, r"^0 rate=\S+ batch=\d+ layers=\d ")
        again = self.json("ask", "study.yaml", "--key", "k")
        self.assertEqual(self.json("ask", "study.yaml", "--key", "k"), again)
        self.krigon("tell", "study.yaml", "0", "accuracy=0.75", "seconds=3")
        self.krigon("tell", "study.yaml", "1", "--failed", "no memory")
        states = [t["state"] for t in self.lines("trials", "study.yaml", "--json")]
        self.assertEqual(states, ["completed", "failed"])

    def test_best_in_every_format(self):
        self.ask_and_tell()
        best = self.json("best", "study.yaml")
        self.assertEqual(best["metrics"], {"accuracy": 0.8})
        wanted = best["parameters"]
        as_text = {k: str(v).lower() if isinstance(v, bool) else v for k, v in wanted.items()}
        args = shlex.split(self.out("best", "study.yaml", "--format", "args"))
        self.assertEqual({a.split("=", 1)[0]: a.split("=", 1)[1] for a in args}.keys(), {f"--{k}" for k in as_text})
        environment = subprocess.run(
            ["sh", "-c", "set -a; eval \"$OUTPUT\"; env"], capture_output=True, encoding="utf-8", check=True,
            env={"OUTPUT": self.out("best", "study.yaml", "--format", "env"), "PATH": "/usr/bin:/bin"}).stdout
        self.assertIn(f"KRIGON_PARAM_KIND={wanted['kind']}\n", environment)
        self.assertEqual(json.loads(self.out("best", "study.yaml", "--format", "json")), wanted)
        yaml = self.out("best", "study.yaml", "--format", "yaml")
        self.assertIn(f"kind: {json.dumps(wanted['kind'])}\n", yaml)
        rate = next(line for line in yaml.splitlines() if line.startswith("rate: ")).removeprefix("rate: ")
        self.assertEqual(float(rate), wanted["rate"])
        self.assertIn(".", rate, "YAML 1.1 reads 1e-05 as text")

    def test_csv_is_what_spreadsheets_read(self):
        self.ask_and_tell(3)
        rows = list(csv.DictReader(io.StringIO(self.out("trials", "study.yaml", "--csv"))))
        self.assertEqual([float(r["accuracy"]) for r in rows], [0.5, 0.6, 0.7])
        self.assertEqual(list(rows[0]), ["trial", "state", "rate", "batch", "layers", "kind", "momentum", "accuracy", "step", "reason"])

    def test_export_and_import_into_another_study(self):
        self.ask_and_tell(3)
        self.krigon("export", "study.yaml", "-o", "trials.jsonl")
        self.krigon("export", "study.yaml", "-o", "trials.csv")
        for file in ("trials.jsonl", "trials.csv"):
            told = self.json("import", "study.yaml", file, "--study", f"copy-{file}")
            self.assertEqual(told["imported"], 3)
            copies = self.lines("trials", "study.yaml", "--json", "--study", f"copy-{file}")
            originals = self.lines("trials", "study.yaml", "--json")
            for copy, original in zip(copies, originals, strict=True):
                self.assertEqual((copy["parameters"], copy["metrics"]), (original["parameters"], original["metrics"]))
        self.assertEqual([s["study"] for s in self.lines("list", "--json")], ["copy-trials.csv", "copy-trials.jsonl", "driven"])

    def test_report_and_tell_from_outside(self):
        self.krigon("ask", "study.yaml")
        self.assertEqual(self.out("report", "study.yaml", "--trial", "0", "step=1", "accuracy=0.5"), "continue\n")
        self.krigon("report", "study.yaml", "--trial", "0", "step=1", "accuracy=0.6", code=4)
        self.krigon("tell", "study.yaml", "0", "--stopped")
        self.assertEqual(self.lines("trials", "study.yaml", "--json")[0]["last"], {"accuracy": 0.5})

    def test_report_inside_a_trial(self):
        file = self.folder / "report"
        self.krigon("report", "step=3", "accuracy=0.91", KRIGON_REPORT_FILE=str(file))
        self.krigon("report", "accuracy=0.95", KRIGON_REPORT_FILE=str(file))
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        self.assertEqual(lines, [{"step": 3, "accuracy": 0.91}, {"accuracy": 0.95}])

    def test_enqueue(self):
        self.krigon("enqueue", "study.yaml", "rate=0.01", "batch=64", "layers=2", "kind=adam")
        self.krigon("enqueue", "study.yaml", "rate=0.01", "batch=48", "layers=2", "kind=adam", code=2)
        self.assertEqual(self.json("ask", "study.yaml")["parameters"],
                         {"rate": 0.01, "batch": 64, "layers": 2, "kind": "adam"})

    def test_list_and_delete(self):
        self.krigon("list", code=3)
        self.krigon("ask", "study.yaml")
        self.assertIn("driven", self.out("list"))
        self.krigon("delete", "study.yaml", code=2)
        self.krigon("delete", "study.yaml", "--yes")
        self.krigon("status", "study.yaml", code=3)

    def test_doctor(self):
        done = subprocess.run([KRIGON, "doctor", "--json"], capture_output=True, encoding="utf-8", check=False)
        self.assertIn(done.returncode, (0, 1))
        names = {f["name"] for f in json.loads(done.stdout)["findings"]}
        self.assertLessEqual({"krigon", "backend", "blas", "threads", "gpu"}, names)

    def test_a_gpu_that_is_not_there_is_an_error_and_nothing_is_made(self):
        findings = self.json("doctor")["findings"]
        gpu = next(f for f in findings if f["name"] == "gpu")
        if gpu["value"] != "not used":
            self.skipTest("there is a GPU")
        self.write("run.yaml", STUDY + 'trial: {command: [sh, trial.sh, "{rate}"]}\nbudget: {trials: 1}\n')
        for command, study in (("ask", "study.yaml"), ("pipe", "study.yaml"), ("run", "run.yaml")):
            done = self.krigon(command, study, "--device", "cuda", code=5)
            self.assertIn(gpu["hint"], done.stderr)
        self.krigon("list", code=3)

    @unittest.skipUnless("KRIGON_CUDA_ON_HOST" in os.environ, "built without CUDA's headers")
    def test_the_gpu_code_proposes_what_the_cpu_does(self):
        self.write("gp.yaml", STUDY.replace("sampler: random", "sampler: {type: gp, initial: 4}"))
        conversation = "".join(
            json.dumps({"op": "ask"}) + "\n"
            + json.dumps({"op": "tell", "trial": t, "metrics": {"accuracy": (t * 7 % 11) / 11}}) + "\n"
            for t in range(8))
        found = {}
        for device in ("cpu", "cuda-on-host"):
            done = subprocess.run(
                [KRIGON, "pipe", "gp.yaml", "--storage", f"{device}.db", "--device", device],
                input=conversation, capture_output=True, encoding="utf-8", check=True, cwd=self.folder,
                env={**os.environ, "KRIGON_CUDA_PLUGIN": os.environ["KRIGON_CUDA_ON_HOST"]})
            found[device] = [json.loads(line)["parameters"] for line in done.stdout.splitlines()[::2]]
        for cpu, cuda in zip(found["cpu"], found["cuda-on-host"], strict=True):
            for name, value in cpu.items():
                if isinstance(value, float):
                    self.assertAlmostEqual(value, cuda[name], delta=1e-4 * abs(value))
                else:
                    self.assertEqual(value, cuda[name])

    def test_tables_keep_to_columns_and_have_no_colour_in_a_pipe(self):
        self.ask_and_tell(2)
        for command in ("trials", "status", "best", "list"):
            arguments = [command] if command == "list" else [command, "study.yaml"]
            self.assertNotIn("\x1b", self.out(*arguments))


if __name__ == "__main__":
    unittest.main()
