#!/usr/bin/env python3
"""dashboard.py DASHBOARD METRICS PROMETHEUS - the Grafana dashboard against a real run: DASHBOARD is JSON as Grafana imports it, each
metric that it names is in METRICS (what /metrics served), and the real Prometheus at the URL answers each of its questions with
data of the run."""
import json
import re
import sys
import urllib.parse
import urllib.request

path, metrics_path, prometheus = sys.argv[1:]
board = json.load(open(path))
served = set(re.findall(r"^(onebyte_\w+)", open(metrics_path).read(), re.M))

assert board["title"] and board["uid"] and board["schemaVersion"] >= 36, "no dashboard"
panels = board["panels"]
assert len({p["id"] for p in panels}) == len(panels) and len({p["title"] for p in panels}) == len(panels), "two panels are one"
used = {v["name"] for v in board["templating"]["list"]}
taken = set()
for panel in panels:
    at = panel["gridPos"]
    cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
    assert at["x"] + at["w"] <= 24 and not cells & taken, f"{panel['title']}: lies over another panel"
    taken |= cells
    assert panel["description"] and panel["targets"] and panel["type"] in ("stat", "timeseries", "table"), panel["title"]
    assert panel["datasource"]["uid"] == "${datasource}", panel["title"]

queries = [(p["title"], t["expr"]) for p in panels for t in p["targets"]]
queries += [(v["name"], re.fullmatch(r"label_values\((.*), \w+\)", v["query"]["query"]).group(1))
            for v in board["templating"]["list"] if v["type"] == "query"]
named = set()
for title, text in queries:
    named |= set(re.findall(r"onebyte_\w+", text))
    assert set(re.findall(r"\$(\w+)", text)) <= used, f"{title}: an unknown variable in {text}"
missing = named - served
assert not missing, f"metrics that /metrics does not serve: {sorted(missing)}"

for title, text in queries:
    text = re.sub(r"\$\w+", ".*", text)
    with urllib.request.urlopen(prometheus + "/api/v1/query?" + urllib.parse.urlencode({"query": text}), timeout=30) as answer:
        found = json.load(answer)
    assert found["status"] == "success", (title, text, found)
    assert found["data"]["result"], f"{title}: no data for {text}"
print(f"dashboard: {len(panels)} panels, {len(queries)} questions, {len(named)} metrics")
