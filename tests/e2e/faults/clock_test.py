"""A machine's clock that was set back by a day while another machine's worker held leases, and then died.

The leases are set ahead by hand, which is the same to those that come after. It takes as long as a trial's lease.
"""

import signal
import sqlite3
import time
import unittest

from figures import say
from support import StudyTest

A_DAY = 86_400 * 1_000_000


class SetBack(StudyTest):
    study = StudyTest.study.replace("trials: 6", "trials: 8")

    def test_the_dead_are_not_waited_for_until_the_clock_has_caught_up(self):
        gone = self.start("worker", "study.yaml", "--storage", "krigon.db", "--quiet", KRIGON_TEST_SLOW="100")
        self.wait_for(lambda: self.running() == 1, "a running trial")
        gone.send_signal(signal.SIGKILL)
        gone.communicate(timeout=60)
        db = sqlite3.connect(self.folder / "krigon.db", timeout=30)
        ahead = time.time_ns() // 1000 + A_DAY
        db.execute("UPDATE study SET suggester = 'elsewhere:1:1', suggester_until = ?", (ahead,))
        db.execute("UPDATE trial SET lease_until = ?, worker = 'elsewhere:1:1' WHERE state = 'running'", (ahead,))
        db.execute("DELETE FROM worker")
        db.commit()
        began = time.monotonic()
        self.krigon("worker", "study.yaml", "--storage", "krigon.db", "--quiet")
        took = time.monotonic() - began
        told = self.lines("trials", "study.yaml", "--storage", "krigon.db", "--json")
        self.assertEqual([(t["state"], t["attempts"]) for t in told], [("completed", 2)] + [("completed", 1)] * 7)
        say(f"\nleases on a trial and on the proposing that end a day ahead held the study up for {took:.1f} s")

    def running(self):
        """None as long as there is no study."""
        if not (self.folder / "krigon.db").exists():
            return None
        db = sqlite3.connect(self.folder / "krigon.db", timeout=30)
        try:
            return db.execute("SELECT running FROM study_head").fetchone()[0]
        except (sqlite3.OperationalError, TypeError):
            return None


if __name__ == "__main__":
    unittest.main(verbosity=2)
