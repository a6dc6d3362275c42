#!/usr/bin/env bash
# nights.sh NIGHTS SIM_RUN - the tally of simulated schedules: goes on where it ended, counts nothing twice, and names what failed.
nights=$1 sim=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "FAILED: $*" >&2; cat "$work"/*; exit 1; }
go() { "$nights" "$work/tally" --program "$1" --peers 4,5 --block 2 --schedules "$2" >"$work/out" 2>&1; }
go "$sim" 4 || fail "four good schedules"
grep -q "^4 schedules in all, 0 failed" "$work/out" || fail "not four"
cp "$work/tally" "$work/before"
sed -i '$d' "$work/tally" # as if it had been interrupted in the last block
go "$sim" 6 || fail "going on"
[ "$(grep -c ^block "$work/tally")" = 3 ] && grep -q "^6 schedules in all" "$work/out" || fail "a block is missing, or was run twice"
[ "$(sort -n -k3 "$work/before" | cut -d' ' -f2-6)" = "$(sort -n -k3 "$work/tally" | cut -d' ' -f2-6 | head -2)" ] || fail "a block that was run again differs"
# a seed that breaks a rule, and one that ends the program
cat >"$work/breaks" <<'B'
#!/usr/bin/env bash
[ "$6" = 7 ] && { echo "FAILED: seed 7, 5 peers: a rule (node 1, 2.0 s)"; echo "$2 schedules, 1 failed, 1 schedules a minute: 0 forks, 1 hostile members, x"; exit 1; }
[ "$6" = 9 ] && [ "$2" = 2 ] || [ "$6" = 10 ] && { echo "an assertion" >&2; kill -ABRT $$; }
echo "$2 schedules, 0 failed, 1 schedules a minute: 0 forks, 1 hostile members, x"
B
chmod +x "$work/breaks"
go "$work/breaks" 10 && fail "a broken rule ends with status 0"
grep -q "^failed 5 7 .* a rule (node 1, 2.0 s)" "$work/tally" || fail "the seed that broke a rule is not named"
grep -q "^failed 4 10 .* ended with -6: an assertion" "$work/tally" || fail "the seed that ended the program is not named"
grep -q "^10 schedules in all, 2 failed" "$work/out" || fail "not ten"
"$nights" "$work/tally" --sum >"$work/out" && fail "a sum with failures ends with status 0"
grep -q "again: tests/sim/run --seeds 1 --peers 5 --seed 7 --verbose" "$work/out" || fail "no command to run it again"
exit 0
