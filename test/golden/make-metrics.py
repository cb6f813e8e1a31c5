"""Writes metrics.json: scikit-learn's figures of classes and numbers, beside the answers they are of.

    /usr/bin/python3 test/golden/make-metrics.py

Made with scikit-learn 1.2.1 and SciPy (Debian's python3-sklearn). The tests read the JSON only. Names of figures are those of an evaluation. What scikit-learn lacks
is written out: the Brier score over several classes, and the expected calibration error.
"""
import json
import os
import warnings

import numpy as np
from scipy.stats import binomtest
from sklearn import metrics as m

warnings.filterwarnings("ignore")
rng = np.random.default_rng(7)


def classes_case(name, rows, width, sharpness, ties=False, absent=False):
    truth = rng.integers(0, width - (1 if absent else 0), rows)
    logits = rng.normal(size=(rows, width)) * 1.5
    logits[np.arange(rows), truth] += sharpness
    if absent:
        # nobody is of the last class, and some are taken for it
        logits[:5, -1] += 20
    scores = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    if ties:
        scores = np.round(scores, 1) + 1e-3
        scores /= scores.sum(1, keepdims=True)
    answers = scores.argmax(1)
    labels = np.arange(width)
    one_hot = np.eye(width)[truth]
    present = [c for c in labels if 0 < (truth == c).sum() < rows]
    averages = {
        f"{figure}_{average}": f(truth, answers, average=average, zero_division=0)
        for figure, f in (("precision", m.precision_score), ("recall", m.recall_score), ("f1", m.f1_score))
        for average in ("macro", "weighted")
    }
    ranked = [1] if width == 2 else present
    aucs = [m.roc_auc_score(truth == c, scores[:, c]) for c in ranked]
    precisions = [m.average_precision_score(truth == c, scores[:, c]) for c in ranked]
    figures = {
        "accuracy": m.accuracy_score(truth, answers),
        "balanced_accuracy": m.balanced_accuracy_score(truth, answers),
        **averages,
        "roc_auc": float(np.mean(aucs)),
        "average_precision": float(np.mean(precisions)),
        "log_loss": m.log_loss(truth, scores, labels=labels),
        "brier_score": m.brier_score_loss(truth, scores[:, 1]) if width == 2 else ((scores - one_hot) ** 2).sum(1).mean(),
    }
    for top in (3, 5):
        if width > top and not ties:
            figures[f"top_{top}_accuracy"] = m.top_k_accuracy_score(truth, scores, k=top, labels=labels)
    confidence = scores.max(1)
    bins = np.clip(np.ceil(confidence * 15).astype(int) - 1, 0, 14)
    error = sum(
        (bins == b).mean() * abs(confidence[bins == b].mean() - (answers == truth)[bins == b].mean())
        for b in range(15)
        if (bins == b).any()
    )
    by_class = m.precision_recall_fscore_support(truth, answers, labels=labels, zero_division=0)
    return {
        "name": name,
        "classes": width,
        "truth": truth.tolist(),
        "scores": scores.ravel().tolist(),
        "figures": figures,
        "calibration_error": error,
        "confusion": m.confusion_matrix(truth, answers, labels=labels).tolist(),
        "by_class": {key: values.tolist() for key, values in zip(("precision", "recall", "f1", "rows"), by_class)},
    }


def numbers_case(name, rows, offset, noise):
    truth = rng.normal(size=rows) * 3 + offset
    predicted = truth * 0.9 + 0.4 + rng.normal(size=rows) * noise
    return {
        "name": name,
        "truth": truth.tolist(),
        "predicted": predicted.tolist(),
        "figures": {
            "mae": m.mean_absolute_error(truth, predicted),
            "rmse": m.mean_squared_error(truth, predicted, squared=False),
            "r2": m.r2_score(truth, predicted),
            "mape": m.mean_absolute_percentage_error(truth, predicted),
            "median_absolute_error": m.median_absolute_error(truth, predicted),
            "explained_variance": m.explained_variance_score(truth, predicted),
        },
        "quantiles": {str(q): float(np.quantile(predicted - truth, q)) for q in (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)},
        "standard_deviation": float(np.std(predicted - truth)),
    }


cases = {
    "classes": [
        classes_case("two classes", 101, 2, 1.0),
        classes_case("two classes with ties", 80, 2, 0.7, ties=True),
        classes_case("four classes", 120, 4, 1.2),
        classes_case("seven classes with ties", 90, 7, 1.0, ties=True),
        classes_case("a class that nobody is of", 60, 6, 1.0, absent=True),
    ],
    "numbers": [
        numbers_case("an odd number of rows", 75, 0.0, 1.0),
        numbers_case("an even number of rows, far from zero", 60, 1e6, 0.3),
        numbers_case("worse than the mean", 40, -2.0, 12.0),
    ],
}

cases["mcnemar"] = [
    {"a": a, "b": b, "p_value": binomtest(a, a + b, 0.5).pvalue if a + b else 1.0}
    for a, b in ((0, 0), (1, 0), (3, 3), (1, 9), (12, 30), (400, 520), (3000, 3100), (20000, 21000))
]

with open(os.path.join(os.path.dirname(__file__), "metrics.json"), "w") as file:
    json.dump(cases, file)
