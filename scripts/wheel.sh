#!/usr/bin/env bash
# scripts/wheel.sh [PYTHON]
#
# Installs what is missing and leaves dist/emend-*.whl: the Python package and the program, for the torch that PYTHON has
# (default: the project's .venv). The wheel needs no compiler where it is installed, and depends on exactly that torch.

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

case ${1:-} in
  -h | --help) print_help; exit 0 ;;
  -*) stop "no such argument: '$1'; see $0 --help" ;;
esac

make_scratch
take_lock
find_given_libtorch
install_packages
python=.venv/bin/python
if [[ -n ${1:-} ]]; then
  python=$(cd "$caller_dir" && command -v "$1") || stop "there is no $1"
else
  install_libtorch
fi

heading "Build tools, in an environment of their own"
builder=build/wheel-tools
[[ -x $builder/bin/python ]] || "$python" -m venv "$builder" || stop "python3 -m venv failed: Debian has it in the package python3-venv"
"$builder/bin/python" -m pip install --disable-pip-version-check -q "scikit-build-core>=1.1" "nanobind>=2.4" ||
  stop "pip could not install scikit-build-core and nanobind: is there a network?"

heading "Wheel"
# The tools are of one environment, torch is of the other one.
torch=${EMEND_LIBTORCH:-$("$python" src/bindings/python/wheel/installed_torch.py)}
mkdir -p dist
EMEND_LIBTORCH=$torch CMAKE_BUILD_PARALLEL_LEVEL=${EMEND_JOBS:-$(default_jobs)} \
  "$builder/bin/python" -m pip wheel --disable-pip-version-check --no-build-isolation --no-deps --wheel-dir dist . ||
  stop "the wheel could not be built; the message is above"
release_lock
heading "Done in $(elapsed)"
for wheel in dist/emend-*.whl; do say "$wheel ($(du -h "$wheel" | cut -f 1))"; done
