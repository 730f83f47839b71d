#!/usr/bin/env bash
# How the scripts run tests: few at a time, with a limit of time, and showing only what is worth reading.
# Sourced after setup.sh.
# SPDX-License-Identifier: Apache-2.0

# Few tests at a time, as many as there are processors and one more: with all at once, those that wait for threads or
# loopback connections starve on a small machine.
if command -v nproc >/dev/null 2>&1; then processors=$(nproc); else processors=$(sysctl -n hw.ncpu); fi
test_width=()
if [[ "$(swift test --help-hidden 2>/dev/null)" == *--experimental-maximum-parallelization-width* ]]; then
  test_width=(--experimental-maximum-parallelization-width $((processors + 1)))
fi

# Seconds after which a run counts as hanging; several times what the longest takes on two processors.
test_limit=${TENFOLD_TEST_LIMIT:-1500}

# The names of tests that a log says were started and doesn't say ended.
unfinished_tests() {
  sed -nE '/^. Test (run|case) /d; s/^◇ Test (.+) started\.$/started \1/p
    s/^[✔✘] Test (.+) with [0-9]+ test cases? (passed|failed) after .*/ended \1/p
    s/^[✔✘] Test (.+) (passed|failed) after .*/ended \1/p' "$1" |
    awk '{ name = substr($0, index($0, " ") + 1) } /^started/ { open[name] = 1 } /^ended/ { delete open[name] }
      END { for (name in open) print "  " name }' | sort
}

# The processes below one, itself the last.
descendants() {
  local child
  for child in $(pgrep -P "$1" 2>/dev/null || true); do descendants "$child"; done
  echo "$1"
}

# Where the threads of a process stand in our own code, as far as a debugger tells.
stacks() { # process
  if command -v gdb >/dev/null 2>&1; then gdb -p "$1" -batch -ex 'thread apply all backtrace'
  elif command -v lldb >/dev/null 2>&1; then lldb -p "$1" --batch -o 'thread backtrace all'
  fi 2>/dev/null </dev/null | awk '
    /^Thread|thread #/ { thread = substr($0, 1, 120); frames = 0 }
    /[Tt]enfold/ && !/^Thread|thread #/ && frames++ < 3 {
      if (thread != "") { print thread; thread = "" }
      print substr($0, 1, 200)
    }
  ' | head -n 100 || true
}

# Stops a run that hangs, and says at the end of its log what hung: what is read there is read even of a long log.
stop_hanging() { # log, process of swift test
  local child=$2 process waited
  process=$(pgrep -P "$child" | head -n 1)
  if [ -n "$process" ]; then
    stacks "$process" >"$1.stacks"
    # The tests' process alone at first: what they said is in the buffer of the one above it, which writes it down now.
    # shellcheck disable=SC2046
    kill -KILL $(descendants "$process") 2>/dev/null || true
    for ((waited = 0; waited < 20; waited++)); do kill -0 "$child" 2>/dev/null || break; sleep 1; done
  fi
  # shellcheck disable=SC2046
  kill -KILL $(descendants "$child") 2>/dev/null || true
  wait "$child" 2>/dev/null || true
  {
    echo
    say "the tests have run for $test_limit s (TENFOLD_TEST_LIMIT) and were stopped; their threads in our own code:"
    if [ -n "$process" ]; then cat "$1.stacks"; fi
    say "the tests that had not ended:"
    unfinished_tests "$1"
  } >"$1.hanging" 2>&1
  cat "$1.hanging" >>"$1"
}

# `swift test` without building: its output goes to a log, its exit code is returned, or 124 where it hangs.
run_tests() { # log, then the arguments of swift test
  local log=$1 begin=$SECONDS child; shift
  swift test --skip-build --disable-xctest ${test_width[@]+"${test_width[@]}"} "$@" >"$log" 2>&1 </dev/null &
  child=$!
  while kill -0 "$child" 2>/dev/null; do
    if [ $((SECONDS - begin)) -ge "$test_limit" ]; then
      stop_hanging "$log" "$child"
      return 124
    fi
    sleep 1
  done
  wait "$child"
}

# Whether a log ends in success, of at least one test.
tests_passed() { grep -qE 'Test run with [1-9][0-9]* tests?.* passed' "$1"; }

# A log without what is about tests that went well.
show_failures() { grep -vE '^(◇|✔|\[[0-9]+/[0-9]+\])' "$1" || true; }
