#!/usr/bin/env bash
# The Debian package: built by dpkg-buildpackage from what is committed, clean by lintian's rules; then installed, used and
# removed on a copy of this system that is thrown away (an overlay in a mount namespace).
#   tests/packaging/deb.sh SOURCE
# Exit code 77: it cannot be tried here; the reason is printed.
set -u
source=$(realpath "$1")
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
fail() { echo "FAILED: $*"; exit 1; }
skip() { echo "skipped: $*"; exit 77; }
for program in dpkg-buildpackage dh lintian; do command -v $program >/dev/null || skip "$program is missing"; done

version=$(sed -n '1s/.*(\(.*\)).*/\1/p' "$source/debian/changelog")
[ "$version" = "$(sed -n "s/^ *version: '\(.*\)',/\1/p" "$source/meson.build" | head -1)" ] || fail "debian/changelog says $version, meson.build does not"
mkdir "$work/tree" && git -C "$source" archive HEAD | tar -x -C "$work/tree" || fail "cannot copy what is committed"
(cd "$work/tree" && DEB_BUILD_OPTIONS="nocheck parallel=$(nproc)" dpkg-buildpackage -us -uc -b) >"$work/log" 2>&1 ||
    { tail -30 "$work/log"; fail "dpkg-buildpackage"; }
package=$(ls "$work"/onebyte_*.deb) || fail "no package"
said=$(lintian --fail-on error,warning --suppress-tags initial-upload-closes-no-bugs "$package" 2>&1) || { echo "$said"; fail "lintian"; }

[ "$(id -u)" -eq 0 ] || skip "installing it needs root (it was built, and lintian is content)"
cat >"$work/try" <<'END'
set -u
fail() { echo "FAILED: $*"; exit 1; }
mount -t tmpfs none "$1/over" && mkdir "$1/over/upper" "$1/over/work" || exit 77
mount -t overlay none -o "lowerdir=/,upperdir=$1/over/upper,workdir=$1/over/work" "$1/root" || exit 77
mount -t proc none "$1/root/proc" && mount --bind /dev "$1/root/dev" || exit 77
inside() { chroot "$1/root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "${@:2}"; }
cp "$2" "$1/root/tmp/onebyte.deb"
inside "$1" dpkg -i /tmp/onebyte.deb >"$1/install" 2>&1 || { cat "$1/install"; fail "dpkg -i"; }
inside "$1" onebyte --version | grep -q '^onebyte ' || fail "onebyte --version"
inside "$1" onebyted --version | grep -q '^onebyted ' || fail "onebyted --version"
inside "$1" getent passwd onebyte >/dev/null || fail "there is no user onebyte"
[ "$(stat -c %a "$1/root/var/lib/onebyte")" = 700 ] || fail "/var/lib/onebyte is missing, or not only the daemon's"
[ -d "$1/root/etc/onebyte" ] || fail "/etc/onebyte is missing"
for unit in onebyted.service onebyted@.service; do
    said=$(inside "$1" systemd-analyze verify --man=no "/lib/systemd/system/${unit/@/@one}" 2>&1)
    grep -q onebyte <<<"$said" && { echo "$said"; fail "systemd-analyze verify $unit"; }
done
for file in man/man1/onebyte.1.gz man/man8/onebyted.8.gz man/man5/onebyte.conf.5.gz bash-completion/completions/onebyte onebyte/onebyte.conf onebyte/slurm.sbatch; do
    [ -e "$1/root/usr/share/$file" ] || fail "/usr/share/$file is missing"
done
inside "$1" dpkg --purge onebyte >"$1/purge" 2>&1 || { cat "$1/purge"; fail "dpkg --purge"; }
[ ! -e "$1/root/usr/sbin/onebyted" ] && [ ! -e "$1/root/lib/systemd/system/onebyted.service" ] || fail "files are left after --purge"
echo "built, clean, installed and removed: $(basename "$2")"
END
mkdir "$work/over" "$work/root"
unshare --mount --pid --fork bash "$work/try" "$work" "$package"
case $? in
0) exit 0 ;;
77) skip "no overlay of this system can be mounted (it was built, and lintian is content)" ;;
*) exit 1 ;;
esac
