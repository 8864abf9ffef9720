"""Reads what mcpo tells scrapers with Prometheus' own parsers for Python, the stricter ones.

Usage: scraped.py TEXT.prometheus TEXT.openmetrics
"""

import sys

from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client import parser as prometheus


def families(path, parser):
    with open(path, encoding="utf-8", newline="") as file:
        return list(parser.text_string_to_metric_families(file.read()))


def main():
    old = families(sys.argv[1], prometheus)
    new = families(sys.argv[2], openmetrics)
    exemplars = [sample.exemplar for family in new for sample in family.samples if sample.exemplar]
    samples = [sum(len(family.samples) for family in one) for one in (old, new)]
    print(f"{len(old)} families, {samples[0]} samples; {len(new)}, {samples[1]}")
    assert len(old) == len(new) > 50, "both formats tell the same families"
    assert exemplars, "a call with a trace is an exemplar"
    assert all(len(one.labels["trace_id"]) == 32 for one in exemplars), exemplars


main()
