package sandbox_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/belfry-bridge/belfry/internal/sandbox"
)

func guide(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/sandbox.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Each sample of the guide says in a comment above it what comes of it.
func TestTheSamplesOfTheGuideDoWhatTheGuideSays(t *testing.T) {
	samples := regexp.MustCompile("(?s)<!-- (script|body): ([^>]*) -->\n```json\n(.*?)```").FindAllStringSubmatch(guide(t), -1)
	if all := strings.Count(guide(t), "```json"); len(samples) != all-1 || all < 8 { // one is of switches
		t.Fatalf("%d of %d samples say what comes of them", len(samples), all)
	}
	for i, s := range samples {
		kind, want, text := s[1], s[2], s[3]
		t.Run(fmt.Sprintf("%s %d: %s", kind, i+1, want), func(t *testing.T) {
			w := newWorld(t, sandbox.Config{})
			body := goodBody
			if kind == "body" {
				body = text
			} else if got := w.postScript(t, text); got.status != http.StatusOK {
				t.Fatalf("the script is refused: %s", got.text)
			}
			answer := answerOrDrop(t, w, body)
			if got := fmt.Sprintf("%s, sent %d", answer, len(w.Broadcasts())); got != want {
				t.Errorf("it came to %q", got)
			}
		})
	}
}

func TestTheSwitchesOfTheGuideCanBeRead(t *testing.T) {
	m := regexp.MustCompile("(?s)<!-- switches -->\n```json\n(.*?)```").FindStringSubmatch(guide(t))
	if m == nil {
		t.Fatal("the guide shows no file of switches")
	}
	cfg, err := sandbox.ReadConfig(strings.NewReader(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	s, err := sandbox.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func answerOrDrop(t *testing.T, w *world, body string) (answer string) {
	t.Helper()
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler: // what a dropped connection is inside a handler
			answer = "dropped"
		default:
			panic(p)
		}
	}()
	rec := httptest.NewRecorder()
	w.Handler().ServeHTTP(rec, w.request(sandbox.SendPath, body, nil))
	code := 0
	if m := regexp.MustCompile(`"code":(\d+)`).FindStringSubmatch(rec.Body.String()); m != nil {
		_, _ = fmt.Sscan(m[1], &code)
	}
	return fmt.Sprintf("%d %d", rec.Code, code)
}

func TestTheGuideNamesEverySwitchStepAndEndpoint(t *testing.T) {
	text := guide(t)
	for _, typ := range []reflect.Type{reflect.TypeFor[sandbox.Config](), reflect.TypeFor[sandbox.Quota]()} {
		for i := range typ.NumField() {
			if name := typ.Field(i).Name; !strings.Contains(text, "\n| `"+name+"` |") {
				t.Errorf("%s.%s has no row", typ.Name(), name)
			}
		}
	}
	step := reflect.TypeFor[sandbox.Step]()
	for i := range step.NumField() {
		key, _, _ := strings.Cut(step.Field(i).Tag.Get("json"), ",")
		if !strings.Contains(text, "\n| `"+key+"` |") {
			t.Errorf("step key %s has no row", key)
		}
	}
	for _, form := range sandbox.BodyForms() {
		if !strings.Contains(text, "`"+form+"`") {
			t.Errorf("body form %s is not named", form)
		}
	}
}
