#!/usr/bin/env bash
# Dependencies point one way (DESIGN.md, "Layers"): fails on an include that points up or across, on a floating-point
# library in the update path, and on global mutable state in the product.
ROOT=$1
cd "$ROOT" || exit 1
bad=0
# allow FOLDER ALLOWED…
allow() {
    local folder=$1; shift
    local pattern="^($(echo "$folder $*" | tr ' ' '|'))/"
    while IFS=: read -r file include; do
        [[ "$include" =~ $pattern ]] || { echo "$file includes $include"; bad=1; }
    done < <(grep -o '#include "[^"]*"' "$folder"/*.[ch] | sed 's/#include "\(.*\)"/\1/')
}
allow base
allow record base
allow spsa base
allow model spsa base
allow peer record base
allow transport base
allow daemon peer record transport model spsa base
for file in spsa/update.c spsa/replay.c spsa/kernels_reference.c; do
    grep -q '#include <math.h>' "$file" && { echo "$file uses libm"; bad=1; }
done
grep -nE '<(zmq|sqlite3|czmq)\.h>' base/* record/* spsa/* model/* peer/* && { echo "a library in the wrong layer"; bad=1; }
grep -nE 'clock_gettime|time\(NULL\)|fopen|socket\(' peer/*.c && { echo "peer/ does I/O or reads a clock"; bad=1; }
exit $bad
