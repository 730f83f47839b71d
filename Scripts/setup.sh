#!/usr/bin/env bash
# Makes a machine ready to build Tenfold: installs what is missing on Debian and Ubuntu, checks elsewhere.
# Sourced by the other scripts; does nothing, quickly, when all is there.
# SPDX-License-Identifier: Apache-2.0

say() { printf '%s\n' "tenfold: $*" >&2; }
fail() { say "$*"; exit 1; }

# Runs a command as root: directly, or through sudo.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null 2>&1; then sudo "$@"
  else fail "this needs root: run '$*' as root, or install sudo, then start again"
  fi
}

have_package() {
  case "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" in installed) ;; *) return 1 ;; esac
}

# Installs packages with apt-get; shows what it said only if that fails.
install_packages() {
  say "installing $* with apt-get"
  local log
  log=$(mktemp)
  if ! { as_root apt-get update -qq &&
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
  } >"$log" 2>&1 </dev/null; then
    cat "$log" >&2
    rm -f "$log"
    fail "apt-get could not install $*; see above, install them, then start again"
  fi
  rm -f "$log"
}

setup_debian() {
  local missing=()
  # What the modules link: SQLite, zlib, BLAS and LAPACK. pip fetches models where the hub can't be reached.
  have_package libsqlite3-dev || missing+=(libsqlite3-dev)
  have_package zlib1g-dev || missing+=(zlib1g-dev)
  have_package libblas-dev || have_package libopenblas-dev || missing+=(libblas-dev)
  have_package liblapack-dev || have_package libopenblas-dev || missing+=(liblapack-dev)
  python3 -m pip --version >/dev/null 2>&1 || missing+=(python3-pip)
  if [ ${#missing[@]} != 0 ]; then install_packages "${missing[@]}"; fi
}

setup_mac() {
  # SQLite, zlib and Accelerate come with the system.
  xcrun --find swift >/dev/null 2>&1 || fail "install Xcode 26 or its command-line tools: xcode-select --install"
  python3 -m pip --version >/dev/null 2>&1 ||
    say "python3 with pip is missing; models come from the hub only (brew install python to have both)"
}

command -v swift >/dev/null 2>&1 || fail "Swift 6.3 or later is missing; see https://www.swift.org/install"
case "$(uname -s)" in
  Linux)
    if command -v apt-get >/dev/null 2>&1; then setup_debian
    else say "not a Debian system: make sure that the SQLite, zlib, BLAS and LAPACK development packages are installed"
    fi ;;
  Darwin) setup_mac ;;
  *) say "untested system $(uname -s); trying" ;;
esac
