"""Numbers of scikit-learn for test/golden/preparation.test.ts: python3 make-preparation.py > preparation.json (Debian's python3-sklearn 1.2.1)."""
import json
import warnings

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import MinMaxScaler, PowerTransformer, QuantileTransformer, RobustScaler, StandardScaler
from sklearn.utils import murmurhash3_32

warnings.filterwarnings("ignore")
random = np.random.RandomState(7)
columns = {
    "normal": random.normal(3, 2, 60),
    "skewed": random.lognormal(1, 0.8, 60),
    "tied": np.round(random.gamma(2, 2, 60) + 0.5),
    "negative": -random.exponential(3, 60),
}
seen = np.array([-20.0, -1.5, 0.5, 1.0, 2.0, 3.25, 4.0, 50.0])


def transformed(transformer, x, more):
    transformer.fit(x.reshape(-1, 1))
    both = np.concatenate([x, more]).reshape(-1, 1)
    return transformer.transform(both).ravel().tolist()


cases = []
for name, x in columns.items():
    more = seen[seen > 0] if name == "skewed" else seen
    scalers = {
        "standard": StandardScaler(),
        "minmax": MinMaxScaler(),
        "robust": RobustScaler(),
        "quantile_uniform": QuantileTransformer(n_quantiles=60),
        "quantile_normal": QuantileTransformer(n_quantiles=60, output_distribution="normal"),
    }
    for normalize, scaler in scalers.items():
        cases.append({"column": name, "normalize": normalize, "x": x.tolist(), "more": more.tolist(), "y": transformed(scaler, x, more)})
    powers = ["yeo-johnson"] + (["box-cox"] if x.min() > 0 else [])
    for power in powers:
        transformer = PowerTransformer(power)
        y = transformed(transformer, x, more[more > 0] if power == "box-cox" else more)
        case = {"column": name, "normalize": "standard", "transform": power.replace("-", "_"), "x": x.tolist()}
        cases.append({**case, "more": (more[more > 0] if power == "box-cox" else more).tolist(), "lambda": transformer.lambdas_[0], "y": y})

holed = np.array([3.0, np.nan, 1.0, 1.0, np.nan, 8.0, 3.0])
fills = {
    strategy: SimpleImputer(strategy=strategy).fit(holed.reshape(-1, 1)).statistics_[0] for strategy in ["mean", "median", "most_frequent"]
}
texts = [
    "The cat sat on the mat, and the cat slept.",
    "Dogs bark; cats do not: they mew!",
    "Ärger im Büro: the printer is on fire",
    "on and on and on",
    "42 cats, 7 dogs, 1 printer",
]
words = r"(?u)\b\w+\b"
vectors = []
for ngrams in [1, 2]:
    for kind, vectorizer in [("bag_of_words", CountVectorizer), ("tfidf", TfidfVectorizer)]:
        fitted = vectorizer(token_pattern=words, ngram_range=(1, ngrams)).fit(texts[:4])
        terms = fitted.get_feature_names_out().tolist()
        vectors.append({"encoding": kind, "ngrams": ngrams, "terms": terms, "y": fitted.transform(texts).toarray().tolist()})
hashes = {text: murmurhash3_32(text, positive=True) for text in ["", "a", "foo", "hello, world", "Büro", "日本語"]}

print(json.dumps({"texts": {"all": texts, "fitted": 4, "vectors": vectors}, "hashes": hashes, "cases": cases, "imputed": {"x": [None if np.isnan(v) else v for v in holed], "fills": fills}}))
