"""What only the demonstration can know: true figures, over the tables of all organisations.

Folds and blends as the question language does: first one value a line and window, clamped to the
exports' bounds, then the aggregate over lines.
"""

import csv
import math
import re
import statistics
import tomllib
from datetime import date
from pathlib import Path

HERE = Path(__file__).resolve().parent
ITEM = re.compile(r"(?P<blend>mean|sum|share|count|quantile)\((?P<signal>\w+)"
                  r"(?: > (?P<above>[-\d.]+))?(?:, (?P<rank>[\d.]+))?\)$")


class Records:
    """Every organisation's lines and deliveries."""

    def __init__(self, organisations):
        self.lines = {}
        self.bounds = {}
        for name in organisations:
            twins = tomllib.loads((HERE / name / "twins.toml").read_text())["twin"]
            export, = tomllib.loads((HERE / name / "exports.toml").read_text())["export"].values()
            for twin in twins:
                properties = {**twin["properties"], "organisation": name}
                self.lines[name, twin["id"]] = (properties, [])
            with open(HERE / name / "deliveries.csv", encoding="utf-8", newline="") as file:
                for row in csv.DictReader(file):
                    self.lines[name, row["line"]][1].append(row)
            for signal, measure in export["measures"].items():
                fold = "sum" if "sum" in measure else "mean"
                self.bounds[signal] = (fold, *measure[fold], measure.get("valid"))

    def lines_of(self, name):
        return sum(owner == name for owner, _ in self.lines)

    def deliveries_of(self, name):
        return sum(len(rows) for (owner, _), (_, rows) in self.lines.items() if owner == name)

    def figures(self, item, window, chosen=lambda line: True, keys=(), clamp=True):
        """{values of keys: (true value, lines that have one)} of one item.

        `window` is a pair of days, the second excluded; `chosen` says which lines are asked.
        """
        parts = ITEM.match(item)
        fold, lower, upper, valid = self.bounds[parts["signal"]]
        begin, end = (date.fromisoformat(day) for day in window)
        groups = {}
        for properties, rows in self.lines.values():
            if not chosen(properties):
                continue
            values = [float(row[parts["signal"]]) for row in rows if row[parts["signal"]]
                      and begin <= date.fromisoformat(row["delivered"]) < end]
            if valid:
                values = [value for value in values if valid[0] <= value <= valid[1]]
            if not values:
                continue
            value = sum(values) if fold == "sum" else statistics.fmean(values)
            group = groups.setdefault(tuple(properties[key] for key in keys), [])
            group.append(min(max(value, lower), upper) if clamp else value)
        return {name: (blend(parts, values), len(values)) for name, values in groups.items()}


def blend(parts, values):
    if parts["above"]:
        above = sum(value > float(parts["above"]) for value in values)
        return above if parts["blend"] == "count" else above / len(values)
    if parts["blend"] == "quantile":
        return sorted(values)[max(0, math.ceil(float(parts["rank"]) * len(values)) - 1)]
    return sum(values) if parts["blend"] == "sum" else statistics.fmean(values)
