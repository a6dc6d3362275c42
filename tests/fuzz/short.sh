#!/usr/bin/env bash
# short.sh PROGRAM CORPUS: a few seconds of fuzzing from the kept corpus, which stays as it is. ONEBYTE_FUZZ_SECONDS and
# ONEBYTE_FUZZ_KEEP (a folder for new inputs and crashes) change that.
set -u
found=${ONEBYTE_FUZZ_KEEP:-$(mktemp -d /tmp/onebyte-fuzz-XXXXXX)}
[ -n "${ONEBYTE_FUZZ_KEEP:-}" ] || trap 'rm -rf "$found"' EXIT
mkdir -p "$found"
"$1" "$found" "$2" -max_total_time="${ONEBYTE_FUZZ_SECONDS:-3}" -timeout=20 -rss_limit_mb=2048 -max_len=65536 \
    -print_final_stats=1 -verbosity=0 -artifact_prefix="$found/" 2>&1 | tee "$found.log" | grep -vE '^(INFO|stat::|"|###)|NEW_FUNC' | tail -60
status=${PIPESTATUS[0]}
sed -n 's/^stat::number_of_executed_units: */executions: /p' "$found.log"
rm -f "$found.log"
if [ "$status" != 0 ]; then # the input itself: the folder may be gone when somebody looks
    for crash in "$found"/crash-* "$found"/timeout-* "$found"/oom-* "$found"/leak-*; do
        [ -f "$crash" ] && { echo "input that fails ($crash), base64:"; base64 "$crash" | head -40; }
    done
fi
exit "$status"
