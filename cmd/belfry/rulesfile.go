package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/impact"
	"github.com/belfry-bridge/belfry/mapping"
)

// lookEvery is how often the rules file is looked at. Reading a few
// kilobytes once a second costs nothing, and works where notifications don't:
// on network mounts, on single files mounted into a container, and through
// whatever symbolic links an orchestrator swaps.
const lookEvery = time.Second

// retryEvery is how often content that was refused is compiled again: what it
// refers to, such as a file with a secret, may have come meanwhile.
const retryEvery = 10 * time.Second

// rulesFile is the file that the rules come from, and those in force.
type rulesFile struct {
	path string
	env  func(string) (string, bool)

	// Of watch's goroutine only.
	glance [sha256.Size]byte // of the content a second ago; zero: there was no file
	latest [sha256.Size]byte // of the last content that was looked at, good or bad
	retry  time.Time         // when content that was refused is compiled again; zero: it was not
	reads  map[string][]byte // files that the rules name, as they were read
	src    []byte            // in force
	warned mapping.Problems  // of the rules in force

	mu    sync.Mutex // guards what follows, which only watch changes
	rules *mapping.RuleSet
	state bridge.RulesStatus
}

// openRulesFile reads and compiles the file whole. With errors among the
// problems there is no rulesFile.
func openRulesFile(path string, env func(string) (string, bool)) (*rulesFile, mapping.Problems, error) {
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read the rules: %w", err)
	}
	f := &rulesFile{path: path, env: env, src: src, state: rulesInForce(path, src)}
	var problems mapping.Problems
	if f.rules, problems = f.compile(src); problems.HasErrors() {
		return nil, problems, nil
	}
	f.warned = problems
	f.latest = f.sum(src, false)
	f.glance = f.latest
	return f, problems, nil
}

func rulesInForce(path string, src []byte) bridge.RulesStatus {
	sum := sha256.Sum256(src)
	return bridge.RulesStatus{File: path, Loaded: time.Now(), Version: hex.EncodeToString(sum[:4])}
}

func (f *rulesFile) compile(src []byte) (*mapping.RuleSet, mapping.Problems) {
	f.reads = map[string][]byte{}
	return mapping.Compile(f.path, src, mapping.Options{LookupEnv: f.env, ReadFile: func(path string) ([]byte, error) {
		content, err := os.ReadFile(path)
		f.reads[path] = content
		return content, err
	}})
}

// sum tells one content from another, with that of the files that it names, as
// they are now or as they were compiled: a secret may be replaced while the
// rules stay as they are.
func (f *rulesFile) sum(src []byte, fresh bool) (sum [sha256.Size]byte) {
	h := sha256.New()
	h.Write(src)
	for _, path := range sortedKeys(f.reads) {
		content := f.reads[path]
		if info, err := os.Stat(path); fresh && (err != nil || info.Mode().IsRegular()) { // a pipe can be read once
			content, _ = os.ReadFile(path) // whether it can be read is compile's to say
		}
		fmt.Fprintf(h, "\x00%d\x00%s", len(content), content)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// errorsOf leaves the warnings out.
func errorsOf(problems mapping.Problems) mapping.Problems {
	return slices.DeleteFunc(slices.Clone(problems), func(p mapping.Problem) bool { return p.Severity != mapping.SeverityError })
}

func (f *rulesFile) current() *mapping.RuleSet {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.rules
}

func (f *rulesFile) status() bridge.RulesStatus {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state
}

// watch calls use with every new version of the file that compiles, until ctx
// ends. A hangup has it looked at again even if its bytes are the same.
func (f *rulesFile) watch(ctx context.Context, hangup <-chan os.Signal, log *slog.Logger, use func(*mapping.RuleSet)) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		forced := false
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			forced = true
		case <-tick.C:
		}
		if rules := f.look(forced, log); rules != nil {
			use(rules)
		}
	}
}

// settled reports whether the file is as it was when it was last read. One that
// is just being written may be good as far as it goes, without its last rules.
func (f *rulesFile) settled(src []byte, err error) bool {
	var sum [sha256.Size]byte
	if err == nil {
		sum = f.sum(src, true)
	}
	same := f.glance == sum
	f.glance = sum
	return same
}

// look reads the file and returns its rules if they are new and good. A file
// that is not there at this moment is being replaced, or is somebody's mistake:
// the old rules stay.
func (f *rulesFile) look(forced bool, log *slog.Logger) *mapping.RuleSet {
	src, err := os.ReadFile(f.path)
	if !f.settled(src, err) && !forced {
		return nil
	}
	if err != nil {
		f.latest = f.glance // once it is back it is compiled again
		f.refuse([]string{fmt.Sprintf("cannot read the rules: %v", err)}, log)
		return nil
	}
	if f.latest == f.glance && !forced && (f.retry.IsZero() || time.Now().Before(f.retry)) {
		return nil
	}
	rules, problems := f.compile(src)
	f.latest = f.sum(src, false) // it may name other files than before
	if problems.HasErrors() {
		var why []string
		for _, p := range errorsOf(problems) {
			why = append(why, p.String())
		}
		f.refuse(why, log)
		return nil
	}
	changes := impact.Changes(f.src, src, f.rules, rules)
	f.retry, f.src = time.Time{}, src
	f.mu.Lock()
	f.rules, f.state = rules, rulesInForce(f.path, src)
	f.mu.Unlock()
	log.Info("uses new rules", "file", f.path, "changes", changes)
	f.warn(problems, log)
	return rules
}

// warn logs the warnings that the rules before did not have, wherever those
// stood, and how many others there are.
func (f *rulesFile) warn(problems mapping.Problems, log *slog.Logger) {
	had := map[mapping.Problem]int{}
	for _, p := range f.warned {
		p.Line, p.Col = 0, 0
		had[p]++
	}
	same := 0
	for _, p := range problems {
		anywhere := p
		anywhere.Line, anywhere.Col = 0, 0
		if had[anywhere] > 0 {
			had[anywhere]--
			same++
			continue
		}
		log.Warn(p.String())
	}
	if same > 0 {
		log.Info("the rules have the warnings that they had before", "warnings", same, "remedy", "belfry check "+f.path+" lists them")
	}
	f.warned = problems
}

func (f *rulesFile) refuse(problems []string, log *slog.Logger) {
	f.retry = time.Now().Add(retryEvery)
	f.mu.Lock()
	defer f.mu.Unlock()
	if slices.Equal(f.state.Problems, problems) {
		return // said before
	}
	f.state.Problems = problems
	for _, p := range problems {
		log.Error("keeps the old rules: " + p)
	}
}
