#!/usr/bin/env python3
"""Which model, and with which settings? Each model has parameters of its own, and a trial gets only
those of the model that it is to try. Reads them from the JSON file at KRIGON_PARAMS_FILE and reports
the mean accuracy over five folds of scikit-learn's breast cancer data."""
import json
import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"

import warnings

from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

warnings.simplefilter("ignore", ConvergenceWarning)


def make(parameters, seed):
    model = parameters["model"]
    if model == "svm":
        return SVC(C=parameters["svm_c"], gamma=parameters["svm_gamma"])
    if model == "forest":
        return RandomForestClassifier(
            n_estimators=50,
            max_depth=parameters["forest_depth"],
            max_features=parameters["forest_features"],
            random_state=seed,
        )
    return MLPClassifier(
        hidden_layer_sizes=(parameters["mlp_units"],),
        learning_rate_init=parameters["mlp_rate"],
        alpha=parameters["mlp_decay"],
        max_iter=60,
        random_state=seed,
    )


def main():
    path = os.environ.get("KRIGON_PARAMS_FILE")
    if path:
        with open(path, encoding="utf-8") as file:
            parameters = json.load(file)
    else:
        parameters = {"model": "svm", "svm_c": 1.0, "svm_gamma": 0.03}
    # Below 2^32, as scikit-learn wants it.
    seed = int(os.environ.get("KRIGON_SEED") or 0) % 2**32

    data = load_breast_cancer()
    folds = StratifiedKFold(n_splits=5, shuffle=True, random_state=0)
    classifier = make_pipeline(StandardScaler(), make(parameters, seed))
    accuracy = cross_val_score(classifier, data.data, data.target, cv=folds).mean()
    if os.environ.get("KRIGON_REPORT_FILE"):
        with open(os.environ["KRIGON_REPORT_FILE"], "a", encoding="utf-8") as file:
            file.write(json.dumps({"accuracy": accuracy}) + "\n")
    print(f"{parameters['model']}: accuracy {accuracy:.4f}")


if __name__ == "__main__":
    main()
