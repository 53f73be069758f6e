//go:build !wasip1

package proxywasm

import (
	"slices"
	"strings"
	"testing"
)

func TestPairsSurviveEncoding(t *testing.T) {
	for _, list := range [][][2]string{
		nil,
		{{"a", "b"}},
		{{":path", "/"}, {"x", ""}, {"", "y"}, {"x", "2"}, {"x", "\x00\xff"}},
		{{"long", strings.Repeat("v", 70000)}},
	} {
		var p pairs
		p.encode(list)
		got, ok := p.decode(p.encoded)
		if !ok || !slices.Equal(got, list) {
			t.Errorf("%q became %q, ok %v", list, got, ok)
		}
	}
}

func TestPairsEncodingIsTheABIs(t *testing.T) {
	var p pairs
	p.encode([][2]string{{"k1", "v"}, {"k", ""}})
	want := "\x02\x00\x00\x00" + "\x02\x00\x00\x00\x01\x00\x00\x00" + "\x01\x00\x00\x00\x00\x00\x00\x00" + "k1\x00v\x00" + "k\x00\x00"
	if string(p.encoded) != want {
		t.Errorf("got %q, want %q", p.encoded, want)
	}
}

func TestTwoListsOfOneCallbackBothStay(t *testing.T) {
	var p pairs
	p.encode([][2]string{{"a", "1"}})
	split := len(p.encoded)
	p.encode([][2]string{{"b", "2"}, {"c", "3"}})
	first, _ := p.decode(p.encoded[:split])
	second, _ := p.decode(p.encoded[split:])
	if len(first) != 1 || first[0][0] != "a" || len(second) != 2 || second[1][1] != "3" {
		t.Errorf("got %q and %q", first, second)
	}
	if _ = append(first, [2]string{"z", "z"}); second[0][0] != "b" {
		t.Error("appending to one list wrote into the other")
	}
}

func FuzzDecodePairs(f *testing.F) {
	var p pairs
	p.encode([][2]string{{"a", "1"}, {"bb", ""}})
	f.Add(p.encoded)
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		var p pairs
		list, ok := p.decode(data)
		if !ok && len(list)+len(p.decoded) != 0 {
			t.Fatal("a list that was refused left pairs behind")
		}
	})
}
