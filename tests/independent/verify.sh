#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Checks an export of a log, or the proof of one entry, with sha256sum, openssl, signify and protoc alone.
#   verify.sh VKEYS EXPORT [ENTRIES]   head, root of the entries, lowest hash tiles, earlier heads, and the members' signatures on as many
#                                      entries (20), spread over the log
#   verify.sh VKEYS -proof FILE        an entry under a signed head (c2sp.org/tlog-proof)
# VKEYS holds the keys of logs, members and witnesses, a line each (tmx-authority show --vkeys).
set -euo pipefail
export LC_ALL=C
keys=$1
schema=$(cd "$(dirname "$0")/../../proto" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() { echo "FAILED: $*" >&2; exit 1; }

# Bytes are written as "\x00\x01…": printf makes files of them, four characters are one byte.
bytes_of() { od -An -v -tx1 "$1" | tr -d ' \n' | sed 's/../\\x&/g'; }
from_base64() { base64 -d <<<"$1" >"$work/base64" 2>/dev/null || fail "no base64: $1"; bytes_of "$work/base64"; }
hex_bytes() { sed 's/../\\x&/g' <<<"$1"; }
sha256() { hex_bytes "$(printf "$1" | sha256sum | cut -c -64)"; }

# Points of small order, without the sign bit: with such a key openssl takes one signature for any text.
small_order='0000000000000000000000000000000000000000000000000000000000000000
0100000000000000000000000000000000000000000000000000000000000000
26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05
c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a
ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f
edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f
eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f'

# key_of NAME TYPE ID: the key of that name, type and id; nothing when there is none.
key_of() {
    local line name id encoded key plain
    while read -r line; do   # base64 may end with a "+", which read would take away
        name=${line%%+*} id=${line#*+} encoded=${line#*+*+} id=${id%%+*}
        [ "$name" = "$1" ] && [ "$id" = "$3" ] || continue
        key=$(from_base64 "$encoded")
        [ "${key:0:4}" = "\\x$2" ] && [ ${#key} -eq 132 ] || continue
        key=${key:4}
        plain=${key//\\x/}
        plain=${plain:0:62}$(printf %02x $((16#${plain:62} & 127)))
        if grep -qx "$plain" <<<"$small_order"; then fail "a key of small order: $name+$id+$encoded"; fi
        [[ $(sha256 "$name\\n\\x$2$key") == "$(hex_bytes "$id")"* ]] || fail "the id of a key is not its own: $name+$id"
        echo "$key"
        return
    done <"$keys"
}

# signed_by KEY SIGNATURE FILE: whether openssl and signify both say so.
signed_by() {
    printf "\\x30\\x2a\\x30\\x05\\x06\\x03\\x2b\\x65\\x70\\x03\\x21\\x00$1" >"$work/key.der"
    printf "$2" >"$work/signature"
    { echo 'untrusted comment: key'; printf "Ed12345678$1" | base64 -w 0; echo; } >"$work/key.pub"
    { echo 'untrusted comment: signature'; printf "Ed12345678$2" | base64 -w 0; echo; } >"$work/signature.sig"
    openssl pkeyutl -verify -rawin -pubin -keyform DER -inkey "$work/key.der" -in "$3" -sigfile "$work/signature" >/dev/null 2>&1 &&
        signify-openbsd -V -q -p "$work/key.pub" -x "$work/signature.sig" -m "$3" 2>/dev/null
}

# open_head FILE: origin, size and root of a signed checkpoint.
open_head() {
    local blank dash name encoded line id key signed=no
    blank=$(grep -n '^$' "$1" | tail -n 1 | cut -d : -f 1)
    [ -n "$blank" ] && [ -z "$(tail -c 1 "$1")" ] || fail "no signed note: $1"
    head -n $((blank - 1)) "$1" >"$work/text"
    [ "$(wc -l <"$work/text")" -eq 3 ] || fail "the head has not three lines"
    { read -r origin; read -r size; read -r root; } <"$work/text"
    [[ $origin =~ ^tmx\.[^/]+/log/[^/]+$ && $size =~ ^[1-9][0-9]*$ ]] || fail "no head of a log: $origin, $size"
    root=$(from_base64 "$root")
    [ ${#root} -eq 128 ] || fail "the root is no hash"
    while read -r dash name encoded; do
        [ "$dash" = '—' ] || fail "no line of a signature"
        line=$(from_base64 "$encoded")
        id=${line:0:16}
        id=${id//\\x/}
        if [ "$name" = "$origin" ] && key=$(key_of "$name" 01 "$id") && [ -n "$key" ]; then
            signed_by "$key" "${line:16}" "$work/text" || fail "the log did not sign its head"
            signed=yes
        elif key=$(key_of "$name" 04 "$id") && [ -n "$key" ]; then
            cosigned "$key" "${line:16}" || fail "$name did not cosign the head"
        fi
    done < <(tail -n +$((blank + 1)) "$1")
    [ $signed = yes ] || fail "no signature of the log"
}

# cosigned KEY LINE: a time of eight bytes and a signature over it and the text (c2sp.org/tlog-cosignature).
cosigned() {
    local time=${2:0:32}
    { printf 'cosignature/v1\ntime %d\n' $((16#${time//\\x/})); cat "$work/text"; } >"$work/cosigned"
    signed_by "$1" "${2:32}" "$work/cosigned"
}

bundle() {   # bundle FOLDER NUMBER WIDTH
    local name n
    printf -v name %03d $(($2 % 1000))
    for ((n = $2 / 1000; n > 0; n /= 1000)); do printf -v name 'x%03d/%s' $((n % 1000)) "$name"; done
    [ "$3" -eq 256 ] || name+=.p/$3
    echo "$1/$name"
}

# The hashes of what lies in a folder, in order: the array `hashes`.
hash_folder() { mapfile -t hashes < <(cd "$1" && sha256sum -- * | cut -c -64 | sed 's/../\\x&/g'); }

# read_pruned FOLDER: the index of the first entry that is there, and the leaf hashes of those before it; of what stayed of them
# in the file kept, that its hashes are these. LOG-10
read_pruned() {
    local n all at index length
    first=0 pruned=()
    [ -e "$1/min-index" ] || return 0
    first=$(<"$1/min-index")
    [[ $first =~ ^[1-9][0-9]*$ && $((first % 256)) -eq 0 && $((first + 256)) -le $size ]] && [ "$(wc -c <"$1/min-index")" -eq $((${#first} + 1)) ] ||
        fail "no index before which this log can be pruned: $first"
    for ((n = 0; n * 256 < first; n++)); do
        [ ! -e "$(bundle "$1/tile/entries" $n 256)" ] || fail "bundle $n is there, though it is pruned"
        all=$(bytes_of "$(bundle "$1/tile/0" $n 256)")
        [ ${#all} -eq 32768 ] || fail "tile 0/$n is none"
        mapfile -t -O $((n * 256)) pruned < <(fold -w 128 <<<"$all")
    done
    [ -e "$1/kept" ] || return 0
    all=$(bytes_of "$1/kept")
    for ((at = 0; at < ${#all}; at += length * 4)); do
        [ $((at + 40)) -le ${#all} ] || fail "kept ends early"
        index=${all:at:32} length=${all:at+32:8}
        index=$((16#${index//\\x/})) length=$((16#${length//\\x/}))
        at=$((at + 40))
        [ $((at + length * 4)) -le ${#all} ] || fail "kept ends early"
        [ $index -ge $first ] || [ "$(sha256 "\\x00${all:at:length*4}")" = "${pruned[index]}" ] || fail "kept: entry $index is another"
    done
}

# read_entries FOLDER: every entry that is there with a zero before it, as $work/leaves/<index>, and the leaf hashes of all.
read_entries() {
    local n width all at length index
    read_pruned "$1"
    index=$first
    mkdir "$work/leaves"
    for ((n = first / 256; n * 256 < size; n++)); do
        width=$((size - n * 256 < 256 ? size - n * 256 : 256))
        all=$(bytes_of "$(bundle "$1/tile/entries" $n $width)") || fail "bundle $n cannot be read"
        for ((at = 0; at < ${#all}; at += length * 4)); do
            length=$((16#${all:at+2:2}${all:at+6:2}))
            at=$((at + 8))
            [ $((at + length * 4)) -le ${#all} ] || fail "bundle $n ends early"
            printf "\\x00${all:at:length*4}" >"$work/leaves/$(printf %08d $index)"
            index=$((index + 1))
        done
        [ $index -eq $((n * 256 + width)) ] || fail "bundle $n has not $width entries"
    done
    hash_folder "$work/leaves"
    hashes=("${pruned[@]}" "${hashes[@]}")
}

check_tiles() {
    local n width
    for ((n = 0; n * 256 < size; n++)); do
        width=$((size - n * 256 < 256 ? size - n * 256 : 256))
        [ "$(bytes_of "$(bundle "$1/tile/0" $n $width)")" = "$(printf %s "${hashes[@]:n*256:width}")" ] || fail "tile 0/$n is another"
    done
}

# The root of the leaves in `hashes`: pairs become one, what is left over goes up as it is.
tree_root() {
    local i n rest
    while [ ${#hashes[@]} -gt 1 ]; do
        n=$((${#hashes[@]} / 2)) rest=${hashes[-1]}
        [ $((${#hashes[@]} % 2)) -eq 1 ] || rest=''
        rm -rf "$work/nodes"
        mkdir "$work/nodes"
        for ((i = 0; i < n; i++)); do printf "\\x01${hashes[2*i]}${hashes[2*i+1]}" >"$work/nodes/$(printf %08d $i)"; done
        hash_folder "$work/nodes"
        [ -z "$rest" ] || hashes+=("$rest")
    done
}

# path_root INDEX SIZE LEAF PATH: where a path of hashes leads (RFC 9162, 2.1.3.2); nothing when it does not fit.
path_root() {
    local index=$1 last=$(($2 - 1)) hash=$3 path=$4
    [ "$index" -ge 0 ] && [ "$index" -le $last ] && [ $((${#path} % 128)) -eq 0 ] || return 0
    for (( ; ${#path} > 0; index >>= 1, last >>= 1)); do
        [ $last -gt 0 ] || return 0
        if [ $((index & 1)) -eq 1 ] || [ "$index" -eq $last ]; then
            hash=$(sha256 "\\x01${path:0:128}$hash")
            while [ $((index & 1)) -eq 0 ] && [ "$index" -gt 0 ]; do index=$((index >> 1)) last=$((last >> 1)); done
        else
            hash=$(sha256 "\\x01$hash${path:0:128}")
        fi
        path=${path:128}
    done
    [ $last -gt 0 ] || echo "$hash"
}

# field FILE NAME: of the text that protoc made of a message; bytes as above, 0 when it is not there.
field() {
    local value
    value=$(sed -n "s/^ *$2: //p" "$1" | head -n 1)
    case $value in
    \"*) value=${value:1:-1} value=${value//%/%%}
         printf -- "${value//\\\'/\'}" >"$work/field"; bytes_of "$work/field" ;;
    *) echo "${value:-0}" ;;
    esac
}

# check_signature INDEX: a batch of bodies is signed as a note about its tree. Status 1: the entry has no body.
check_signature() {
    local name id key path top
    tail -c +2 "$work/leaves/$(printf %08d "$1")" >"$work/bare"
    protoc -I "$schema" --decode=tmx.LogEntry "$schema/audit.proto" <"$work/bare" >"$work/entry" 2>/dev/null ||
        fail "entry $1 is no LogEntry"
    grep -q '^kind: ' "$work/entry" || fail "entry $1 has no kind"
    grep -q '^body: ' "$work/entry" || return 1
    sed -n '/^signature {/,/^}/p' "$work/entry" >"$work/batch"
    name=${origin%/log/*}/node/$(printf "$(field "$work/entry" member)")
    printf -v id %08x "$(field "$work/batch" key_id)"
    key=$(key_of "$name" 01 "$id")
    [ -n "$key" ] || fail "entry $1: there is no key $id of $name"
    path=$(field "$work/batch" path)
    top=$(path_root "$(field "$work/batch" index)" "$(field "$work/batch" size)" \
          "$(sha256 "\\x00$(field "$work/entry" body)")" "${path#0}")
    [ -n "$top" ] || fail "entry $1: its path does not fit its batch"
    printf '%s/batch/%s\n%s\n%s\n' "$name" "$(field "$work/batch" batch_no)" "$(field "$work/batch" size)" \
        "$(printf "$top" | base64 -w 0)" >"$work/text"
    signed_by "$key" "$(field "$work/batch" signature)" "$work/text" || fail "entry $1: $name did not sign it"
}

# check_hours FOLDER: the heads of earlier hours, over the leaf hashes in `leaves`. In a shell of its own: `hashes` changes.
check_hours() {
    local file log=$origin newest=$size hours=0
    for file in "$1"/checkpoints/*; do
        [ -e "$file" ] || continue
        open_head "$file"
        [ "$origin" = "$log" ] && [ "$size" -le "$newest" ] && [ "$size" = "$(basename "$file")" ] || fail "$file is another head"
        hashes=("${leaves[@]:0:size}")
        tree_root
        [ "${hashes[0]}" = "$root" ] || fail "$file has another root"
        hours=$((hours + 1))
    done
    echo $hours
}

check_export() {
    local i step hours signatures=0
    open_head "$1/checkpoint"
    read_entries "$1"
    check_tiles "$1"
    leaves=("${hashes[@]}")
    tree_root
    [ "${hashes[0]}" = "$root" ] || fail "the entries do not give the signed root"
    hours=$(check_hours "$1") || exit 1
    step=$(((size - first) / $2 > 0 ? (size - first) / $2 : 1))
    for ((i = first; i < size; i += step)); do
        if check_signature $i; then signatures=$((signatures + 1)); fi
    done
    [ $signatures -gt 0 ] || fail "no entry that was looked at is signed"
    echo "$origin: $size entries, $signatures signatures, $hours earlier heads"
    [ "$first" -eq 0 ] || echo "entries before $first are pruned: only their place was checked"
}

check_proof() {
    local blank lines entry path='' line
    blank=$(grep -n '^$' "$1" | head -n 1 | cut -d : -f 1)
    mapfile -t lines < <(head -n $((${blank:-1} - 1)) "$1")
    [ "${lines[0]:-}" = c2sp.org/tlog-proof@v1 ] && [[ ${lines[1]:-} == 'extra '* && ${lines[2]:-} =~ ^index\ [0-9]+$ ]] ||
        fail "no proof of an entry"
    tail -n +$((blank + 1)) "$1" >"$work/head"
    open_head "$work/head"
    entry=$(from_base64 "${lines[1]#extra }")
    for line in "${lines[@]:3}"; do path+=$(from_base64 "$line"); done
    [ "$(path_root "${lines[2]#index }" "$size" "$(sha256 "\\x00$entry")" "$path")" = "$root" ] || fail "the entry is not proved"
    echo "$origin: entry ${lines[2]#index } of $size"
}

if [ "$2" = -proof ]; then check_proof "$3"; else check_export "$2" "${3:-20}"; fi
