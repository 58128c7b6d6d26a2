#!/bin/sh
# Runs uv with the arguments given: the machine's own uv, or else a pinned one kept in .uv/.
# Decides where uv comes from and which index and certificates it sees; not what is installed.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
uv=$(command -v uv || true)

# uv_build's editable installs and UV_SYSTEM_CERTS need a uv of this year; a pyenv shim may exist and yet not run.
if [ -z "$uv" ] || ! "$uv" --version 2>/dev/null | grep -Eq '^uv (0\.1[1-9]|0\.[2-9][0-9]|[1-9])'; then
    uv=$root/.uv/bin/uv
fi
if [ ! -x "$uv" ]; then
    echo "uv was not found: installing the pinned one into .uv/" >&2
    for python in python3.12 python3.11 python3; do
        "$python" -c 'import ensurepip' 2>/dev/null && break || python=
    done
    if [ -z "$python" ]; then
        echo "error: neither uv nor a python3 with venv and ensurepip is on PATH; install uv, or python3 with its venv package" >&2
        exit 1
    fi
    "$python" -m venv --clear "$root/.uv"
    "$root/.uv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$root/requirements/uv.txt"
fi

# uv reads neither pip's settings nor the system's certificates: a machine that reaches its index by them must not be told twice.
if [ -z "${UV_DEFAULT_INDEX:-}${UV_INDEX_URL:-}" ]; then
    index=${PIP_INDEX_URL:-$(sed -n 's/^[[:space:]]*index-url[[:space:]]*=[[:space:]]*//p' \
        "${XDG_CONFIG_HOME:-${HOME:-}/.config}/pip/pip.conf" "${HOME:-}/.pip/pip.conf" /etc/pip.conf 2>/dev/null | head -n 1)}
    [ -z "$index" ] || export UV_DEFAULT_INDEX="$index"
fi
export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}" UV_HTTP_TIMEOUT="${UV_HTTP_TIMEOUT:-300}"
exec "$uv" "$@"
