package bridge

import (
	"errors"
	"testing"
	"testing/synctest"
)

// What a commit finds instead of what it had stored before decides between
// writing over it and leaving the app.
func TestCommitWritesOnlyOverWhatIsCertainlyOlder(t *testing.T) {
	codec, err := NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	state := func(born string) []byte {
		data, err := codec.Encode(NewState("campus", born))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	const ours = "me/3/9" // after sequence 5
	for name, c := range map[string]struct {
		sequence uint64
		token    string
		born     string
		fenced   bool
	}{
		"lost: an earlier commit of ours":             {3, "me/3/8", "born", false},
		"lost: an earlier owner's, of more commits":   {3, "other/2/50", "born", false},
		"lost, and claimed since by another":          {3, "other/4/1", "born", true},
		"lost, and of another in the same epoch":      {3, "other/3/1", "born", true},
		"lost, and a later commit of ours":            {3, "me/3/10", "born", true},
		"lost, and begun anew by another":             {3, "other/1/1", "anew", true},
		"lost, and begun anew under our name":         {3, "me/1/1", "anew", true},
		"lost, and written by who names no owner":     {3, "", "born", true},
		"lost, and its epoch cannot be read":          {3, "me/x/1", "born", true},
		"lost, and its commit cannot be read":         {3, "me/2/x", "born", true},
		"lost, and its token has a part too many":     {3, "me/2/1/1", "born", true},
		"ahead: an earlier commit of ours":            {8, "me/3/8", "born", false},
		"ahead: an earlier commit, of another":        {8, "other/3/8", "born", true},
		"ahead: a commit of ours in an earlier epoch": {8, "me/2/8", "born", true},
		"ahead: a later commit of ours":               {8, "me/3/10", "born", true},
		"ahead: written by who names no owner":        {8, "", "born", true},
	} {
		t.Run(name, func(t *testing.T) {
			stored, own := state(c.born), state("born")
			synctest.Test(t, func(t *testing.T) {
				f := &flaky{fault: func() string { return "" }, read: func() error { return nil }}
				f.record, f.last = Record{Data: stored, Token: c.token, Sequence: c.sequence}, c.sequence
				k := committer{store: f, sequence: 5, trouble: func(error) {}, holds: func() bool { return true }, claimed: true}
				err := k.commit(t.Context(), own, ours)
				if errors.Is(err, ErrFenced) != c.fenced || !c.fenced && err != nil {
					t.Errorf("commit = %v; want fenced: %t", err, c.fenced)
				}
				if written := f.record.Token == ours; written == c.fenced {
					t.Errorf("stored is the state of %q", f.record.Token)
				}
				if !c.fenced && k.sequence != f.record.Sequence {
					t.Errorf("it is at %d, and we believe %d", f.record.Sequence, k.sequence)
				}
			})
		})
	}
}
