"""Workers on this machine, and what is refused whatever the engine."""

import os
import subprocess
import unittest

from cluster import ClusterTest, has_worker, processes_showing

FAR = "postgresql://krigon:s3cret@db.example/tuning"


class Local(ClusterTest):
    def environment(self, **changes):
        return super().environment(KRIGON_TEST_RECORD=str(self.folder / "record"), **changes)

    def test_workers_go_on_until_they_are_told(self):
        text = self.out("submit", "study.yaml", "--engine", "local", "--workers", "2", "--program", self.stand_in())
        stop = next(line.split(":", 1)[1] for line in text.splitlines() if line.startswith("stop:"))
        self.addCleanup(subprocess.run, stop + " 2>/dev/null", shell=True, check=False)
        pids = {int(word) for word in stop.split()[1:]}
        self.assertEqual({entry["pid"] for entry in self.recorded(0, "started")}, pids)
        for started in self.recorded(0, "started"):
            self.assertEqual(started["argv"][:5],
                             ["worker", "--storage", f"sqlite://{self.folder}/krigon.db", "--study", "curve"])
            self.assertEqual(os.getsid(started["pid"]), started["pid"])
        self.assertEqual(self.json("status", "study.yaml")["trials"], 0, "the study was created")
        logs = sorted((self.folder / "krigon-submit").iterdir())
        self.assertEqual([log.name for log in logs], ["krigon-curve-1.log", "krigon-curve-2.log"])
        subprocess.run(stop, shell=True, check=True)
        self.wait_for(lambda: len(self.recorded(0, "told")) == 2, "both to be told")

    def test_a_worker_that_cannot_work_is_said(self):
        done = self.krigon("submit", "study.yaml", "--engine", "local", "--workers", "1", "--program", "/bin/false", code=5)
        self.assertIn("a worker ended at once (exit status 1)", done.stderr)


@unittest.skipUnless(has_worker(), "this krigon has no command `worker`")
class Study(ClusterTest):
    def test_is_run_to_its_end(self):
        self.krigon("submit", "study.yaml", "--engine", "local", "--workers", "2")
        self.wait_for(lambda: self.json("status", "study.yaml")["completed"] == 6, "the study's end")
        self.wait_for(lambda: not processes_showing(f"worker --storage sqlite://{self.folder}"), "the workers' end")


class Errors(ClusterTest):
    def refused(self, *arguments, code=2, **environment):
        done = self.krigon("submit", "study.yaml", *arguments, code=code, **environment)
        self.assertEqual(done.stdout, "")
        self.assertNotIn("s3cret", done.stderr)
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()), ["study.yaml", "trial.sh"],
                         "nothing was created")
        return done.stderr

    def test_wrong_arguments(self):
        slurm = ("--storage", FAR, "--engine", "slurm", "--workers", "2")
        pods = ("--storage", FAR, "--engine", "kubernetes", "--workers", "2")
        for words, message in (
                (("--engine", "pbs", "--workers", "1"), "slurm,kubernetes,local"),
                (("--workers", "1"), "--engine is missing; allowed: slurm, kubernetes, local"),
                (("--engine", "local"), "--workers is missing"),
                (("--engine", "local", "--workers", "0"), "--workers"),
                (("--engine", "local", "--workers", "1", "--memory", "1G"), "--memory is for engine slurm and kubernetes"),
                (("--engine", "local", "--workers", "1", "--storage", "memory:"), "lives in one process"),
                (("--engine", "slurm", "--workers", "1"), "postgresql://user@host/database"),
                (("--engine", "kubernetes", "--workers", "1", "--image", "x"), "postgresql://user@host/database"),
                ((*slurm, "--memory", "much"), '--memory: found "much", expected a size such as 4G'),
                ((*slurm, "--time", "4 hours"), '--time: found "4 hours", expected a duration such as 4h'),
                ((*slurm, "--time", "30s"), "needs 32 s to leave"),
                ((*slurm, "--option", "exclusive"), '--option: found "exclusive"'),
                ((*slurm, "--image", "x"), "--image is for engine kubernetes, not for slurm"),
                ((*slurm, "--name", "A B"), '--name: found "A B"'),
                (pods, "--image is missing"),
                ((*pods, "--image", "x", "--partition", "main"), "--partition is for engine slurm, not for kubernetes"),
                ((*pods, "--image", "x", "--secret", "S"), '--secret: found "S"')):
            with self.subTest(words):
                self.assertIn(message, self.refused(*words))

    def test_less_than_the_trials_take(self):
        self.write("study.yaml", self.study + "resources: {cpus_per_trial: 2, memory: 1G}\n")
        slurm = ("--storage", FAR, "--engine", "slurm", "--workers", "2", "--parallel", "2")
        self.assertIn("2 trial(s) at a time take 4 CPUs", self.refused(*slurm, "--cpus-per-worker", "3"))
        self.assertIn("--memory", self.refused(*slurm, "--memory", "1G"))

    def test_a_study_without_a_command_has_nothing_to_run(self):
        text = "".join(line + "\n" for line in self.study.splitlines()
                       if not line.startswith(("trial:", "  command:", "  cwd:", "  grace:")))
        self.write("study.yaml", text)
        self.assertIn("no trial command", self.refused("--engine", "local", "--workers", "1", "--dry-run"))


if __name__ == "__main__":
    unittest.main()
