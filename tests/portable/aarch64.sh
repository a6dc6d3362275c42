#!/usr/bin/env bash
# The exact arithmetic and the record format on another processor: builds base/, record/, spsa/ and their unit tests (golden
# vectors, replay in any order, digests) with Debian's cross compiler and runs them under qemu's user mode.
# usage: tests/portable/aarch64.sh [FOLDER]   (build-aarch64). Exit code 77: skipped, the reason is on standard output.
# Libraries for aarch64 come from Debian into FOLDER/sysroot, without adding an architecture to this system.
set -u
cd "$(dirname "$0")/../.." || exit 1
. ./packages.sh
folder=$(realpath -m "${1:-build-aarch64}")
skip() { echo "skipped: aarch64: $*"; exit 77; }

install_missing $CROSS_PACKAGES >/dev/null 2>&1 || skip "Debian's cross compiler or qemu cannot be installed ($CROSS_PACKAGES)"
sysroot=$folder/sysroot
if [ ! -f "$sysroot/ready" ]; then
    mkdir -p "$folder/apt/lists/partial" "$folder/apt/cache/archives/partial" "$sysroot"
    apt=(apt-get -q -o APT::Architectures::=amd64 -o APT::Architectures::=arm64 -o "Dir::State::Lists=$folder/apt/lists"
        -o "Dir::Cache=$folder/apt/cache" -o APT::Sandbox::User=root)
    (cd "$folder/apt" && "${apt[@]}" update && "${apt[@]}" download libsodium23:arm64 libsodium-dev:arm64 libcmocka0:arm64 libcmocka-dev:arm64) \
        >"$folder/apt.log" 2>&1 || skip "libsodium and cmocka for arm64 cannot be fetched ($(tail -1 "$folder/apt.log"))"
    for package in "$folder"/apt/*.deb; do dpkg -x "$package" "$sysroot" || exit 1; done
    touch "$sysroot/ready"
fi

flags=(-std=gnu17 -O3 -ffp-contract=off -fno-strict-aliasing -D_GNU_SOURCE -Wall -Wextra -Wconversion -Werror -pthread -I. -I"$sysroot/usr/include")
libraries=(-L"$sysroot/usr/lib/aarch64-linux-gnu" -lsodium -lcmocka -lm)
rm -rf "$folder/objects" && mkdir -p "$folder/objects"
printf '%s\n' base/*.c record/*.c spsa/*.c spsa/kernels/*.c tests/support/random.c | grep -vE '(avx2|avx512|gfni)\.c$' |
    xargs -P "$(nproc)" -I{} sh -c 'aarch64-linux-gnu-gcc "$@" -c {} -o "$0/$(echo {} | tr / _).o"' "$folder/objects" "${flags[@]}" || exit 1
objects=("$folder"/objects/*.o)

failed=0
for file in tests/unit/record/test_*.c tests/unit/spsa/test_*.c; do
    program=$folder/$(basename "$file" .c)
    aarch64-linux-gnu-gcc "${flags[@]}" "$file" "${objects[@]}" "${libraries[@]}" -o "$program" || exit 1
    if qemu-aarch64-static -L /usr/aarch64-linux-gnu -E LD_LIBRARY_PATH="$sysroot/usr/lib/aarch64-linux-gnu" "$program" >"$program.log" 2>&1; then
        echo "aarch64 $(basename "$file" .c): $(grep -c '  OK' "$program.log") cases"
    else
        echo "aarch64 $(basename "$file" .c): FAILED"; tail -20 "$program.log"; failed=1
    fi
done
exit $failed
