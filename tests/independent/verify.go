// SPDX-License-Identifier: Apache-2.0

// Command verify checks an export of a log, or the proof of one entry, with golang.org/x/mod/sumdb and Go's own
// cryptography: it shares no code and no library with what it checks.
//
//	verify VKEYS EXPORT [CHECKPOINT]   head, entries, hash tiles, members' signatures, earlier heads; that it
//	                                   continues an older head
//	verify VKEYS -proof FILE           an entry under a signed head (c2sp.org/tlog-proof)
//	verify VKEYS -fork FILE            that the log signed two histories (tmx-fork@v1, LOG-8)
//	verify VKEYS -seen FILE            that it took in a message whose sender signed that it was shown another
//	                                   history (tmx-misbehaviour@v1 not-as-seen, LINK-12)
//
// VKEYS holds the keys of logs and members, a line each (tmx-authority show --vkeys). tlog.TileHashReader is not used:
// before x/mod 0.40.0 it takes forged tiles.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const tileWidth = 256

// Points of small order, without the sign bit: with such a key Go, unlike libsodium, takes one signature for any text.
var smallOrder = map[string]bool{
	"0000000000000000000000000000000000000000000000000000000000000000": true,
	"0100000000000000000000000000000000000000000000000000000000000000": true,
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05": true,
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a": true,
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f": true,
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f": true,
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f": true,
}

func check(ok bool, format string, args ...any) {
	if !ok {
		log.Fatalf("FAILED: "+format, args...)
	}
}

func must[T any](value T, err error) T {
	check(err == nil, "%v", err)
	return value
}

// The keys of type 1, by name; cosignatures are made with keys of a type that x/mod does not know.
func readKeys(path string) map[string][]note.Verifier {
	keys, seen := map[string][]note.Verifier{}, map[string]bool{}
	for _, line := range strings.Fields(string(must(os.ReadFile(path)))) {
		parts := strings.SplitN(line, "+", 3)
		check(len(parts) == 3, "no key: %s", line)
		data := must(base64.StdEncoding.DecodeString(parts[2]))
		if seen[line] || len(data) != 33 || data[0] != 1 {
			continue
		}
		data[32] &= 0x7f
		check(!smallOrder[hex.EncodeToString(data[1:])], "a key of small order: %s", line)
		keys[parts[0]] = append(keys[parts[0]], must(note.NewVerifier(line)))
		seen[line] = true
	}
	return keys
}

type head struct {
	origin string
	size   int64
	root   tlog.Hash
}

// Exactly three lines and at least one entry: verifiers disagree about what more means, and about the empty tree.
func openHead(signed []byte, keys map[string][]note.Verifier) head {
	origin, _, _ := strings.Cut(string(signed), "\n")
	check(strings.Contains(origin, "/log/"), "no name of a log: %q", origin)
	opened := must(note.Open(signed, note.VerifierList(keys[origin]...)))
	lines := strings.Split(opened.Text, "\n")
	check(len(lines) == 4 && lines[3] == "", "the head has not three lines: %q", opened.Text)
	size := must(strconv.ParseInt(lines[1], 10, 64))
	check(size > 0 && strconv.FormatInt(size, 10) == lines[1], "no size of a tree: %q", lines[1])
	return head{origin, size, must(tlog.ParseHash(lines[2]))}
}

func tile(kind string, n int64, width int) string {
	name := fmt.Sprintf("%03d", n%1000)
	for n /= 1000; n > 0; n /= 1000 {
		name = fmt.Sprintf("x%03d/%s", n%1000, name)
	}
	if width < tileWidth {
		name += fmt.Sprintf(".p/%d", width)
	}
	return filepath.Join("tile", kind, name)
}

// How many of `count` hashes or entries the n-th tile or bundle has.
func width(count, n int64) int {
	if count-n*tileWidth < tileWidth {
		return int(count - n*tileWidth)
	}
	return tileWidth
}

// The entry before which the export is pruned: there are only hashes of those before it.
func readMinIndex(folder string, size int64) int64 {
	line, err := os.ReadFile(filepath.Join(folder, "min-index"))
	if os.IsNotExist(err) {
		return 0
	}
	first := must(strconv.ParseInt(strings.TrimSuffix(string(must(line, err)), "\n"), 10, 64))
	check(fmt.Sprintf("%d\n", first) == string(line) && first > 0 && first%tileWidth == 0 && first+tileWidth <= size,
		"no index before which this log can be pruned: %q", line)
	return first
}

func readPruned(folder string, first int64) (leaves []tlog.Hash) {
	for n := int64(0); n*tileWidth < first; n++ {
		_, err := os.Stat(filepath.Join(folder, tile("entries", n, tileWidth)))
		check(os.IsNotExist(err), "bundle %d is there, though it is pruned", n)
		data := must(os.ReadFile(filepath.Join(folder, tile("0", n, tileWidth))))
		check(len(data) == tileWidth*tlog.HashSize, "tile %d of level 0 is none", n)
		for ; len(data) > 0; data = data[tlog.HashSize:] {
			leaves = append(leaves, *(*tlog.Hash)(data))
		}
	}
	return leaves
}

// What stayed of the entries that are pruned: each is the one that the hashes speak of.
func checkKept(folder string, leaves []tlog.Hash) {
	data, err := os.ReadFile(filepath.Join(folder, "kept"))
	if os.IsNotExist(err) {
		return
	}
	check(err == nil, "kept: %v", err)
	for last := int64(-1); len(data) > 0; {
		check(len(data) >= 10 && len(data)-10 >= int(binary.BigEndian.Uint16(data[8:])), "kept ends early")
		index, end := int64(binary.BigEndian.Uint64(data)), 10+int(binary.BigEndian.Uint16(data[8:]))
		check(index > last, "kept does not ascend")
		check(index >= int64(len(leaves)) || tlog.RecordHash(data[10:end]) == leaves[index], "kept: entry %d is another", index)
		last, data = index, data[end:]
	}
}

func readEntries(folder string, first, size int64) (entries [][]byte) {
	for n := first / tileWidth; n*tileWidth < size; n++ {
		data := must(os.ReadFile(filepath.Join(folder, tile("entries", n, width(size, n)))))
		for i := 0; i < width(size, n); i++ {
			check(len(data) >= 2 && len(data)-2 >= int(binary.BigEndian.Uint16(data)), "bundle %d ends early", n)
			end := 2 + int(binary.BigEndian.Uint16(data))
			entries, data = append(entries, data[2:end]), data[end:]
		}
		check(len(data) == 0, "bundle %d goes on", n)
	}
	return entries
}

// The hash tiles of the export are what the entries give; missing, bent and other ones are found.
func checkTiles(folder string, size int64, hashes tlog.HashReader) {
	for level := 0; size>>(8*level) > 0; level++ {
		count := size >> (8 * level)
		for n := int64(0); n*tileWidth < count; n++ {
			want := []byte{}
			for i := n * tileWidth; i < n*tileWidth+int64(width(count, n)); i++ {
				hash := must(hashes.ReadHashes([]int64{tlog.StoredHashIndex(8*level, i)}))[0]
				want = append(want, hash[:]...)
			}
			path := tile(strconv.Itoa(level), n, width(count, n))
			check(bytes.Equal(must(os.ReadFile(filepath.Join(folder, path))), want), "%s is another tile", path)
		}
	}
}

// Protobuf, as far as entries need it: numbers and bytes by their field.
type message struct {
	number map[uint64]uint64
	bytes  map[uint64][]byte
}

func decode(data []byte) message {
	m := message{map[uint64]uint64{}, map[uint64][]byte{}}
	varint := func() uint64 {
		value, n := binary.Uvarint(data)
		check(n > 0, "a message ends early")
		data = data[n:]
		return value
	}
	for len(data) > 0 {
		tag := varint()
		switch tag & 7 {
		case 0:
			m.number[tag>>3] = varint()
		case 2:
			size := varint()
			check(size <= uint64(len(data)), "a message ends early")
			m.bytes[tag>>3], data = data[:size], data[size:]
		case 5:
			check(len(data) >= 4, "a message ends early")
			m.number[tag>>3], data = uint64(binary.LittleEndian.Uint32(data)), data[4:]
		default:
			check(false, "a field of type %d", tag&7)
		}
	}
	return m
}

// The root that a path leads to, from a leaf (RFC 9162, 2.1.3.2).
func follow(path tlog.RecordProof, size, index int64, hash tlog.Hash) tlog.Hash {
	last := size - 1
	for _, other := range path {
		if index&1 == 1 || index == last {
			hash = tlog.NodeHash(other, hash)
			for index&1 == 0 && index != 0 {
				index, last = index>>1, last>>1
			}
		} else {
			hash = tlog.NodeHash(hash, other)
		}
		index, last = index>>1, last>>1
	}
	return hash
}

// A batch of bodies is signed as a note about its tree: LogEntry.member, .body and .signature say which.
func checkSignature(n int, entry message, federation string, keys map[string][]note.Verifier) {
	name, batch := federation+"/node/"+string(entry.bytes[4]), decode(entry.bytes[6])
	path := tlog.RecordProof{}
	for rest := batch.bytes[5]; len(rest) > 0; rest = rest[tlog.HashSize:] {
		check(len(rest) >= tlog.HashSize, "entry %d: half a hash", n)
		path = append(path, *(*tlog.Hash)(rest))
	}
	size, index, leaf := int64(batch.number[3]), int64(batch.number[4]), tlog.RecordHash(entry.bytes[5])
	check(size >= 1 && size <= 64 && index < size, "entry %d: body %d of %d", n, index, size)
	root := follow(path, size, index, leaf)
	check(tlog.CheckRecord(path, size, root, index, leaf) == nil, "entry %d: its path does not fit its batch", n)
	signature := append(binary.BigEndian.AppendUint32(nil, uint32(batch.number[1])), batch.bytes[6]...)
	text := fmt.Sprintf("%s/batch/%d\n%d\n%s\n\n— %s %s\n", name, batch.number[2], size, root, name,
		base64.StdEncoding.EncodeToString(signature))
	_, err := note.Open([]byte(text), note.VerifierList(keys[name]...))
	check(err == nil, "entry %d: %s did not sign it: %v", n, name, err)
}

// Heads of earlier hours: each is signed, has the size that its name says, and the root of so many entries.
func checkHours(folder string, h head, hashes tlog.HashReader, keys map[string][]note.Verifier) int {
	files := must(filepath.Glob(filepath.Join(folder, "checkpoints", "*")))
	for _, path := range files {
		o := openHead(must(os.ReadFile(path)), keys)
		check(o.origin == h.origin && o.size <= h.size && strconv.FormatInt(o.size, 10) == filepath.Base(path),
			"checkpoints/%s is another head", filepath.Base(path))
		check(must(tlog.TreeHash(o.size, hashes)) == o.root, "checkpoints/%s has another root", filepath.Base(path))
	}
	return len(files)
}

func checkExport(folder string, older string, keys map[string][]note.Verifier) {
	h := openHead(must(os.ReadFile(filepath.Join(folder, "checkpoint"))), keys)
	first := readMinIndex(folder, h.size)
	leaves, entries, stored, signatures := readPruned(folder, first), readEntries(folder, first, h.size), []tlog.Hash{}, 0
	checkKept(folder, leaves)
	for _, entry := range entries {
		leaves = append(leaves, tlog.RecordHash(entry))
	}
	hashes := tlog.HashReaderFunc(func(indexes []int64) (found []tlog.Hash, err error) {
		for _, index := range indexes {
			found = append(found, stored[index])
		}
		return found, nil
	})
	for n, leaf := range leaves {
		stored = append(stored, must(tlog.StoredHashesForRecordHash(int64(n), leaf, hashes))...)
	}
	check(must(tlog.TreeHash(h.size, hashes)) == h.root, "the entries do not give the signed root")
	checkTiles(folder, h.size, hashes)
	hours := checkHours(folder, h, hashes, keys)
	federation, _, _ := strings.Cut(h.origin, "/log/")
	for n, entry := range entries {
		if m := decode(entry); m.bytes[5] != nil || m.bytes[6] != nil {
			checkSignature(int(first)+n, m, federation, keys)
			signatures++
		}
	}
	if older != "" {
		o := openHead(must(os.ReadFile(older)), keys)
		check(o.origin == h.origin && o.size <= h.size, "the older head is of another log, or not older")
		proof := must(tlog.ProveTree(h.size, o.size, hashes))
		check(tlog.CheckTree(proof, h.size, h.root, o.size, o.root) == nil, "the log does not continue the older head")
	}
	fmt.Printf("%s: %d entries, %d signatures, %d earlier heads\n", h.origin, h.size, signatures, hours)
	if first > 0 {
		fmt.Printf("entries before %d are pruned: only their place was checked\n", first)
	}
}

func checkProof(path string, keys map[string][]note.Verifier) {
	body, signed, found := strings.Cut(string(must(os.ReadFile(path))), "\n\n")
	lines := strings.Split(body, "\n")
	check(found && len(lines) >= 3 && lines[0] == "c2sp.org/tlog-proof@v1" && strings.HasPrefix(lines[1], "extra ") &&
		strings.HasPrefix(lines[2], "index "), "no proof of an entry")
	h, proof := openHead([]byte(signed), keys), tlog.RecordProof{}
	for _, line := range lines[3:] {
		proof = append(proof, must(tlog.ParseHash(line)))
	}
	entry := must(base64.StdEncoding.DecodeString(lines[1][len("extra "):]))
	index := must(strconv.ParseInt(lines[2][len("index "):], 10, 64))
	err := tlog.CheckRecord(proof, h.size, h.root, index, tlog.RecordHash(entry))
	check(err == nil, "the entry is not proved: %v", err)
	fmt.Printf("%s: entry %d of %d\n", h.origin, index, h.size)
}

func checkFork(path string, keys map[string][]note.Verifier) {
	parts := strings.SplitN(string(must(os.ReadFile(path))), "\n\n", 4)
	check(len(parts) == 4, "no proof of a fork")
	lines := strings.Split(parts[0], "\n")
	signatures, longer, found := strings.Cut(parts[2]+"\n\n"+parts[3], "\n\n")
	check(found && lines[0] == "tmx-fork@v1", "no proof of a fork")
	a, b := openHead([]byte(parts[1]+"\n\n"+signatures+"\n"), keys), openHead([]byte(longer), keys)
	check(a.origin == b.origin && a.size <= b.size, "heads of two logs, or the longer first")
	if a.size == b.size {
		check(len(lines) == 1 && a.root != b.root, "the heads are of one history")
	} else {
		check(len(lines) >= 2 && strings.HasPrefix(lines[1], "root "), "no root of the longer history")
		root, proof := must(tlog.ParseHash(lines[1][len("root "):])), tlog.TreeProof{}
		for _, line := range lines[2:] {
			proof = append(proof, must(tlog.ParseHash(line)))
		}
		check(root != a.root, "the longer history has the shorter head")
		check(tlog.CheckTree(proof, b.size, b.root, a.size, root) == nil, "that root is not proved to be in the longer history")
	}
	fmt.Printf("%s: two histories, heads of %d and %d\n", a.origin, a.size, b.size)
}

func takeHashes(data []byte) (hashes []tlog.Hash) {
	check(len(data)%tlog.HashSize == 0, "half a hash")
	for ; len(data) > 0; data = data[tlog.HashSize:] {
		hashes = append(hashes, *(*tlog.Hash)(data))
	}
	return hashes
}

// LogEntry.kind of a message that the log took in, .body, Header.sender and .seen; Head.shard, .size and .root.
func checkSeen(path string, keys map[string][]note.Verifier) {
	body, signed, found := strings.Cut(string(must(os.ReadFile(path))), "\n\n")
	lines, field := strings.Split(body, "\n"), map[string]string{}
	check(found && len(lines) > 2 && lines[0] == "tmx-misbehaviour@v1" && lines[1] == "not-as-seen", "not what somebody has seen")
	for _, line := range lines[2:] {
		name, value, _ := strings.Cut(line, " ")
		field[name] = value
	}
	data := func(name string) []byte { return must(base64.StdEncoding.DecodeString(field[name])) }
	h, index, leaf := openHead([]byte(signed), keys), must(strconv.ParseInt(field["index"], 10, 64)), data("entry")
	federation, shard, _ := strings.Cut(h.origin, "/log/")
	check(tlog.CheckRecord(takeHashes(data("path")), h.size, h.root, index, tlog.RecordHash(leaf)) == nil, "the entry is not in the log")
	entry := decode(leaf)
	check(entry.number[1] == 4 || entry.number[1] == 13, "no message that the log took in")
	checkSignature(int(index), entry, federation, keys)
	header := decode(entry.bytes[5])
	seen := decode(header.bytes[15])
	size, root := int64(seen.number[2]), takeHashes(seen.bytes[3])
	check(header.number[1] == 257 && bytes.Equal(header.bytes[4], entry.bytes[4]) && string(seen.bytes[1]) == shard && len(root) == 1,
		"its sender has seen no head of this log")
	if size <= index {
		history := takeHashes(data("root"))
		check(len(history) == 1 && tlog.CheckTree(takeHashes(data("proof")), h.size, h.root, size, history[0]) == nil,
			"it is not shown what the log has instead")
		check(history[0] != root[0], "the log has what the sender has seen")
	}
	fmt.Printf("%s: entry %d of %d, whose sender %s has seen another head of %d\n", h.origin, index, h.size, header.bytes[4], size)
}

func main() {
	log.SetFlags(0)
	check(len(os.Args) == 3 || len(os.Args) == 4, "usage: verify VKEYS EXPORT [CHECKPOINT] | verify VKEYS -proof|-fork|-seen FILE")
	keys := readKeys(os.Args[1])
	switch {
	case os.Args[2] == "-proof" && len(os.Args) == 4:
		checkProof(os.Args[3], keys)
	case os.Args[2] == "-fork" && len(os.Args) == 4:
		checkFork(os.Args[3], keys)
	case os.Args[2] == "-seen" && len(os.Args) == 4:
		checkSeen(os.Args[3], keys)
	case len(os.Args) == 4:
		checkExport(os.Args[2], os.Args[3], keys)
	default:
		checkExport(os.Args[2], "", keys)
	}
}
