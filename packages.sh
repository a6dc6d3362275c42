# Sourced by ./check and ./demo: what the build needs from Debian stable, and installing what is missing.
BUILD_PACKAGES="gcc meson ninja-build pkg-config libc6-dev libzmq3-dev libsodium-dev libopenblas-dev libsqlite3-dev
  libjansson-dev libpcre2-dev libutf8proc-dev libcairo2-dev libncurses-dev zlib1g-dev libzstd-dev libinih-dev libcmocka-dev libdnnl-dev
  libsystemd-dev libmicrohttpd-dev"
# tests/integration/launch.sh uses openssh-server where it is; installing it would open a port
CHECK_PACKAGES="debhelper lintian systemd iproute2 zsh fish mandoc slurm-wlm munge openssh-client clang clang-format clang-tidy libclang-rt-14-dev libfaketime"
CROSS_PACKAGES="gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static"

# install_missing PACKAGE…: says what it installs, never asks.
install_missing() {
    local missing=() package
    for package in "$@"; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    local root=()
    [ "$(id -u)" -eq 0 ] || root=(sudo -n)
    echo "installing Debian packages: ${missing[*]}" >&2
    if ! { "${root[@]}" apt-get update -q && DEBIAN_FRONTEND=noninteractive "${root[@]}" apt-get install -y -q \
        --no-install-recommends "${missing[@]}"; } >&2; then
        echo "could not install them; install these packages and start again: ${missing[*]}" >&2
        return 1
    fi
}
