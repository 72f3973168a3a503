#!/bin/sh
# FFmpeg's own regression suite, FATE, with another program in ffmpeg's place: the part that needs neither samples nor
# FFmpeg's own test programs. The reference files are FFmpeg's, untouched.
#
#     apt-get source ffmpeg && sudo apt-get install make gcc libavfilter-dev
#     tests/fate.sh ffmpeg-5.1.9 target/fate                        # what the installed `ffmpeg` passes: the baseline
#     tests/fate.sh ffmpeg-5.1.9 target/fate target/release/ffauth  # the same tests with ffauth
#
# While ffauth is tested, the installed `ffmpeg` cannot be called: an unreadable file lies over it in a mount namespace of
# this run (root or user namespaces needed). `ffprobe` stays, as the tests' reader. FATE_TESTS="fate-lavf-mov …" runs some only,
# FATE_JOBS=n so many at once. Results: BUILD/PROGRAM.passed, BUILD/PROGRAM.failed; a failed test's output: BUILD/tests/data/fate.
set -eu

source=$(realpath "$1")
mkdir -p "$2"
build=$(realpath "$2")
program=${3:+$(realpath "$3")}
stock=$(command -v ffmpeg)
jobs=${FATE_JOBS:-2}
cd "$build"

# Only FFmpeg's makefiles are wanted; nothing of it is compiled but its generators of test pictures and sounds, and the lister of
# a filter's formats, which asks the installed libavfilter.
if [ ! -e ffbuild/config.mak ]; then
    "$source/configure" --disable-x86asm --disable-doc --disable-autodetect --enable-zlib --enable-gpl >configure.log
    mkdir -p libavfilter/tests
    gcc -w -I. -I"$source" -o libavfilter/tests/filtfmts "$source/libavfilter/tests/filtfmts.c" "$source/libavfilter/formats.c" \
        -lavfilter -lavutil
fi

# The suite with its programs as up-to-date files. With a folder of samples the tests that take none of them are listed too.
suite() {
    make -o ffmpeg -o ffprobe -o libavfilter/tests/filtfmts -o .version SAMPLES=/nonexistent "$@"
}

place() {
    ln -sf "$1" ffmpeg
    ln -sf "$(command -v ffprobe)" ffprobe
}

# Runs the tests on standard input; the names of those that passed.
run() {
    rm -rf tests/data/fate
    mkdir -p tests/data/fate
    xargs make -s -k -j "$jobs" -o ffmpeg -o ffprobe -o libavfilter/tests/filtfmts -o .version SAMPLES=/nonexistent >fate.log 2>&1 ||
        true
    for report in tests/data/fate/*.rep; do
        IFS=: read -r name status _ <"$report" && [ "$status" = 0 ] && echo "fate-$name"
    done | sort
}

if [ ! -s baseline ]; then
    place "$stock"
    suite -s fate-list 2>/dev/null | grep '^fate-' | sort >all
    # Tests whose prerequisites are compiled from FFmpeg itself, and the one that reads FFmpeg's sources.
    suite -pn fate 2>/dev/null | grep -E '^fate-[^ :]+: ' | grep -vE '^[^ ]+ [A-Z_]+ [:+?]?=' | sed 's/|.*//' |
        sed 's, libavfilter/tests/filtfmts , ,' | grep -E ' (lib[a-z]+/tests|tools|tests/api|tests/checkasm|tests/dnn)/|\.o( |$)' | sed 's/:.*//' | sort -u >compiled
    echo fate-source >>compiled
    grep -vxFf compiled all | run >baseline
fi
echo "$(wc -l <baseline) tests pass with $stock"
[ -n "$program" ] || exit 0

# The second time round: nothing but the program's own name may run as ffmpeg.
if [ "${FATE_HIDDEN:-}" != yes ]; then
    export FATE_HIDDEN=yes
    exec unshare --mount ${FATE_USER_NAMESPACE:+--map-root-user} sh "$(realpath "$OLDPWD/$0" 2>/dev/null || realpath "$0")" "$source" "$build" "$program"
fi
mount --bind /dev/null "$stock"
if "$stock" -version >/dev/null 2>&1; then
    echo "$stock can still be called" >&2
    exit 1
fi
place "$program"
name=$(basename "$program")
if [ -n "${FATE_TESTS:-}" ]; then
    echo "$FATE_TESTS" | tr ' ' '\n' | sort >wanted
else
    cp baseline wanted
fi
run <wanted >"$name.passed"
comm -23 wanted "$name.passed" >"$name.failed"
awk 'function family(test) { sub(/^fate-/, "", test); sub(/[-_].*/, "", test); return test }
     NR == FNR { passed[$1] = 1; next }
     { total[family($1)]++; all++; if ($1 in passed) { good[family($1)]++; sum++ } }
     END {
         for (name in total) { printf "%-14s %4d of %4d\n", name, good[name], total[name] | "sort"; rates += good[name] / total[name]; count++ }
         close("sort")
         printf "%-14s %4d of %4d = %.1f %%; mean of the %d family rates %.1f %%\n", "all", sum, all, 100 * sum / all, count, 100 * rates / count
     }' "$name.passed" wanted
