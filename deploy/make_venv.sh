#!/usr/bin/env bash
# make_venv.sh PYTHON FOLDER: a virtual environment, on a machine that may lack what that takes.
set -euo pipefail
python=$1 folder=$2

if ! command -v "$python" >/dev/null || ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  echo "Parley needs Python 3.11 or newer; say which with PYTHON=..., as in: make run PYTHON=python3.13" >&2
  exit 1
fi
if ! "$python" -c 'import ensurepip' 2>/dev/null; then
  if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
    echo "Python's venv module is missing. On Debian or Ubuntu: apt-get install python3-venv" >&2
    exit 1
  fi
  echo "Installing python3-venv ..."
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
fi
"$python" -m venv "$folder"
