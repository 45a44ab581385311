package mapping_test

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestFunctionsOfTemplates(t *testing.T) {
	const data = `{"list":["a",2,null],"long":123456789012345678901,"longer":123456789012345678902,"f":0.5,"exp":1e3,"yes":true,"no":false,"s":"x","sec":1793581200,"milli":1793581200500,"o":{"k":1}}`
	for _, c := range []struct{ template, want string }{
		{`{{ ne 1 2 }} {{ ne 1 1.0 }} {{ eq "a" "b" "a" }} {{ eq 1 2 3 }}`, "true false true false"},
		{`{{ lt 1 2 }} {{ lt 2 2 }} {{ le 2 2 }} {{ le 3 2 }}`, "true false true false"},
		{`{{ gt 2 1 }} {{ gt 2 2 }} {{ ge 2 2 }} {{ ge 1 2 }}`, "true false true false"},
		{`{{ lt "a" "b" }} {{ ge "a" "b" }} {{ le .First.Time .Last.Time }} {{ lt .First.Time .Last.Time }}`, "true false true false"},
		{`{{ lt .D.long .D.longer }} {{ eq .D.long .D.longer }} {{ eq .D.long .D.long }}`, "true false true"},
		{`{{ eq .D.yes true }} {{ eq .D.no true }} {{ eq .D.o .D.o }}`, "true false true"},
		{`{{ join ", " .D.list }}`, "a, 2, "},
		{`{{ .D.long }} {{ .D.exp }} {{ .D.f }} {{ .D.yes }} {{ .D.no }}`, "123456789012345678901 1000 0.5 true false"},
		{`{{ json .D.list }} {{ json .D.long }} {{ json .D.o }}`, `["a",2,null] 123456789012345678901 {"k":1}`},
		{`{{ index .D.list 0 }} {{ index .D.list 1.0 }} {{ index .D "o" "k" }}`, "a 2 1"},
		{`{{ date "2 Jan 15:04:05" .D.sec }} {{ date "15:04:05.0" .D.milli }}`, "2 Nov 09:00:00 09:00:00.5"},
		{`{{ plural 1.0 "a" "b" }} {{ plural 0.5 "a" "b" }} {{ plural 0 "a" "b" }}`, "1 a 0.5 b 0 b"},
		{`{{ trim " x " }}{{ upper "a" }}{{ lower "B" }}{{ print "a" 1 }}{{ println "c" }}`, "xAba1c\n"},
		{`{{ printf "%c%U %b %o %X %e %g" 233 233 5 8 255 0.5 0.5 }}`, "éU+00E9 101 10 FF 5.000000e-01 0.5"},
		{`{{ printf "%d" .D.long }} {{ printf "%.1f" .D.long }} {{ printf "%t" .D.yes }}`, "123456789012345678901 123456789012345683968.0 true"},
		{`{{ get .D "s" }} {{ get .D "gone" "else" }}[{{ get .D "gone" }}]`, "x else[]"},
		{`{{ .D.no | default "none" }} {{ .D.s | default "none" }}`, "none x"},
		{`{{ truncate 1 "ab" }} {{ truncate 2 "ab" }}`, "… ab"},
	} {
		v := viewOf("a", "bb")
		v.Last.Data, v.First.Time = json.RawMessage(data), v.Last.Time
		got, err := school{}.withAlert(strings.ReplaceAll(c.template, ".D", ".Last.Data")).compile(t).Render(v)
		if err != nil {
			t.Errorf("%s: %v", c.template, err)
			continue
		}
		if alert := got.Request.Notification["alert"]; alert != c.want {
			t.Errorf("%s: %q, want %q", c.template, alert, c.want)
		}
	}
}

func TestFunctionsRefuseWhatTheyCannotUse(t *testing.T) {
	for _, c := range []struct{ template, want string }{
		{`{{ $x := .D.s }}{{ plural $x "a" "b" }}`, `cannot count with "x"`},
		{`{{ $n := 0 }}{{ truncate $n "a" }}`, "want a length of at least 1"},
		{`{{ truncate .D.s "a" }}`, "want a length of at least 1"},
		{`{{ join ", " .D.s }}`, "want a separator first, then a list"},
		{`{{ get .D.s "x" }}`, `cannot get "x" from the text "x"`},
		{`{{ index .D.list 3 }}`, "no element 3 in a list of 3"},
		{`{{ index .D.list -1 }}`, "no element -1"},
		{`{{ index .D.list 0.5 }}`, "cannot look up the number 0.5 in a list"},
		{`{{ index .D.list "k" }}`, `cannot look up the text "k" in a list`},
		{`{{ lt .D.o 1 }}`, "cannot compare an object with the number 1"},
		{`{{ lt "a" 1 }}`, `cannot compare the text "a" with the number 1`},
		{`{{ printf "%c" .D.f }}`, "cannot print the number 0.5 with %c"},
		{`{{ printf "%t" .D.s }}`, `cannot print the text "x" with %t`},
		{`{{ $f := "%.9999f" }}{{ printf $f 1.5 }}`, "a width of more than 999"},
		{`{{ $f := "%y" }}{{ printf $f 1 }}`, "there is no %y"},
	} {
		v := viewOf("a", "bb")
		v.Last.Data = json.RawMessage(`{"list":["a",2,null],"s":"x","f":0.5,"o":{}}`)
		_, err := school{}.withAlert(strings.ReplaceAll(c.template, ".D", ".Last.Data")).compile(t).Render(v)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.template, err, c.want)
		}
	}
}
