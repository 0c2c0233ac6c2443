"""A connection to PostgreSQL that is cut in the middle: at every message of an ask and of a tell, for a while each.

Either the program says that it is done, and it is there exactly once; or it says in words that it is not, and doing it
again makes it so. KRIGON_CUT_SECONDS: how long the server is away after each cut; KRIGON_CUT_EVERY: at 1 at every message, else every n-th.
"""

import concurrent.futures
import itertools
import json
import os
import pathlib
import random
import shutil
import subprocess
import tempfile
import time
import unittest

from figures import say
from proxy import Cut, Proxy
from server import Server

KRIGON = os.environ["KRIGON"]
TRIAL = os.environ["KRIGON_FAULTS_TRIAL"]
AWAY = float(os.environ.get("KRIGON_CUT_SECONDS", "0.3"))
# Of the points to cut at, every n-th.
EVERY = int(os.environ.get("KRIGON_CUT_EVERY", "40"))
# Most of what they do is to wait.
AT_ONCE = 8 * max(1, round(AWAY))

STUDY = """\
study: cut-%d
objective: {metric: loss, direction: minimize}
parameters:
  x: {min: 0.01, max: 0.05}
trial:
  command: ["%s", "{x}", "%s"]
sampler: random
seed: 3
budget: {trials: %d}
"""


class Cuts(unittest.TestCase):
    def setUp(self):
        self.server = Server("max_connections=200")
        self.addCleanup(self.server.stop)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="krigon-cut-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.numbers = itertools.count()
        self.new_study()  # and with it the store

    def new_study(self, trials=None):
        """Each on its own, so that they do not wait for one another. Without `trials` with trial 0 asked for."""
        number = next(self.numbers)
        (self.folder / f"{number}.yaml").write_text(STUDY % (number, TRIAL, self.folder / "trials.log", trials or 1000))
        if trials is None:
            self.assertEqual(json.loads(self.krigon("ask", number, self.server.url).stdout)["trial"], 0)
        return number

    def krigon(self, word, study, url, *words):
        done = subprocess.run([KRIGON, word, f"{study}.yaml", *words, "--storage", url, "--json"], cwd=self.folder,
                              capture_output=True, text=True, timeout=200, check=False)
        if url == self.server.url:
            self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def through(self, cuts, word, study, *words):
        """The program with connections cut, by their numbers from 0; what it came to, and the proxy."""
        proxy = Proxy(self.server.folder + "/.s.PGSQL.5432", cuts.get)
        began = time.monotonic()
        try:
            return self.krigon(word, study, proxy.url(), *words), proxy, time.monotonic() - began
        finally:
            proxy.close()

    def all_points(self, word, study, *words):
        """Every message of every connection, whole and cut in two, of both sides; and how many there are."""
        done, proxy, _ = self.through({}, word, study, *words)
        self.assertEqual(done.returncode, 0, done.stderr)
        points = [{connection: Cut(side, n, more, silent, AWAY)} for connection, counts in enumerate(proxy.counts)
                  for side, count in counts.items() for n in range(count) for more, silent in ((0, False), (3, n % 2 == 0))]
        return points[::EVERY], proxy.counts

    def at_all(self, points, body):
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(body, points))

    def check_said(self, done, cut):
        """What it says where it gives up: which store, and what became of the connection."""
        if done.returncode == 0:
            return
        self.assertEqual(done.returncode, 5, f"{cut}: {done.stderr}")
        self.assertRegex(done.stderr, r"the store postgresql://krigon@127\.0\.0\.1:\d+/.*: .*(connection|server)", str(cut))

    def figures(self, what, counts, results):
        refused = sum(code != 0 for code, _ in results)
        say(f"{what}: {len(counts)} connection(s), {sum(c['client'] for c in counts)} messages of the client, "
              f"{sum(c['server'] for c in counts)} of the server; cut at {len(results)} points: "
              f"{len(results) - refused} done all the same, {refused} refused in words; the longest took "
              f"{max(seconds for _, seconds in results):.1f} s")

    def ends_of(self, study):
        """Of trial 0: the events since it was made."""
        return self.server.rows("SELECT kind FROM event JOIN study ON study.id = event.trial >> 40 "
                                f"WHERE name = 'cut-{study}' AND kind <> 'created' ORDER BY event.id")

    def tell(self, cuts):
        study = self.new_study()
        words = ("0", f"loss={study}.5")
        done, _, seconds = self.through(cuts, "tell", study, *words)
        cut = ", then ".join(f"connection {number} {each}" for number, each in cuts.items())
        self.check_said(done, cut)
        if done.returncode == 0:
            self.assertEqual(self.ends_of(study), [["completed"]], str(cut))
            self.assertTrue(json.loads(done.stdout)["changed"], f"{cut}: its own word was taken for another's")
        else:
            self.assertIn(self.ends_of(study), ([], [["completed"]]), str(cut))
            self.krigon("tell", study, self.server.url, *words)
            self.assertEqual(self.ends_of(study), [["completed"]], str(cut))
        self.assertEqual(self.server.rows(f"SELECT state, metrics FROM trial JOIN study ON study.id = study WHERE name = 'cut-{study}'"),
                         [["completed", json.dumps({"loss": study + 0.5}, separators=(",", ":"))]])
        return done.returncode, seconds

    def test_a_tell_is_there_once(self):
        study = self.new_study()
        points, counts = self.all_points("tell", study, "0", "loss=1")
        self.figures("tell", counts, self.at_all(points, self.tell))

    def test_so_is_one_whose_question_whether_it_stands_is_cut_too(self):
        study = self.new_study()
        _, counts = self.all_points("tell", study, "0", "loss=1")
        # The answer to COMMIT is among the last; what comes after asks whether that stands.
        last, messages = len(counts) - 1, counts[-1]["server"]
        points = [{last: Cut("server", n, 0, False, 0.05), last + 1: Cut(side, m, 0, False, 0.05)}
                  for n in range(messages - 4, messages) for side in ("client", "server") for m in range(0, 24, 2)]
        self.figures("tell, cut twice", counts, self.at_all(points[::max(EVERY // 4, 1)], self.tell))

    def test_an_ask_with_a_key_makes_one_trial(self):
        points, counts = self.all_points("ask", self.new_study(), "--key", "first")

        def ask(cuts):
            study = self.new_study()
            done, _, seconds = self.through(cuts, "ask", study, "--key", "key")
            cut = str([str(each) for each in cuts.values()])
            self.check_said(done, cut)
            again = json.loads(self.krigon("ask", study, self.server.url, "--key", "key").stdout)["trial"]
            self.assertEqual(again, 1, str(cut))
            if done.returncode == 0:
                self.assertEqual(json.loads(done.stdout)["trial"], 1, str(cut))
            self.assertEqual(self.server.rows(f"SELECT next_trial, sequence FROM study WHERE name = 'cut-{study}'"), [["2", "2"]], str(cut))
            return done.returncode, seconds

        self.figures("ask", counts, self.at_all(points, ask))

    def test_a_worker_over_a_bad_line_loses_nothing(self):
        trials = 20
        study = self.new_study(trials)
        seed = int(os.environ.get("KRIGON_TEST_SEED", time.time_ns() % 1_000_000))
        rng = random.Random(seed)

        def bad(_):
            return Cut(rng.choice(["client", "server"]), rng.randint(40, 300), rng.choice([0, 0, 3, 9]), rng.random() < 0.3,
                       rng.choice([0.05, 0.3]))

        proxy = Proxy(self.server.folder + "/.s.PGSQL.5432", bad)
        self.addCleanup(proxy.close)
        # One that cannot even open its store says so; what keeps workers running would start another.
        for starts in range(1, 20):
            done = self.krigon("worker", study, proxy.url(), "--parallel", "4")
            self.check_said(done, "the worker's")
            if done.returncode == 0:
                break
        self.assertEqual(done.returncode, 0, done.stderr)
        outcomes = self.server.rows("SELECT outcome, count(*) FROM attempt WHERE worker <> 'client' GROUP BY 1 ORDER BY 1")
        say(f"seed {seed}: {proxy.cuts} cuts of {len(proxy.counts)} connections under {starts} worker(s), attempts {outcomes}")
        self.assertGreater(proxy.cuts, 3)
        ends = self.server.numbers("SELECT trial & 1099511627775, count(*) FROM event WHERE kind IN ('completed', 'failed') GROUP BY 1 ORDER BY 1")
        self.assertEqual(ends, [[n, 1] for n in range(trials)])


if __name__ == "__main__":
    unittest.main(verbosity=2)
