# shellcheck shell=bash
#
# Functions for kops' tests/e2e/scenarios/lib/common.sh, printed by "kopsversion shell". Source them after the
# functions of the same names there, which they replace:
#
#   functions="$(kopsversion shell)" && eval "${functions}"
#
# Names, arguments and output are those of kops' own. What is new: the build is looked for in the bucket and
# checked, and a file is compared with its .sha256. Where resolve-latest is not installed, or cannot reach the
# bucket (exit status 4), the plain marker is read as before, with a warning on standard error.
#
# KOPSVERSION_STORE, and every other option of resolve-latest as a variable, works here too. In a Prow job each
# answer is left in $ARTIFACTS, in a file of its own. Under "set -x" the functions trace nothing of themselves.
# Written for bash 3.2 and later, with or without "set -euo pipefail".

# Say something on standard error.
function kopsversion-warn() {
    echo "kopsversion: WARNING ${*}" >&2
}

# Run a function without its trace. Under "set -x" that would fill the log of a job, and a reader of
# standard error would take it for warnings. Its exit status is the function's.
#   $1…  the function and its arguments
function kopsversion-quietly() {
    {
        local traced="${-}" status=0
        set +x
    } 2>/dev/null
    "${@}" || status=$?
    if [[ "${traced}" == *x* ]]; then
        {
            set -x
            return "${status}"
        } 2>/dev/null
    fi
    return "${status}"
}

# Print an object below the root of the store with nothing but curl or cat.
#   $1  the object's name, as in markers/master/latest-ci.txt
function kopsversion-read-plain() {
    local store="${KOPSVERSION_STORE:-https://storage.googleapis.com/k8s-staging-kops/kops/releases}"
    # Of several stores the first; a path may hold spaces.
    if [[ "${store}" == *://* ]]; then
        store="${store%%[[:space:]]*}"
    fi
    case "${store}" in
        gs://*) kopsversion-curl "https://storage.googleapis.com/${store#gs://}" "${1}" ;;
        *://*) kopsversion-curl "${store}" "${1}" ;;
        *) cat -- "${store%/}/${1}" ;;
    esac
}

# Print what is at a place and a name below it; an error page is never taken for an answer.
function kopsversion-curl() {
    curl --fail --silent --show-error --retry 3 --connect-timeout 10 --speed-limit 1000 --speed-time 30 \
        -- "${1%/}/${2}"
}

# Print the base URL of a build, or fail and print nothing.
#   $1   the marker to read where resolve-latest cannot answer
#   $2…  what resolve-latest is asked for, and its options
function kopsversion-base-url() {
    local marker="${1}" status=0 answer="" selector
    shift
    # Two builds of one job, A and B, are two files.
    selector="${1##*/markers/}"
    selector="${selector##*://}"
    if ! command -v resolve-latest >/dev/null; then
        kopsversion-warn "resolve-latest is not installed; taking ${marker} as it is"
    else
        answer="$(KOPSVERSION_ARTIFACT="kopsversion-resolution-${selector//[^0-9A-Za-z.-]/_}.json" \
            resolve-latest --output url "${@}")" || status=$?
        if [[ "${status}" -eq 0 ]]; then
            printf '%s\n' "${answer}"
            return 0
        fi
        case "${status}" in
            4) kopsversion-warn "resolve-latest could not reach the store; taking ${marker} as it is" ;;
            126 | 127) kopsversion-warn "resolve-latest cannot be run; taking ${marker} as it is" ;;
            *) return "${status}" ;;
        esac
    fi
    kopsversion-marker-body "${marker}"
}

# Print the one line that a marker holds, or fail and print nothing.
#   $1  its name below the root of the store, or its URL
function kopsversion-marker-body() {
    local body
    case "${1}" in
        *://*) body="$(kopsversion-curl "${1%/*}" "${1##*/}")" || return ;;
        *) body="$(kopsversion-read-plain "${1}")" || return ;;
    esac
    # A page, several lines or nothing at all is no base URL.
    if [[ ! "${body}" =~ ^(https|file)://[^[:space:]]+$ ]]; then
        kopsversion-warn "${1} does not hold the URL of a build"
        return 1
    fi
    printf '%s\n' "${body%/}"
}

# Print the base URL that a marker, or better the bucket, names.
#   $1  "latest" for master, a minor such as 1.30, or the https URL of a marker
function kops-base-from-marker() {
    kopsversion-quietly kopsversion-from-marker "${@}"
}

function kopsversion-from-marker() {
    case "${1}" in
        latest) kopsversion-base-url markers/master/latest-ci-updown-green.txt master ;;
        https://storage.googleapis.com/*/markers/master/*.txt | \
            https://storage.googleapis.com/*/markers/release-*/*.txt)
            # The URL names the store, unless the job names another one.
            KOPSVERSION_STORE="${KOPSVERSION_STORE:-${1%/markers/*}/}" kopsversion-base-url "${1}" "${1}"
            ;;
        https:*) kopsversion-marker-body "${1}" ;;
        # To kops this is latest-ci.txt of the branch, also where it has a green marker.
        *) kopsversion-base-url "markers/release-${1#release-}/latest-ci.txt" "${1}" --marker latest-ci.txt ;;
    esac
}

# Print the sha256 of what comes on standard input.
function kopsversion-sha256() {
    if command -v sha256sum >/dev/null; then
        sha256sum
    else
        shasum -a 256
    fi | cut -c 1-64
}

# Download a file of the build at KOPS_BASE_URL, check it, and print the path of a temporary copy. The exit
# status is curl's where it could not be downloaded, and 5 where it is not what its .sha256 promises.
#   $1  the file's name, as in kops
function kopsversion-download() {
    local system machine place expected actual file status=0
    system="$(uname -s | tr '[:upper:]' '[:lower:]')" || return
    machine="$(uname -m)" || return
    case "${machine}" in
        x86_64) machine=amd64 ;;
        aarch64) machine=arm64 ;;
    esac
    place="${KOPS_BASE_URL%/}/${system}/${machine}"
    expected="$(kopsversion-curl "${place}" "${1}.sha256")" || return
    file="$(mktemp "${TMPDIR:-/tmp}/${1}.XXXXXXXXX")" || return
    kopsversion-curl "${place}" "${1}" >"${file}" || status=$?
    actual="$(kopsversion-sha256 <"${file}")" || status=$?
    if [[ "${status}" -eq 0 && "${actual}" != "${expected:0:64}" ]]; then
        kopsversion-warn "${place}/${1} is not what its .sha256 promises"
        status=5
    fi
    if [[ "${status}" -ne 0 ]]; then
        rm -f -- "${file}"
        return "${status}"
    fi
    chmod 755 "${file}" || return
    printf '%s\n' "${file}"
}

# Print the path of a downloaded kops of the build at KOPS_BASE_URL.
function kops-download-from-base() {
    kopsversion-quietly kopsversion-download kops
}

# Write a marker that does not move, and print its URL, for kubetest2's --kops-version-marker.
#   $1  the base URL that it holds
function kopsversion-pin() {
    local file
    file="$(mktemp "${TMPDIR:-/tmp}/kops-version-marker.XXXXXXXXX")" || return
    printf '%s\n' "${1}" >"${file}" || return
    file="${file//%/%25}"
    printf 'file://%s\n' "${file// /%20}"
}

# Set KOPS_BASE_URL and KOPS: to the latest build in a periodic job, else to a build of the tree. In a periodic
# job also KOPS_VERSION_MARKER, which the scenarios pass on: kubetest2 then tests this build, and no newer one.
function kops-acquire-latest() {
    kopsversion-quietly kopsversion-acquire-latest
}

function kopsversion-acquire-latest() {
    if [[ "${JOB_TYPE-}" == "periodic" ]]; then
        KOPS_BASE_URL="$(kops-base-from-marker latest)" || return
        export KOPS_BASE_URL
        KOPS="$(kops-download-from-base)" || return
        KOPS_VERSION_MARKER="$(kopsversion-pin "${KOPS_BASE_URL}")" || return
        export KOPS_VERSION_MARKER
    else
        KOPS_BASE_URL=""
        # KUBETEST2 is a command with its arguments, as common.sh makes it.
        # shellcheck disable=SC2086
        ${KUBETEST2} --build || return
        KOPS="${REPO_ROOT}/.build/dist/linux/amd64/kops"
        KOPS_BASE_URL="$(cat "${REPO_ROOT}/.kubetest2/kops-base-url")" || return
        export KOPS_BASE_URL
        echo "KOPS_BASE_URL=${KOPS_BASE_URL}"
    fi
    export KOPS
}
