"""What scikit-learn reaches on the rows that a job holds out: bench/quality-reference.json.

    node bench/quality-splits.ts && /usr/bin/python3 bench/quality-reference.py [dataset ...]

Both take train and validation rows together (they hold out their own where they stop early), and columns as somebody who knows them would: numbers as
they are, dates as year and day of the year, categories of up to 50 values one-hot, the 50 most frequent of more, texts by TF-IDF (for trees in 100
dimensions). Trees by histograms are trained on 10,000 of the images; plain ones are left out there, for they would take hours.
"""
import json
import sys
from pathlib import Path

import numpy
import pandas
import sklearn
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import (GradientBoostingClassifier, GradientBoostingRegressor, HistGradientBoostingClassifier,
                              HistGradientBoostingRegressor)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, OneHotEncoder, StandardScaler

BENCH = Path(__file__).parent
BUILD = BENCH.parent / "build" / "quality"
REFERENCE = BENCH / "quality-reference.json"
MOST_CLASSES = 50
# trees of so many pixels take hours of all rows
MOST_IMAGES = {"hist_gradient_boosting": 10_000}


def read_table(folder, about):
    if about["format"] == "csv":
        return pandas.read_csv(folder / "data")
    return pandas.read_json(folder / "data", lines=True, convert_dates=False, dtype=False)


def features_of(table, target):
    """Numbers and categories; a date becomes two numbers; what has nearly as many values as rows is left out."""
    numbers, categories = {}, {}
    for name in table.columns:
        column = table[name]
        if name == target:
            continue
        as_numbers = pandas.to_numeric(column, errors="coerce")
        if as_numbers.notna().sum() == column.notna().sum():
            numbers[name] = as_numbers
            continue
        dates = pandas.to_datetime(column, errors="coerce")
        if dates.notna().sum() > 0.95 * column.notna().sum():
            numbers[f"{name} year"] = dates.dt.year
            numbers[f"{name} day"] = dates.dt.dayofyear
            continue
        if column.nunique() < 0.5 * len(column):
            categories[name] = column.astype("string").astype(object).where(column.notna(), "missing")
    return pandas.DataFrame(numbers), pandas.DataFrame(categories)


def of_table(table, target, is_category, seed):
    numbers, categories = features_of(table, target)
    x = pandas.concat([numbers, categories], axis=1)
    one_hot = OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=MOST_CLASSES, sparse_output=False)
    names = list(categories.columns)
    for_trees = ColumnTransformer([("c", one_hot, names)], remainder="passthrough")
    scaled = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    for_mlp = ColumnTransformer([("c", one_hot, names)], remainder=scaled)
    imputed = ColumnTransformer([("c", one_hot, names)], remainder=SimpleImputer(strategy="median", add_indicator=True))
    hist, trees, mlp = ((HistGradientBoostingClassifier, GradientBoostingClassifier, MLPClassifier) if is_category else
                        (HistGradientBoostingRegressor, GradientBoostingRegressor, MLPRegressor))
    return x, {
        "hist_gradient_boosting": make_pipeline(for_trees, hist(random_state=seed)),
        "gradient_boosting": make_pipeline(imputed, trees(random_state=seed)),
        "mlp": make_pipeline(for_mlp, mlp(max_iter=1000, random_state=seed)),
    }


def of_text(table, target, seed):
    words = dict(sublinear_tf=True, min_df=2, max_features=20_000)
    trees = [("hist_gradient_boosting", HistGradientBoostingClassifier), ("gradient_boosting", GradientBoostingClassifier)]
    return table["text"], {
        **{name: make_pipeline(TfidfVectorizer(**words), TruncatedSVD(100, random_state=seed), model(random_state=seed))
           for name, model in trees},
        "mlp": make_pipeline(TfidfVectorizer(**words), MaxAbsScaler(),
                             MLPClassifier((64,), early_stopping=True, random_state=seed)),
    }


def of_images(folder, seed):
    images = numpy.frombuffer((folder / "images").read_bytes(), numpy.uint8, offset=16).reshape(-1, 784)
    labels = numpy.frombuffer((folder / "labels").read_bytes(), numpy.uint8, offset=8)
    return images.astype(numpy.float32) / 255, labels, {
        "mlp": MLPClassifier((128,), early_stopping=True, random_state=seed),
        "hist_gradient_boosting": HistGradientBoostingClassifier(max_iter=100, random_state=seed),
    }


def main():
    reference = json.loads(REFERENCE.read_text()) if REFERENCE.exists() else {"datasets": {}}
    reference["made_with"] = f"scikit-learn {sklearn.__version__}"
    for folder in sorted(BUILD.iterdir()):
        name = folder.name
        if len(sys.argv) > 1 and name not in sys.argv[1:]:
            continue
        about = json.loads((folder / "splits.json").read_text())
        is_category = about["task"] == "category"
        found = {"target": about["target"], "test_rows": about["digests"], "split": {}, "scores": {}}
        for seed, rows in about["splits"].items():
            if len(rows["test"]) <= 1000:
                found["split"][seed] = rows["test"]
            if about["format"] == "idx":
                x, y, models = of_images(folder, int(seed))
                take = lambda values, at: values[at]
            else:
                table = read_table(folder, about)
                y = table[about["target"]].astype(str).to_numpy() if is_category else table[about["target"]].to_numpy()
                x, models = of_text(table, about["target"], int(seed)) if name == "spam" else of_table(
                    table, about["target"], is_category, int(seed))
                take = lambda values, at: values.iloc[at]
            train, test = rows["train"] + rows["validation"], rows["test"]
            for model_name, model in models.items():
                fitted = train[:MOST_IMAGES.get(model_name)] if about["format"] == "idx" else train
                if len(fitted) < len(train):
                    found["trained_on"] = {model_name: len(fitted)}
                model.fit(take(x, fitted), y[fitted])
                told = model.predict(take(x, test))
                score = float((told == y[test]).mean()) if is_category else float(
                    numpy.sqrt(((told - y[test]) ** 2).mean()))
                found["scores"].setdefault(model_name, {})[seed] = round(score, 5)
                print(name, seed, model_name, round(score, 4), flush=True)
        reference["datasets"][name] = found
        REFERENCE.write_text(json.dumps(reference, separators=(",", ":")) + "\n")


main()
