"""One-sided signed-rank tests by SciPy, for tests/unit/scheduler/wilcoxon_test.cpp.

    python3 make_wilcoxon.py > wilcoxon.json        made with scipy 1.17.1

Zeros are dropped before, which is zero_method="wilcox"; the exact distribution up to 25 differences without
ties, otherwise the normal approximation with the correction for continuity.
"""
import json
import random

from scipy.stats import wilcoxon


def case(differences):
    left = [d for d in differences if d != 0]
    exact = len(left) <= 25 and len({abs(d) for d in left}) == len(left)
    method = {"method": "exact"} if exact else {"method": "asymptotic", "correction": True}
    result = wilcoxon(left, alternative="greater", **method)
    return {"differences": differences, "exact": exact, "p": float(result.pvalue)}


draw = random.Random(7)
cases = [case([1.0]), case([-1.0]), case([1.0, 2.0, 3.0, 4.0, 5.0]), case([1.0, -2.0, 3.0, 0.0, 5.0, 4.0])]
for n in (3, 5, 8, 12, 20, 25, 26, 40, 100):
    for shift in (-0.5, 0.0, 0.4):
        cases.append(case([draw.gauss(shift, 1) for _ in range(n)]))
for n in (6, 10, 25, 60):  # with ties and zeros
    for shift in (0, 1):
        cases.append(case([float(draw.randint(-3, 3) + shift) for _ in range(n)]))
print(json.dumps(cases, indent=1))
