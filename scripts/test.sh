#!/usr/bin/env bash
# scripts/test.sh [CTEST_ARGUMENT...] [-- CMAKE_ARGUMENT...]
#
# Installs what is missing, builds emend and runs all tests through ctest, e.g. scripts/test.sh -R text, or -L fast.
# With EMEND_SKIP_MODEL=1 the tests that need the real model are skipped; with EMEND_CLIENTS=1 those with lm-evaluation-harness and openai are run.
#
# A libtorch of your own: EMEND_LIBTORCH=/path scripts/test.sh, or scripts/test.sh -- -DCMAKE_PREFIX_PATH=/path

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

ctest_args=()
while (($# > 0)); do
  case $1 in
    -h | --help) print_help; exit 0 ;;
    --) shift; break ;;
    *) ctest_args+=("$1"); shift ;;
  esac
done

[[ ${EMEND_CLIENTS:-} != 1 ]] || wants_clients=1
set_up "$@"

heading "Tests (set-up and build took $(elapsed))"
# No exec: the trap of lib.sh still has to tidy up. ctest's summary, with its time, is the last thing printed.
# Tests side by side, each on one thread: faster than one after the other on all, since most are small.
# Of a program that fails only the failures are shown: a program holds up to 200 tests.
GTEST_BRIEF=${GTEST_BRIEF:-1} OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} ctest --test-dir "$build_dir" --parallel "$(nproc)" --output-on-failure --no-tests=error "${ctest_args[@]}"
