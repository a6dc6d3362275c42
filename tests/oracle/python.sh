# Sourced: sets PYTHON to an interpreter with numpy and PyNaCl: the system's, or one with them in a folder of its own
# below the build folder, made once. Returns 77 with the reason when there is none.
# oracle_python BUILD_FOLDER
oracle_python() {
    local venv=$1/oracle-venv said
    for PYTHON in python3 "$venv/bin/python3"; do
        "$PYTHON" -c 'import numpy, nacl.bindings' 2>/dev/null && return 0
    done
    said=$({ python3 -m venv "$venv" && timeout 120 "$venv/bin/pip" install --quiet --disable-pip-version-check numpy pynacl; } 2>&1) &&
        "$PYTHON" -c 'import numpy, nacl.bindings' 2>/dev/null && return 0
    echo "skipped: no Python with numpy and PyNaCl, and pip could not install them: $(tail -1 <<<"$said")"
    return 77
}
