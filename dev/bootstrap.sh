#!/usr/bin/env bash
# Installs what the Makefile's targets need: .venv with the requirements of this checkout, a JDK and Maven.
#   dev/bootstrap.sh [dev] [java | engine] [clocks] [browser] [node] [docs]
#     dev     the packages of tests and linters too
#     java    a JDK and Maven for the local engine
#     engine  the same, unless CAMUNDA_BASE_URL is set to another engine
#     clocks  libfaketime, for the tests that run workers with wrong clocks
#     browser chromium and its driver, for the tests of the documentation's page
#     node    Node with npm, for the tests beside the JavaScript client
#     docs    MkDocs, and Mermaid's script, which npm downloads
# When everything is installed, it ends within a fraction of a second and changes nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

# seconds without a line of progress after which one says that the work goes on
PROGRESS_S=${PROGRESS_S:-10}

say() { printf '%s\n' "$*" >&2; }
give_up() { say "$@"; exit 1; }

wants() { [[ " $wanted " == *" $1 "* ]]; }
wanted="$*"

can_apt() { [[ $(id -u) -eq 0 ]] && command -v apt-get >/dev/null; }

# apt_install PACKAGE...: install the packages if this user may; otherwise print the command and stop.
apt_install() {
    if ! can_apt; then
        if command -v apt-get >/dev/null; then
            give_up "missing: $*. Install with:  sudo apt-get install --yes $*"
        fi
        give_up "missing: $*. Install the equivalents with your package manager, for example:  brew install openjdk@17 maven chromium chromedriver"
    fi
    say "installing $* (apt-get)"
    export DEBIAN_FRONTEND=noninteractive
    apt-get install --yes --quiet --no-install-recommends "$@" 2>/dev/null | show_progress "$*" || {
        apt-get update --quiet | show_progress "package lists" &&
            apt-get install --yes --quiet --no-install-recommends "$@" | show_progress "$*"
    } || give_up "could not install $*. Try:  apt-get update && apt-get install --yes $*"
}

find_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3 python3.13 python3.12 python3.11 python; do
        if [[ -n $candidate ]] && command -v "$candidate" >/dev/null &&
            "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s' "$candidate"
            return
        fi
    done
    give_up "Python 3.11 or newer was not found; set PYTHON to one, such as PYTHON=/path/to/python3.11"
}

make_venv() {
    local python
    python=$(find_python)
    if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
        apt_install "python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
    fi
    say "making .venv with $("$python" --version)"
    rm -rf .venv
    "$python" -m venv .venv
}

# show_progress WHAT: reads the output of pip or apt-get; prints a line for every fifth package that pip has found, for
# each stage, and while nothing happens.
show_progress() {
    local line status found=0 began=$SECONDS patience=()
    # The bash of macOS is older, and cannot tell the end of the time from the end of the output.
    if ((BASH_VERSINFO[0] >= 4)); then patience=(-t "$PROGRESS_S"); fi
    while true; do
        status=0
        IFS= read -r ${patience[@]+"${patience[@]}"} line || status=$?
        # A status above 128 means that the time is over.
        if ((status > 128)); then
            say "  $1: still at work after $((SECONDS - began)) s"
            continue
        elif ((status > 0)); then
            return 0
        fi
        case $line in
            Collecting\ *)
                found=$((found + 1))
                if ((found % 5 == 0)); then say "  $1: $found packages found"; fi
                ;;
            Installing\ collected\ packages*) say "  $1: installing the $found packages" ;;
            Need\ to\ get\ * | Setting\ up\ openjdk* | Setting\ up\ maven\ *) say "  $line" ;;
        esac
    done
}

# install_requirements FILE...: installs them only if one of the files has changed since.
install_requirements() {
    local stamp=".venv/installed-$1.sha256" now
    now=$(cat "$@" | .venv/bin/python -c 'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())')
    if [[ -f $stamp && $(<"$stamp") == "$now" ]]; then return; fi
    say "installing $1 (about a minute the first time)"
    .venv/bin/python -m pip install --disable-pip-version-check --progress-bar off --requirement "$1" | show_progress "$1"
    printf '%s' "$now" >"$stamp"
}

java_is_good() {
    local java=java
    if [[ -n ${JAVA_HOME:-} ]]; then java=$JAVA_HOME/bin/java; fi
    command -v "$java" >/dev/null || return 1
    local version
    version=$("$java" -version 2>&1 | sed -nE 's/.*version "(1\.)?([0-9]+).*/\2/p' | head -n 1)
    [[ ${version:-0} -ge 17 ]]
}

engine_is_built() {
    local jar=engine/target/local-engine.jar
    if [[ ${ENGINE:-} == operaton ]] || { [[ -z ${ENGINE:-} ]] && grep -qsE '^(export )?ENGINE=operaton' .env; }; then
        jar=engine/target/operaton/local-engine.jar
    fi
    [[ -f $jar ]] && [[ -z $(find engine/pom.xml engine/src -newer "$jar" -print -quit) ]]
}

if ! .venv/bin/python -c '' 2>/dev/null; then make_venv; fi
install_requirements requirements.txt
if wants dev; then install_requirements requirements-dev.txt requirements.txt; fi

engine_is_named() {
    [[ -n ${CAMUNDA_BASE_URL:-} ]] || grep -qsE '^(export )?CAMUNDA_BASE_URL(_FILE)?=.' .env
}

if wants java || { wants engine && ! engine_is_named; }; then
    missing=()
    if ! engine_is_built; then
        # A JRE is enough to run the engine, but building it needs a compiler.
        if ! java_is_good || ! command -v "${JAVA_HOME:+$JAVA_HOME/bin/}javac" >/dev/null; then
            missing+=(openjdk-17-jdk-headless)
        fi
        command -v mvn >/dev/null || missing+=(maven)
    elif ! java_is_good; then
        missing+=(openjdk-17-jdk-headless)
    fi
    if [[ ${#missing[@]} -gt 0 ]]; then apt_install "${missing[@]}"; fi
    java_is_good || give_up "the local engine needs Java 17 or newer; set JAVA_HOME to one, or CAMUNDA_BASE_URL to an engine"
fi

if wants clocks && ! compgen -G '/usr/lib/*/faketime/libfaketime.so.1' >/dev/null; then
    apt_install libfaketime
fi

if wants browser && ! { command -v chromium && command -v chromedriver; } >/dev/null; then
    apt_install chromium chromium-driver
fi

if wants node && ! { command -v node && command -v npm; } >/dev/null; then
    apt_install nodejs npm
fi

if wants docs; then
    install_requirements requirements-docs.txt
    if ! .venv/bin/python -c 'import sys; from dev.docs import mermaid; sys.exit(not mermaid.is_there())'; then
        command -v npm >/dev/null || apt_install npm
        say "fetching Mermaid (npm)"
        .venv/bin/python -m dev.docs.mermaid
    fi
fi
