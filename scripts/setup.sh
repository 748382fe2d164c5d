#!/usr/bin/env bash
# Sets up what `make demo` or `make test` needs: system packages, a virtual environment, and for
# the tests the Node SDK and an ipykernel 6. Usage: setup.sh demo|test PYTHON VENV
set -euo pipefail
what=$1 python=$2 venv=$3

say() { printf '\033[1m%s\033[0m\n' "$*"; }

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    say "Python 3.11 or later is needed; $python is $("$python" -V 2>&1). Try make PYTHON=python3.12"
    exit 1
}

# PyAudio compiles against PortAudio; a Debian Python has venv and headers in packages of their own.
packages=(portaudio19-dev gcc)
"$python" -c 'import ensurepip' 2>/dev/null || packages+=(python3-venv)
"$python" -c 'import os, sysconfig as s; assert os.path.exists(s.get_path("include") + "/Python.h")' \
    2>/dev/null || packages+=(python3-dev)
if [ "$what" = test ]; then
    packages+=(chromium fonts-dejavu-core pulseaudio pulseaudio-utils libasound2-plugins)
    packages+=(praat ffmpeg sox g++)  # they open what is exported; g++ compiles meeteval
    command -v npm >/dev/null || packages+=(nodejs npm)
    command -v firefox >/dev/null || packages+=(firefox-esr)
fi

extras=all,lab
if command -v dpkg-query >/dev/null; then
    missing=()
    for package in "${packages[@]}"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    if [ ${#missing[@]} -gt 0 ]; then
        if [ "$(id -u)" = 0 ]; then
            say "Installing system packages: ${missing[*]}"
            apt-get update -qq
            DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
                "${missing[@]}" >/dev/null
        else
            say "These system packages are missing. Please run:"
            say "  sudo apt-get install --no-install-recommends ${missing[*]}"
            [ "$what" = demo ] || exit 1
            say "Going on without: the microphone needs them, the demo does not."
            extras=local,audio,formats,wer,lab
        fi
    fi
elif [ "$what" = demo ] && ! pkg-config --exists portaudio-2.0 2>/dev/null; then
    say "PortAudio was not found (macOS: brew install portaudio): going on without the microphone."
    extras=local,audio,formats,wer,lab
fi

[ "$what" = test ] && extras=dev
say "Setting up $venv with nbstream[$extras]"
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install -qq --disable-pip-version-check -e ".[$extras]"
if [ "$what" = test ]; then
    npm ci --prefix tests/node --silent --no-audit --no-fund
    "$venv/bin/python" -c 'from tests.browser import ipykernel_6; ipykernel_6()'
    touch "$venv/.ready-demo"
fi
touch "$venv/.ready-$what"
