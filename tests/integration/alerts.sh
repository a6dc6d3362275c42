#!/usr/bin/env bash
# The alert rules in configs/: each fires when it should (promtool test rules), and names metrics that there are.
# usage: alerts.sh SOURCE_ROOT. Exit code 77: skipped, the reason is on standard output.
cd "$1" || exit 1
for file in configs/alerts.yml configs/grafana.json; do for name in $(grep -o 'onebyte_[a-z_]*' $file | sort -u); do
    grep -q "\"$name[\"{]" web/metrics.c || { echo "$file: no metric $name"; exit 1; }
done; done
python3 -m json.tool configs/grafana.json >/dev/null || { echo "configs/grafana.json is no JSON"; exit 1; }
command -v promtool >/dev/null || { echo "skipped: promtool (Debian package prometheus) is not installed"; exit 77; }
promtool check rules configs/alerts.yml && promtool test rules tests/integration/alerts.yml
