"""The manifest of a Job: the same as ever, without secrets, and by Kubernetes' own schemas."""

import os
import pathlib
import subprocess
import unittest

import yaml

from cluster import ClusterTest

HERE = pathlib.Path(__file__).parent
# Where scripts/setup puts what has Kubernetes' schemas in it, one for each version.
PYTHON = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "krigon/kubernetes/bin/python"
VALIDATE = """\
import sys, kubernetes_validate, yaml
manifest = yaml.safe_load(sys.stdin)
for version in sys.argv[1:] or [kubernetes_validate.latest_version()]:
    kubernetes_validate.validate(manifest, version, strict=True)
print("valid")
"""
# The oldest that the manifest is written for, and some that clusters run. The newest that is known comes beside.
VERSIONS = ("1.29", "1.31", "1.33")


class Manifest(ClusterTest):
    study = ClusterTest.study.replace("study: curve", "study: \"It's 1: {curve} $(HOME)\"") + (
        "resources: {cpus_per_trial: 2, gpus: [0], gpus_per_trial: 1, memory: 3G}\n")
    url = "postgresql://krigon:s3cret@db.example/tuning"

    def manifest(self, *options):
        return self.krigon("submit", "study.yaml", "--storage", self.url, "--engine", "kubernetes", "--workers", "12",
                           "--image", "registry.example/curve:1", "--dry-run", *options)

    def validated(self, text, *versions):
        return subprocess.run([PYTHON, "-c", VALIDATE, *versions], input=text, capture_output=True, encoding="utf-8",
                              check=False)

    def full(self):
        return self.manifest("--namespace", "tuning", "--secret", "the-store", "--volume-claim", "checkpoints",
                             "--time", "8h", "--parallel", "1")

    def test_is_the_golden_one(self):
        done = self.full()
        self.assertEqual(done.stdout, (HERE / "job.yaml").read_text())
        self.assertIn('printf %s "$KRIGON_STORAGE" | kubectl create secret generic the-store --namespace tuning',
                      done.stderr)
        for text in (done.stdout, done.stderr):
            self.assertNotIn("s3cret", text)
        self.assertNotIn("db.example", done.stdout)

    def test_says_what_was_meant(self):
        job = yaml.safe_load(self.full().stdout)
        pod = job["spec"]["template"]["spec"]
        worker = pod["containers"][0]
        self.assertEqual(job["metadata"]["annotations"]["krigon/study"], "It's 1: {curve} $(HOME)")
        self.assertEqual((job["spec"]["completions"], job["spec"]["parallelism"]), (12, 12))
        self.assertEqual(worker["command"][:4], ["krigon", "worker", "--study", "It's 1: {curve} $$(HOME)"])
        self.assertEqual(worker["resources"]["limits"], {"memory": "3584Mi", "nvidia.com/gpu": 1})
        self.assertGreaterEqual(pod["terminationGracePeriodSeconds"], 2 + 30)
        self.assertEqual({mount["name"] for mount in worker["volumeMounts"]},
                         {volume["name"] for volume in pod["volumes"]})

    def test_is_one_that_kubernetes_takes(self):
        if not PYTHON.exists():
            self.skipTest("Kubernetes' schemas are not there: scripts/setup --ci fetches them")
        for text in (self.full().stdout, self.manifest().stdout):
            for versions in (VERSIONS, ()):
                done = self.validated(text, *versions)
                self.assertEqual((done.returncode, done.stdout), (0, "valid\n"), done.stderr)
        # And it would be said if it were not.
        for wrong in (("completionMode", "completionsMode"), ("completions: 12", "completions: twelve"), ("cpu: 2", "cpu: [2]")):
            done = self.validated(self.full().stdout.replace(*wrong), "1.29")
            self.assertNotEqual(done.returncode, 0, wrong)
            self.assertIn("ValidationError", done.stderr)

    def test_is_written_to_a_file(self):
        done = self.krigon("submit", "study.yaml", "--storage", self.url, "--engine", "kubernetes", "--workers", "1",
                           "--image", "x", "--output", "job.yaml", "--dry-run")
        self.assertFalse((self.folder / "job.yaml").exists())
        self.assertEqual(yaml.safe_load(done.stdout)["kind"], "Job")
        self.assertIn("kubectl apply -f job.yaml", done.stderr)


if __name__ == "__main__":
    unittest.main()
