"""Workers as a job array of a real Slurm."""

import os
import pathlib
import re
import subprocess
import unittest

from cluster import POSTGRES, ClusterTest, has_worker, processes_showing

CLUSTER = pathlib.Path(os.environ.get("KRIGON_TEST_SLURM", "/nowhere"))


class SlurmTest(ClusterTest):
    """A folder whose name has all that needs quotes, a database, and the cluster."""

    def setUp(self):
        if not (CLUSTER / "slurm.conf").exists():
            self.skipTest("no Slurm cluster: slurmctld, slurmd and munge are not installed, or this is not root")
        if not (POSTGRES / ".s.PGSQL.5432").exists():
            self.skipTest("no PostgreSQL server is installed")
        super().setUp()
        self.folder = self.folder / "it's 100% a \"b\" #c"
        self.folder.mkdir()
        self.write("study.yaml", self.study)
        self.write("trial.sh", self.trial)
        self.url = self.database()
        self.jobs = []
        self.addCleanup(self.cancel)

    def environment(self, **changes):
        return super().environment(SLURM_CONF=str(CLUSTER / "slurm.conf"),
                                   KRIGON_TEST_RECORD=str(self.folder / "record"), **changes)

    def slurm(self, *words):
        return subprocess.run(words, capture_output=True, encoding="utf-8", env=self.environment(), check=True).stdout

    def cancel(self):
        if self.jobs:
            self.slurm("scancel", *self.jobs)
            self.wait_for(lambda: not self.slurm("squeue", "-h", "-j", ",".join(self.jobs)), "the jobs' end", 60)

    def submit(self, *options):
        done = self.json("submit", "study.yaml", "--storage", self.url, "--engine", "slurm", *options)
        self.jobs.append(done["job"])
        return done

    def state(self, job):
        return re.search(r"JobState=(\w+)", self.slurm("scontrol", "show", "job", job))[1]


class Array(SlurmTest):
    study = ClusterTest.study + "resources: {memory: 100M}\n"

    def test_each_slot_is_a_worker(self):
        done = self.submit("--workers", "3", "--gpus-per-worker", "1", "--program", self.stand_in(),
                           "--partition", "main", "--option=--comment=it's # ours")
        self.assertEqual(self.json("status", "study.yaml", "--storage", self.url)["study"], "curve", "it was created")
        for slot in (1, 2, 3):
            self.wait_for(lambda slot=slot: self.recorded(slot, "started"), f"slot {slot}")
            started = self.recorded(slot, "started")[0]
            self.assertEqual(started["argv"], ["worker", "--study", "curve", "--parallel", "1", "--trials-folder",
                                               str(self.folder / "krigon-trials" / "curve")])
            self.assertEqual(started["folder"], str(self.folder))
            self.assertEqual(started["environment"]["KRIGON_STORAGE"], self.url)
            self.assertRegex(started["environment"]["CUDA_VISIBLE_DEVICES"], r"^\d$")

        script = pathlib.Path(done["script"])
        self.assertEqual(script, self.folder / "krigon-submit" / "krigon-curve.sbatch")
        stored = self.folder / "batch"
        self.slurm("scontrol", "write", "batch_script", f"{done['job']}_1", stored)
        shown = self.slurm("scontrol", "show", "job", "-dd", done["job"])
        log = pathlib.Path(done["logs"].replace("*", "1"))
        for where, text in {"the script": script.read_text(), "Slurm's copy": stored.read_text(), "the job": shown,
                            "the log": log.read_text()}.items():
            self.assertNotIn(self.secret, text, where)
        self.assertEqual(processes_showing(self.secret), [])
        self.assertEqual(len(processes_showing(f"{self.folder}/stand-in worker")), 3, "workers can be seen")
        url = pathlib.Path(str(script) + ".storage")
        self.assertEqual((url.read_text(), url.stat().st_mode & 0o777), (self.url + "\n", 0o600))
        for part in ("JobName=krigon-curve", "Comment=it's # ours", "Requeue=1", "mem=612M", "Partition=main"):
            self.assertIn(part, shown)

        self.slurm("scontrol", "requeue", f"{done['job']}_2")
        self.wait_for(lambda: len(self.recorded(2, "started")) == 2, "the slot to be started again")
        self.assertEqual([entry["signal"] for entry in self.recorded(2, "told")], [15])
        self.assertEqual(self.recorded(2, "started")[1]["environment"]["SLURM_RESTART_COUNT"], "1")
        log = pathlib.Path(done["logs"].replace("*", "2"))
        self.wait_for(lambda: log.read_text().count("here I am") == 2, "the log to go on where it was", 20)
        self.assertEqual(len(self.recorded(1, "told")) + len(self.recorded(3, "told")), 0)

        self.slurm("scancel", done["job"])
        for slot, times in ((1, 1), (2, 2), (3, 1)):
            self.wait_for(lambda slot=slot, times=times: len(self.recorded(slot, "told")) == times,
                          f"slot {slot} to be told")

    def test_what_slurm_refuses_is_said(self):
        done = self.krigon("submit", "study.yaml", "--storage", self.url, "--engine", "slurm", "--workers", "1",
                           "--partition", "nope", code=5)
        self.assertRegex(done.stderr, "sbatch refused .*invalid partition specified: nope")

    def test_a_machine_without_sbatch_is_told_so(self):
        done = self.krigon("submit", "study.yaml", "--storage", self.url, "--engine", "slurm", "--workers", "1", code=5,
                           PATH=str(self.folder))
        self.assertIn("sbatch was not found on PATH", done.stderr)

    def test_a_dry_run_prints_the_script_and_leaves_nothing(self):
        options = ("submit", "study.yaml", "--storage", self.url, "--engine", "slurm", "--workers", "1", "--time", "4h")
        printed = self.out(*options, "--dry-run")
        self.assertIn("\n#SBATCH --time=0-04:00:00\n#", printed)
        self.assertFalse((self.folder / "krigon-submit").exists())
        self.krigon("status", "study.yaml", "--storage", self.url, code=3)
        self.submit("--workers", "1", "--time", "4h", "--program", self.stand_in(), "--output", "own.sbatch")
        kept = (self.folder / "own.sbatch").read_text()
        self.assertEqual(kept.splitlines()[:-3], printed.splitlines()[:-3])
        self.wait_for(lambda: self.recorded(1, "started"), "the worker")


class TimeLimit(SlurmTest):
    def test_a_worker_is_told_before_its_time_is_up(self):
        done = self.submit("--workers", "1", "--time", "1m", "--program", self.stand_in())
        self.wait_for(lambda: self.recorded(1, "told"), "the signal", 200)
        (started,), (told,) = self.recorded(1, "started"), self.recorded(1, "told")
        # The trials' grace is 2 s: 32 s before the end. Slurm looks at its clock twice a minute.
        self.assertEqual(told["signal"], 15)
        self.assertLess(told["time"] - started["time"], 59)
        self.wait_for(lambda: self.state(done["job"]) not in ("RUNNING", "COMPLETING"), "the job's end", 60)
        # Not TIMEOUT: it left by itself.
        self.assertIn("ExitCode=130:0", self.slurm("scontrol", "show", "job", done["job"]))
        self.assertNotEqual(self.state(done["job"]), "TIMEOUT")


class Study(SlurmTest):
    study = ClusterTest.study.replace("trials: 6, parallel: 2", "trials: 12, parallel: 3")

    def setUp(self):
        if not has_worker():
            self.skipTest("this krigon has no command `worker`")
        super().setUp()

    def environment(self, **changes):
        return super().environment(KRIGON_TEST_SLOW="0.5", **changes)

    def test_is_run_to_its_end_by_workers_some_of_which_are_taken_away(self):
        done = self.submit("--workers", "3")
        at = ("study.yaml", "--storage", self.url)
        self.wait_for(lambda: self.json("status", *at)["running"] >= 3, "three trials at a time")
        self.slurm("scontrol", "requeue", f"{done['job']}_2")
        self.wait_for(lambda: self.json("status", *at)["completed"] >= 12, "the study's end", 200)
        self.wait_for(lambda: not self.slurm("squeue", "-h", "-j", done["job"]), "the workers' end", 60)
        trials = self.lines("trials", *at, "--json")
        self.assertEqual([t["state"] for t in trials], ["completed"] * 12)
        for trial in trials:
            self.assertEqual(trial["metrics"], {"loss": trial["parameters"]["x"]})
        for slot in (1, 2, 3):
            log = pathlib.Path(done["logs"].replace("*", str(slot)))
            self.assertNotIn(self.secret, log.read_text())
        self.assertEqual(self.state(f"{done['job']}_1"), "COMPLETED")


if __name__ == "__main__":
    unittest.main()
