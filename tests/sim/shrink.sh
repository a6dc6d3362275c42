#!/bin/sh
# A schedule that fails because of one line among twenty is cut down to that line, and what is printed fails again.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$1" --print --peers 4 --seed 6 >"$work/long"
echo "at 9 expect node=1 is=down" >>"$work/long" # nothing takes it down at that time
if "$1" --shrink --schedule "$work/long" >"$work/said"; then echo "a false expectation held"; exit 1; fi
sed -n '/^seed/,/^at .* expect/p' "$work/said" >"$work/short"
cat "$work/short"
[ "$(grep -c '^at' "$work/long")" -gt 8 ] || { echo "the long schedule is too short to say anything"; exit 1; }
[ "$(grep -c '^at' "$work/short")" -eq 1 ] || { echo "not cut down to one line"; exit 1; }
if "$1" --schedule "$work/short" >"$work/said"; then echo "the short schedule does not fail"; exit 1; fi
grep -q 'expected: down' "$work/said"
