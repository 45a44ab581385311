package mapping_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/belfry-bridge/belfry/mapping"
)

var update = flag.Bool("update", false, "write golden files")

func noFiles(string) ([]byte, error) { return nil, errors.New("no such file") }

// Each file has one mistake of a tired operator, or two. What is said about
// it stands beside it.
func TestBadFilesAreExplained(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) < 60 {
		t.Fatalf("found %d bad files, err = %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			set, problems := mapping.Compile(filepath.Base(file), src, mapping.Options{LookupEnv: campusEnv(), ReadFile: noFiles})
			if len(problems) == 0 {
				t.Fatal("nothing was found")
			}
			if problems.HasErrors() != (set == nil) {
				t.Errorf("errors = %v, but rule set = %v", problems.HasErrors(), set)
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".txt"
			got := problems.Text()
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
