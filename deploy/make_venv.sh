#!/usr/bin/env bash
# make_venv.sh PYTHON FOLDER: a virtual environment, on a machine that may lack what that takes.
set -euo pipefail
python=$1 folder=$2

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  echo "Parley needs Python 3.11 or newer; say which with PYTHON=..., as in: make run PYTHON=python3.13" >&2
  exit 1
fi
if ! "$python" -c 'import ensurepip' 2>/dev/null; then # Debian has it in a package of its own
  package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
  if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
    echo "Python's venv module is missing. On Debian or Ubuntu: sudo apt-get install $package" >&2
    exit 1
  fi
  echo "Installing $package ..."
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null
fi

trap 'rm -rf "$folder"' EXIT # half of one would pass for a whole one
"$python" -m venv "$folder"
trap - EXIT
