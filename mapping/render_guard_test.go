package mapping_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belfry-bridge/belfry/mapping"
)

func TestADigestForSingleUsersIsNotRenderedForOthers(t *testing.T) {
	ids := make([]string, mapping.MaxUsers+1)
	for i := range ids {
		ids[i] = fmt.Sprint(i)
	}
	for _, c := range []struct {
		name, audience string
		users          []string
		want           string // empty: it is rendered
	}{
		{"where all are addressed", "", ids[:1], "its audience \"students\" is wider"},
		{"as many as a request may have", "users: event.data.users", ids[:mapping.MaxUsers], ""},
		{"one more", "users: event.data.users", ids, "1001 users are more than 1000"},
	} {
		v := viewOf("a")
		v.Users = c.users
		_, err := school{audience: c.audience}.compile(t).Render(v)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestAnEveryoneAudienceIsRenderedAsSuch(t *testing.T) {
	app := school{app: "everyone: true"}.with("package: com.example.student", "everyone: true").compile(t)
	got, err := app.Render(viewOf("a"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(mapping.RequestAudience{IsToAll: true}, got.Request.Audience); diff != "" {
		t.Error(diff)
	}
}

func TestARequestThatHasNoRoomEvenWhenAllIsCutIsRefused(t *testing.T) {
	v := viewOf("a")
	for i := range 500 {
		v.Users = append(v.Users, fmt.Sprint("user-", i))
	}
	app := school{app: "max_body_bytes: 1500", audience: "users: event.data.users"}.compile(t)
	refused := make(chan error, 1)
	go func() { _, err := app.Render(v); refused <- err }()
	select {
	case err := <-refused:
		if err == nil || !strings.Contains(err.Error(), "too long even with its content cut: it has no room in 1500 bytes") {
			t.Errorf("refused with %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it is cut without an end")
	}
}

func TestTheFaultOfATemplateNamesItsPlace(t *testing.T) {
	const faulty, content = `"{{ .Last.Data.room }}"`, `content: {content: "{{ range .Items }}[{{ .Text }}]{{ end }}"}`
	for place, change := range map[string][2]string{
		"content: content: ":     {content, `content: {content: ` + faulty + `}`},
		"content: cannot":        {content, `content: '{"content":{{ .Last.Data.room }}}'`},
		"title: ":                {"{alert: news}", `{alert: news, title: ` + faulty + `}`},
		"alert: ":                {"{alert: news}", `{alert: ` + faulty + `}`},
		"ios: extras: digest: ":  {"{alert: news}", `{alert: news, ios: {extras: {digest: ` + faulty + `}}}`},
		"extra_settings: beta: ": {"{alert: news}", `{alert: news, extra_settings: {beta: ` + faulty + `}}`},
	} {
		_, err := school{}.with(change[0], change[1]).compile(t).Render(viewOf("a"))
		if err == nil || !strings.Contains(err.Error(), `with template "changes": `+place) || !strings.Contains(err.Error(), `no field "room"`) {
			t.Errorf("%s%v", place, err)
		}
	}
}

func TestSettingsOfOnePlatformFromBothPlacesAreLaidTogether(t *testing.T) {
	app := school{}.with("{alert: news}", `
      alert: news
      ios: {badge: 1, extras: {digest: "{{ .ID }}", from: rules}}
      android: {fcm: {channelId: a}}
      extra_settings: {alert: other, ios: {alert: 5, extras: {from: elsewhere, beta: 1}}, android: {fcm: {priority: high}}}`).compile(t)
	got, err := app.Render(viewOf("a"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(got.Request.Notification)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"alert":"news","android":{"fcm":{"channelId":"a","priority":"high"}},"ios":{"alert":5,"badge":1,"extras":{"beta":1,"digest":"d1","from":"rules"}}}`
	if string(raw) != want {
		t.Errorf("notification = %s\nwant %s", raw, want)
	}
}

func TestLongTextsOfANotificationAreCutAndTold(t *testing.T) {
	const titles, others = `{alert: news, title: "{{ .Last.Text }}", ios: {title: "{{ .Last.Text }}"}}`, `{alert: "{{ .Last.Text }}", ios: {extras: {text: "{{ .Last.Text }}"}}}`
	for _, c := range []struct {
		notification string
		length       int
		cuts         []mapping.Cut
	}{
		{titles, 50, nil},
		{titles, 51, []mapping.Cut{{Field: "notification.ios.title", Was: 51, Limit: 50}, {Field: "notification.title", Was: 51, Limit: 50}}},
		{others, 4000, nil},
		{others, 4001, []mapping.Cut{{Field: "notification.ios.extras.text", Was: 4001, Limit: 4000}, {Field: "notification.alert", Was: 4001, Limit: 4000}}},
	} {
		got, err := school{}.with("{alert: news}", c.notification).compile(t).Render(viewOf(strings.Repeat("y", c.length)))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.cuts, got.Cuts); diff != "" {
			t.Errorf("%d characters in %s: %s", c.length, c.notification, diff)
		}
	}
}
