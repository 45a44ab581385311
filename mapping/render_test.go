package mapping_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/rivo/uniseg"
	"pgregory.net/rapid"

	"github.com/belfry-bridge/belfry/mapping"
)

func viewOf(texts ...string) mapping.View {
	now := time.Date(2026, 11, 2, 1, 0, 0, 0, time.UTC)
	v := mapping.View{ID: "d1", App: "campus", Audience: "students", Template: "changes", Count: len(texts), Now: now}
	for i, text := range texts {
		v.Items = append(v.Items, mapping.Item{Key: fmt.Sprint(i), Text: text, Data: json.RawMessage(`{"n":1234567,"f":0.5,"s":"x","none":null}`), Time: now, Priority: mapping.High})
	}
	v.First, v.Last = v.Items[0], v.Items[len(texts)-1]
	return v
}

func TestTemplatesSeeTheDigest(t *testing.T) {
	for _, c := range []struct{ name, template, want string }{
		{"the count in words", `{{ plural .Count "change" "changes" }}`, "2 changes"},
		{"one in words", `{{ plural 1 "change" "changes" }}`, "1 change"},
		{"a name used again in a loop", `{{ $x := .Last.Data }}{{ range .Items }}{{ $x := . }}{{ $x.Text }} {{ end }}{{ $x.s }}`, "a bb x"},
		{"a name that becomes something else", `{{ $x := .First }}{{ if true }}{{ $x = .Last.Data }}{{ end }}{{ $x.s }}`, "x"},
		{"items in order", `{{ range $i, $x := .Items }}{{ $i }}={{ $x.Text }} {{ end }}`, "0=a 1=bb "},
		{"first and last", `{{ .First.Text }}{{ .Last.Text }}`, "abb"},
		{"a large number as it was written", `{{ .Last.Data.n }} {{ .Last.Data.f }}`, "1234567 0.5"},
		{"null as nothing", `[{{ .Last.Data.none }}]{{ if .Last.Data.none }}x{{ end }}`, "[]"},
		{"a field that may be missing", `{{ get .Last.Data "room" "nowhere" }}`, "nowhere"},
		{"a fallback for what is empty", `{{ .Group | default "all" }}`, "all"},
		{"a time in the audience's zone", `{{ date "Mon 15:04" .Now }}`, "Mon 09:00"},
		{"a due date in the audience's zone", `{{ date "Mon 2 Jan 15:04" "2026-11-09" }}`, "Mon 9 Nov 00:00"},
		{"a time without seconds", `{{ date "15:04" "2026-11-02T09:30+09:00" }} {{ date "15:04" "2026-11-02 09:30" }}`, "08:30 09:30"},
		{"a field by its name", `{{ index .Last.Data "s" }}{{ (index .Items 1).Text }}`, "xbb"},
		{"a price, whole or not", `{{ printf "%.2f" 5 }} {{ printf "%.2f" .Last.Data.f }} {{ printf "%6.1f" .Last.Data.n }}`, "5.00 0.50 1234567.0"},
		{"numbers as whole, hexadecimal, padded", `{{ printf "%d %d %05d %x %t %v" 5 2.0 .Count 255 true .Last.Data.f }}`, "5 2 00002 ff true 0.5"},
		{"anything as text", `{{ printf "%s %q %-4s|%v%%" .Count .Last.Data.n "a" .Last.Data.s }}`, `2 "1234567" a   |x%`},
		{"operands by number", `{{ printf "%[2]s %[1]s" "a" "b" }}`, "b a"},
		{"numbers compare across types", `{{ if gt .Last.Data.n 0.5 }}yes{{ end }}{{ if eq .Count 2.0 }}!{{ end }}`, "yes!"},
		{"priorities are words", `{{ if eq .Last.Priority "high" }}{{ upper .Last.Priority }}{{ end }}`, "HIGH"},
		{"truncated text", `{{ truncate 3 "ab👨‍👩‍👧cd" }}`, "ab…"},
		{"JSON of data", `{{ json .Last.Data.s }}`, `"x"`},
		{"what was not kept", `{{ .More }}`, "0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			app := school{template: "keep: 3"}.withAlert(c.template).compile(t)
			got, err := app.Render(viewOf("a", "bb"))
			if err != nil {
				t.Fatal(err)
			}
			if alert := got.Request.Notification["alert"]; alert != c.want {
				t.Errorf("alert = %q, want %q", alert, c.want)
			}
		})
	}
}

// withAlert replaces the notification's alert.
func (s school) withAlert(template string) compiler {
	return s.with("{alert: news}", "{alert: '"+template+"'}")
}

type compiler struct{ src string }

func (s school) with(old, replacement string) compiler {
	return compiler{strings.Replace(s.source(), old, replacement, 1)}
}

func (c compiler) compile(t testing.TB) *mapping.App {
	t.Helper()
	return compileSource(t, c.src).Apps["campus"]
}

func TestTemplatesThatGoTooFarFail(t *testing.T) {
	for _, c := range []struct{ name, template, want string }{
		{"a loop without end", `{{ range 100000000 }}{{ end }}`, "the template goes through its loops too often"},
		{"text that doubles", `{{ $s := "xxxxxxxx" }}{{ range 60 }}{{ $s = print $s $s }}{{ end }}`, "the template's functions make too much text"},
		{"text that is looked at again and again", `{{ $s := printf "%999d" 1 }}{{ range 90000 }}{{ if eq (trim $s) "x" }}y{{ end }}{{ end }}`, "the template's functions look at too much text"},
		{"and compared", `{{ $s := printf "%999d" 1 }}{{ range 90000 }}{{ if lt $s $s }}y{{ end }}{{ end }}`, "the template's functions look at too much text"},
		{"and cut to nothing each time", `{{ $s := printf "%999d" 1 }}{{ range 90000 }}{{ $t := truncate 1 $s }}{{ end }}`, "the template's functions look at too much text"},
		{"and printed to nothing each time", `{{ $s := printf "%999d" 1 }}{{ range 90000 }}{{ $t := printf "%.0s" $s }}{{ end }}`, "the template's functions look at too much text"},
		{"a missing field", `{{ .Last.Data.room }}`, `cannot read .Last.Data.room: there is no field "room"`},
		{"a width of thousands", `{{ $f := "%9999d" }}{{ printf $f 1 }}`, "cannot print with a width of more than 999"},
		{"a place that is missing", `{{ index .Last.Data "room" }}`, `there is no field "room"`},
		{"a place in what is null", `{{ index .Last.Data "none" "room" }}`, `there is no field "room"`},
		{"a place in what is text", `{{ index .Last.Data "s" 0 }}`, `cannot look up the number 0 in the text "x"`},
		{"an element too far", `{{ (index .Items 2).Text }}`, "there is no element 2 in a list of 2"},
		{"a part of a number", `{{ printf "%d" .Last.Data.f }}`, "cannot print the number 0.5 with %d"},
		{"a text as a number", `{{ printf "%.2f" .Last.Data.s }}`, `cannot print the text "x" with %f`},
		{"more operands than a format wants", `{{ $f := "%d" }}{{ printf $f 1 2 }}`, `cannot print with "%d": it is for 1 operand, not 2`},
		{"a percent sign alone", `{{ $f := "100%" }}{{ printf $f }}`, "there is no %; write %%"},
		{"a number and a text compared", `{{ lt .Last.Data.n "1" }}`, `cannot compare the number 1234567 with the text "1"`},
		{"a text that is no time", `{{ date "15:04" .Last.Text }}`, `cannot read "bb" as a time`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := school{}.withAlert(c.template).compile(t).Render(viewOf("a", "bb"))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("err = %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestEndlessTextIsCutAndNotRefused(t *testing.T) {
	app := school{}.withAlert(`{{ range 90000 }}0123456789{{ end }}`).compile(t)
	got, err := app.Render(viewOf("a"))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(got.Request.Notification["alert"].(string)); n == 0 || n > 256<<10 {
		t.Errorf("alert of %d bytes", n)
	}
}

// Whatever the items say, the request stays within the provider's limits,
// its content stays a JSON document, and no character is torn apart.
func TestRenderedRequestsRespectTheLimits(t *testing.T) {
	app := school{}.with("{alert: news}", `{title: "{{ .Last.Text }}", alert: news}`).compile(t)
	rapid.Check(t, func(t *rapid.T) {
		piece := rapid.SampledFrom([]string{"a", "é", "👨‍👩‍👧", "\"", "\n", "<", "e\u0301", "漢", "\u0001", "🇸🇬"})
		texts := make([]string, rapid.IntRange(1, 20).Draw(t, "items"))
		for i := range texts {
			texts[i] = strings.Repeat(piece.Draw(t, "piece"), rapid.IntRange(0, 12_000).Draw(t, "length"))
		}
		got, err := app.Render(viewOf(texts...))
		if err != nil {
			t.Fatal(err)
		}
		body, err := got.Request.Body()
		if err != nil || len(body) > mapping.MaxBody {
			t.Fatalf("body of %d bytes, err = %v", len(body), err)
		}
		var content struct{ Content string }
		if err := json.Unmarshal([]byte(got.Request.Message.Content), &content); err != nil || len(got.Request.Message.Content) > mapping.MaxContent {
			t.Fatalf("content of %d bytes, err = %v", len(got.Request.Message.Content), err)
		}
		whole := ""
		for _, s := range texts {
			whole += "[" + s + "]"
		}
		if !isCutOf(content.Content, whole) {
			t.Fatalf("%.80q is no beginning of %.80q", content.Content, whole)
		}
		title := got.Request.Notification["title"].(string)
		if utf8.RuneCountInString(title) > mapping.MaxTitle || !isCutOf(title, texts[len(texts)-1]) {
			t.Fatalf("title = %q", title)
		}
		if cut := content.Content != whole || title != texts[len(texts)-1]; cut != (len(got.Cuts) > 0) {
			t.Fatalf("cut = %v, reported %v", cut, got.Cuts)
		}
	})
}

// isCutOf reports whether s is whole, or its beginning with an ellipsis, cut
// between two characters as people see them.
func isCutOf(s, whole string) bool {
	if s == whole {
		return true
	}
	begin, cut := strings.CutSuffix(s, "…")
	if !cut || !strings.HasPrefix(whole, begin) {
		return false
	}
	return uniseg.GraphemeClusterCount(begin)+uniseg.GraphemeClusterCount(whole[len(begin):]) == uniseg.GraphemeClusterCount(whole)
}

func TestNotificationsNameOnlyTheAudiencesPlatforms(t *testing.T) {
	app := school{audience: "platforms: [harmonyos, ios]"}.with("{alert: news}", `
      alert: news
      force_show: true
      ios: {badge: 1, extras: {digest: "{{ .ID }}"}}
      android: {hw: {channelId: x}}
      extra_settings: {ios: {new: true}, beta: [1, "{{ .Count }}"]}`).compile(t)
	got, err := app.Render(viewOf("a"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(got.Request.Notification)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"alert":"news","beta":[1,"1"],"forceShowPushContent":1,"ios":{"badge":1,"extras":{"digest":"d1"},"new":true}}`
	if string(raw) != want {
		t.Errorf("notification = %s\nwant %s", raw, want)
	}
	if diff := cmp.Diff([]string{"harmonyOS", "ios"}, got.Request.Platform); diff != "" {
		t.Error(diff)
	}
}

func TestSettingsAreOfTheTypeThatTheProviderWants(t *testing.T) {
	app := school{}.with("{alert: news}", `
      alert: news
      ios: {title: 5, badge: "{{ .Count }}", contentAvailable: "1", category: true, extras: {n: 7, b: true, badge: gold, contentAvailable: "1", notify_level: 1.5}}
      android: {hw: {channelId: 05}, oppo: {notify_level: "2"}, vivo: {classification: 1}}`).compile(t)
	got, err := app.Render(viewOf("a", "b"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(got.Request.Notification)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"alert":"news","android":{"hw":{"channelId":"05"},"oppo":{"notify_level":2},"vivo":{"classification":"1"}},` +
		`"ios":{"badge":2,"category":"true","contentAvailable":1,"extras":{"b":"true","badge":"gold","contentAvailable":"1","n":"7","notify_level":"1.5"},"title":"5"}}`
	if string(raw) != want {
		t.Errorf("notification = %s\nwant %s", raw, want)
	}
	for badge, want := range map[string]any{"{{ len .Items }}2345": json.RawMessage("9999"), "{{ if gt .Count 5 }}1{{ end }}": nil, "99999999999999999999{{ .Count }}": json.RawMessage("9999")} {
		got, err := school{}.with("{alert: news}", `{alert: news, ios: {title: x, badge: "`+badge+`"}}`).compile(t).Render(viewOf("a"))
		if err != nil {
			t.Fatalf("%s: %v", badge, err)
		}
		ios, _ := got.Request.Notification["ios"].(map[string]any)
		if diff := cmp.Diff(want, ios["badge"]); diff != "" || ios["title"] != "x" {
			t.Errorf("%s: %v %s", badge, ios, diff)
		}
	}
	for _, badge := range []string{"{{ .Last.Text }}", "{{ .Last.Data.f }}"} {
		app := school{}.with("{alert: news}", `{alert: news, ios: {badge: "`+badge+`"}}`).compile(t)
		if _, err := app.Render(viewOf("a")); err == nil || !strings.Contains(err.Error(), "badge: cannot use") {
			t.Errorf("%s: %v", badge, err)
		}
	}
}

func TestNoTextIsEmptiedWhileAnotherIsLong(t *testing.T) {
	app := school{}.with(`{content: "{{ range .Items }}[{{ .Text }}]{{ end }}"}`, `{content: "{{ range 28 }}{{ $.Last.Text }}{{ end }}", extra: "{{ range 27 }}{{ $.Last.Text }}{{ end }}"}`).compile(t)
	got, err := app.Render(viewOf(strings.Repeat("y", 4000)))
	if err != nil {
		t.Fatal(err)
	}
	var content struct{ Content, Extra string }
	if err := json.Unmarshal([]byte(got.Request.Message.Content), &content); err != nil {
		t.Fatal(err)
	}
	if len(content.Content) < 30_000 || len(content.Extra) < 30_000 {
		t.Errorf("content of %d and extra of %d bytes are left", len(content.Content), len(content.Extra))
	}
}

func TestUserAudiencesSendToTheirUsersOnly(t *testing.T) {
	app := school{audience: "users: event.data.users"}.compile(t)
	v := viewOf("a")
	v.Users = []string{"u1", "u2"}
	got, err := app.Render(v)
	if err != nil {
		t.Fatal(err)
	}
	want := mapping.RequestAudience{UserID: v.Users, PackageName: "com.example.student"}
	if diff := cmp.Diff(want, got.Request.Audience); diff != "" {
		t.Error(diff)
	}
	v.Users = nil
	if _, err := app.Render(v); err == nil {
		t.Error("a user audience without users was rendered: it would reach everyone with the package")
	}
}

func TestRenderingFailsWhenANameIsGone(t *testing.T) {
	app := school{}.compile(t)
	for _, change := range []func(*mapping.View){
		func(v *mapping.View) { v.Audience = "teachers" },
		func(v *mapping.View) { v.Template = "old" },
	} {
		v := viewOf("a")
		change(&v)
		if _, err := app.Render(v); err == nil {
			t.Errorf("rendered %+v", v)
		}
	}
}
func TestWhatWouldAddressNobodyInParticularIsNotRendered(t *testing.T) {
	app := school{}.compile(t)
	app.Audiences["students"].Package = ""
	if _, err := app.Render(viewOf("a")); err == nil || !strings.Contains(err.Error(), "names nobody") {
		t.Errorf("rendered, or refused with %v", err)
	}
}

func TestTheTitleStandsInForAnAlertThatComesOutEmpty(t *testing.T) {
	for _, c := range []struct{ name, notification, alert string }{
		{"of all platforms", `{title: T, alert: "{{ .Last.Text }}"}`, "T"},
		{"of one platform, which has the common one", `{alert: A, ios: {alert: "{{ .Last.Text }}"}}`, "A"},
		{"of one platform, without a common one", `{title: T, ios: {alert: "{{ .Last.Text }}"}, android: {alert: A}}`, "T"},
		{"of none", `{title: T, ios: {alert: A}, android: {alert: A}}`, ""},
		{"without a title", `{alert: "{{ .Last.Text }} "}`, "cannot"},
		{"with a title of the platforms' own", `{alert: "{{ .Last.Text }}", ios: {title: T}, android: {alert: A}}`, ""},
		{"that is null", `{title: T, ios: {alert: "{{ .Last.Text }}"}, android: {alert: A}, extra_settings: {alert: null}}`, "T"},
		{"of one platform that is null", `{alert: A, extra_settings: {ios: {alert: null}}}`, "A"},
		{"that are numbers", `{ios: {alert: 2026}, android: {alert: true}}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := school{}.with("{alert: news}", c.notification).compile(t).Render(viewOf("some", ""))
			if c.alert == "cannot" {
				if err == nil || !strings.Contains(err.Error(), "it comes out empty, and so does the title") {
					t.Errorf("rendered with %v, or refused with %v", got.Request.Notification, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			n := got.Request.Notification
			if alert, _ := n["alert"].(string); alert != c.alert {
				t.Errorf("alert %q, want %q", alert, c.alert)
			}
			own, _ := n["ios"].(map[string]any)
			if c.alert == "" && own["alert"] == nil {
				t.Errorf("there is no alert for ios: %v", n)
			}
			if c.alert != "" && own["alert"] != nil {
				t.Errorf("an empty alert is left: %v", n)
			}
		})
	}
}

func TestAnItemsTextThatIsCutIsTold(t *testing.T) {
	app := school{rule: `item: "{{ .data.x }}"`}.compile(t)
	d := app.Map(&mapping.Message{Subject: "school.x", Stream: "S", Sequence: 1, Data: []byte(`{"x":"` + strings.Repeat("y", 5000) + `"}`)})
	v := viewOf("a")
	v.Items = append(v.Items, d.Matches[0].Item)
	got, err := app.Render(v)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]mapping.Cut{{Field: "item", Was: 5000, Limit: 4096}}, got.Cuts); diff != "" {
		t.Error(diff)
	}
}

func TestSlotsWithinQuietHoursAreWarnedOf(t *testing.T) {
	for slot, warned := range map[string]bool{"23:00": true, "06:59": true, "07:00": false, "12:00": false} {
		s := school{audience: `quiet_hours: "22:00-07:00"`}.with("    packages: [com.example.student]", `    packages: [com.example.student]
    quota: {policy: slots, slots: ["`+slot+`"], timezone: Asia/Singapore}`)
		_, problems := compileText(s.src)
		if got := strings.Contains(problems.Text(), `all slots of "campus" lie in the quiet hours of "students"`); problems.HasErrors() || got != warned {
			t.Errorf("%s: %s", slot, problems.Text())
		}
	}
	for quietFor, warned := range map[string]bool{"all": true, "not-urgent": false} { // urgent items pass, at a slot too
		s := school{audience: "quiet_hours: \"22:00-07:00\"\nquiet_for: " + quietFor, rule: "priority: urgent"}.with("    packages: [com.example.student]", `    packages: [com.example.student]
    quota: {policy: slots, slots: ["23:00"], urgent_at_once: false, timezone: Asia/Singapore}`)
		_, problems := compileText(s.src)
		if got := strings.Contains(problems.Text(), "lie in the quiet hours"); problems.HasErrors() || got != warned {
			t.Errorf("%s: %s", quietFor, problems.Text())
		}
	}
}

func TestAnExpressionInPlaceOfATemplateIsWarnedOf(t *testing.T) {
	for item, want := range map[string]string{
		"event.data.course":                    `the item of "one" says "event.data.course" to everybody; an item is a template: write "{{ .data.course }}"`,
		"nats.subject":                         `write "{{ .nats.subject }}"`,
		`'{{ .event.data }}'`:                  "the event is the dot itself here",
		"event. A concert":                     "",
		`'for ${event.data.name}'`:             `says this as it is to everybody; an item is a template: write "{{ .data.room }}"`,
		`'for {event.data.name}'`:              "says this as it is",
		`'{% if x %}'`:                         "says this as it is",
		`'costs {{ .data.price }}$, {event}'`:  "",
		`'costs ${{ .data.price }}'`:           "",
		`'{{ printf "${%s}{%%" .data.name }}'`: "",
	} {
		_, problems := compileText(school{rule: "item: " + item}.source())
		if problems.HasErrors() || !strings.Contains(problems.Text(), want) || want == "" && strings.Contains(problems.Text(), "everybody") {
			t.Errorf("%s: want %q in\n%s", item, want, problems.Text())
		}
	}
}

func TestARuleWithoutItemsTextIsWarnedOf(t *testing.T) {
	for alert, want := range map[string]bool{"{{ .Last.Text }}": true, "{{ .Count }} {{ .Last.Text }}": false, "{{ .Last.Data.x }}": false, "{{ .Group }}": false, "{{ .Last.Rule }}": false} {
		_, problems := compileText(school{}.withAlert(alert).src)
		if got := strings.Contains(problems.Text(), `so that the alert of "changes" is empty`); got != want {
			t.Errorf("alert %s: warned %v, want %v: %s", alert, got, want, problems.Text())
		}
	}
}

func TestASmallRequestCutsMoreThanItsContent(t *testing.T) {
	app := school{app: "max_body_bytes: 1500"}.withAlert("{{ .Last.Text }}").compile(t)
	got, err := app.Render(viewOf(strings.Repeat("long ", 2000)))
	if err != nil {
		t.Fatal(err)
	}
	body, err := got.Request.Body()
	if err != nil || len(body) > 1500 {
		t.Errorf("%d bytes, %v", len(body), err)
	}
	if alert, _ := got.Request.Notification["alert"].(string); len(alert) < 100 || !strings.HasSuffix(alert, "…") || len(got.Cuts) == 0 {
		t.Errorf("alert of %d bytes, cuts %v", len(alert), got.Cuts)
	}
}

func TestWhatMayBeEmptyInAMessageIsNoReasonNotToSend(t *testing.T) {
	for messageType, content := range map[string]string{
		"RC:CmdMsg": `{name: refresh, data: ""}`, "RC:ImgMsg": `{content: "", imageUri: "https://example.com/a.png"}`,
	} {
		c := school{}.with(`{content: "{{ range .Items }}[{{ .Text }}]{{ end }}"}`, content)
		c.src = strings.Replace(c.src, "RC:TxtMsg", messageType, 1)
		if _, err := c.compile(t).Render(viewOf("", "x")); err != nil {
			t.Errorf("%s: %v", messageType, err)
		}
	}
}

func TestAMessageWhoseContentComesOutEmptyIsNotSent(t *testing.T) {
	app := school{}.with(`{content: "{{ range .Items }}[{{ .Text }}]{{ end }}"}`, `{content: "{{ range .Items }}{{ .Text }}{{ end }}"}`).compile(t)
	if _, err := app.Render(viewOf("", "")); err == nil || !strings.Contains(err.Error(), "content of RC:TxtMsg comes out empty") {
		t.Errorf("rendered, or refused with %v", err)
	}
	if _, err := app.Render(viewOf("", "x")); err != nil {
		t.Error(err)
	}
}
