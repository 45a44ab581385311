package mapping

import (
	"encoding/json"
	"reflect"
	"strconv"

	"github.com/belfry-bridge/belfry/internal/spelling"
	"github.com/belfry-bridge/belfry/internal/strictyaml"
)

// The types of this file are the rules file as it stands: what keys there are
// and what each may hold. Both the strict decoder and the JSON Schema are
// driven by their tags (see strictyaml.Decoder).

type document struct {
	strictyaml.Mark
	Version   strictyaml.Integer            `yaml:"version" need:"true" enum:"1" doc:"Version of the language. Always 1."`
	Apps      strictyaml.Named[appDoc]      `yaml:"apps" need:"true" names:"true" doc:"Provider App Keys by name. Each owns a quota."`
	Sources   strictyaml.Named[sourceDoc]   `yaml:"sources" names:"true" doc:"Streams that events are read from, by name. Without it every stream that has a rule's subject is found by the server."`
	Audiences strictyaml.Named[audienceDoc] `yaml:"audiences" names:"true" doc:"Who receives, by name."`
	Templates strictyaml.Named[templateDoc] `yaml:"templates" names:"true" doc:"What is said, and how long to gather before saying it, by name."`
	Rules     []ruleDoc                     `yaml:"rules" need:"true" doc:"Which events matter to whom. Every rule that matches counts."`
}

type appDoc struct {
	strictyaml.Mark
	AppKey        strictyaml.Text    `yaml:"app_key" need:"true" doc:"The App Key. Usually ${NAME}, from the environment."`
	AppSecret     strictyaml.Text    `yaml:"app_secret" doc:"The App Secret, from the environment: ${NAME}."`
	AppSecretFile strictyaml.Text    `yaml:"app_secret_file" doc:"A file with one line, the App Secret."`
	Region        strictyaml.Text    `yaml:"region" enum:"singapore|north-america|saudi-arabia" doc:"The provider's data centre."`
	BaseURLs      []strictyaml.Text  `yaml:"base_urls" doc:"Instead of region: the primary host and a backup."`
	Sender        strictyaml.Text    `yaml:"sender" need:"true" shape:"^[A-Za-z0-9_-]{1,64}$" doc:"fromUserId: letters, digits, - and _, at most 64. Must have obtained an access token once."`
	Packages      []strictyaml.Text  `yaml:"packages" need:"true" doc:"The only package names that can be addressed."`
	Everyone      strictyaml.Flag    `yaml:"everyone" doc:"Whether isToAll may be used. Also needs everyone on the audience."`
	MaxBody       strictyaml.Integer `yaml:"max_body_bytes" doc:"Longest request body. Content is cut to fit. Default: 100000."`
	Quota         quotaDoc           `yaml:"quota" doc:"The share of sends, and how to spend it."`
}

type quotaDoc struct {
	strictyaml.Mark
	PerHour       strictyaml.Integer                   `yaml:"per_hour" doc:"Sends per hour. Default: 2, the provider's limit."`
	PerDay        strictyaml.Integer                   `yaml:"per_day" doc:"Sends per day. Default: 3, the provider's limit."`
	Timezone      strictyaml.Text                      `yaml:"timezone" doc:"Zone of the provider's calendar day, such as Asia/Singapore. Unset: any 25 hours."`
	Policy        strictyaml.Text                      `yaml:"policy" enum:"price|asap|slots" doc:"How the moment of a send is chosen. Default: price."`
	Slots         []strictyaml.Text                    `yaml:"slots" pattern:"^([01][0-9]|2[0-3]):[0-5][0-9]$" doc:"Times of day such as 09:00, with policy slots."`
	Reserve       strictyaml.Named[strictyaml.Integer] `yaml:"reserve" keys:"low|normal|high|urgent" doc:"Sends of a day that only this priority and above may use."`
	Worth         strictyaml.Named[decimal]            `yaml:"worth" keys:"low|normal|high|urgent" doc:"What one item is worth, by priority. Default: low 1, normal 3, high 10, urgent 30."`
	CountRejected strictyaml.Flag                      `yaml:"count_rejected" doc:"Whether calls that the provider refused count against the quota. Default: true."`
	UrgentAtOnce  strictyaml.Flag                      `yaml:"urgent_at_once" doc:"Whether an urgent digest goes as soon as a send is left. Default: true."`
}

type sourceDoc struct {
	strictyaml.Mark
	Stream strictyaml.Text `yaml:"stream" need:"true" doc:"Name of the JetStream stream."`
	Start  strictyaml.Text `yaml:"start" pattern:"^(new|all|[0-9]{4}-[0-9]{2}-[0-9]{2}T.*)$" doc:"Where to begin when there is no checkpoint yet: new, all, or a time such as 2026-11-01T00:00:00Z. Default: new."`
}

type audienceDoc struct {
	strictyaml.Mark
	App        strictyaml.Text   `yaml:"app" need:"true" doc:"Name of the app that sends."`
	Package    strictyaml.Text   `yaml:"package" doc:"Package name, one of the app's packages."`
	Platforms  []strictyaml.Text `yaml:"platforms" enum:"ios|android|harmonyos" doc:"Default: ios and android."`
	Tags       tagsDoc           `yaml:"tags" doc:"Only users with these tags."`
	Users      strictyaml.Code   `yaml:"users" doc:"CEL: a list of user ids. The digest gathers them, at most 1000."`
	Everyone   strictyaml.Flag   `yaml:"everyone" doc:"isToAll: everyone, whatever the package. Also needs everyone on the app."`
	Timezone   strictyaml.Text   `yaml:"timezone" doc:"Zone of quiet hours and of date in templates. Default: UTC."`
	QuietHours strictyaml.Text   `yaml:"quiet_hours" pattern:"^ *([01][0-9]|2[0-3]):[0-5][0-9] *- *([01][0-9]|2[0-3]):[0-5][0-9] *$" doc:"A stretch of the day such as 22:00-07:00 in which nothing is sent."`
	QuietFor   strictyaml.Text   `yaml:"quiet_for" enum:"all|not-urgent" doc:"Whom quiet hours hold back. Default: not-urgent, urgent items pass."`
}

type tagsDoc struct {
	strictyaml.Mark
	All []strictyaml.Text `yaml:"all" most:"20" empty:"true" doc:"A user needs every one of these tags. At most 20."`
	Any []strictyaml.Text `yaml:"any" most:"20" empty:"true" doc:"A user needs one of these tags. At most 20."`
}

type gatherDoc struct {
	strictyaml.Mark
	Idle     span               `yaml:"idle" doc:"The window closes when nothing arrived for this long."`
	AtMost   span               `yaml:"at_most" doc:"The window closes this long after the first item, at the latest. Default: 15m."`
	MaxItems strictyaml.Integer `yaml:"max_items" doc:"The window closes at once with this many items."`
}

type templateDoc struct {
	strictyaml.Mark
	Gather       gatherDoc          `yaml:"gather" doc:"The gathering window."`
	Keep         strictyaml.Integer `yaml:"keep" from:"1" to:"200" doc:"How many items keep their text and data, 1 to 200. All are counted. Default: 20."`
	ExpiresAfter span               `yaml:"expires_after" doc:"An item is worth nothing this long after it arrived. Default: 6h."`
	GroupBy      strictyaml.Code    `yaml:"group_by" doc:"CEL: one digest for each value."`
	Message      messageDoc         `yaml:"message" need:"true" doc:"What appears in the system channel."`
	Notification notificationDoc    `yaml:"notification" need:"true" doc:"What the phone shows."`
	WhenInDoubt  strictyaml.Text    `yaml:"when_in_doubt" enum:"hold|assume_sent" doc:"What becomes of a broadcast of which nobody knows whether it was sent. Default: hold."`
}

type messageDoc struct {
	strictyaml.Mark
	Type                 strictyaml.Text `yaml:"type" need:"true" usual:"RC:TxtMsg|RC:InfoNtf|RC:CmdMsg|RC:ImgMsg|RC:ImgTextMsg|RC:FileMsg" doc:"One of the provider's, or a type of your own: at most 32 characters, not starting with RC:."`
	Content              strictyaml.Tree `yaml:"content" need:"true" kind:"map|text" doc:"A map is rendered and sent as JSON; a string is rendered and sent as it is."`
	DisableUpdateLastMsg strictyaml.Flag `yaml:"disable_update_last_msg" doc:"Do not show this as the channel's last message."`
}

type notificationDoc struct {
	strictyaml.Mark
	Title     strictyaml.Code         `yaml:"title" doc:"Template. At most 50 characters; longer text is cut."`
	Alert     strictyaml.Code         `yaml:"alert" doc:"Template. The push text."`
	ForceShow strictyaml.Flag         `yaml:"force_show" doc:"Show the text even where the user hid details."`
	IOS       platformDoc[iosDoc]     `yaml:"ios" doc:"Settings for iOS."`
	Android   platformDoc[androidDoc] `yaml:"android" doc:"Settings for Android, by vendor."`
	HarmonyOS platformDoc[harmonyDoc] `yaml:"harmonyos" doc:"Settings for HarmonyOS."`
	Extra     strictyaml.Tree         `yaml:"extra_settings" kind:"map" doc:"Settings that are passed on unchecked, merged into the notification."`
}

type ruleDoc struct {
	strictyaml.Mark
	Name         strictyaml.Text   `yaml:"name" need:"true" shape:"^[A-Za-z0-9_-]{1,64}$" doc:"Unique name: letters, digits, - and _."`
	On           []strictyaml.Text `yaml:"on,one" need:"true" shape:"^[^ .]+([.][^ .]+)*$" doc:"NATS subjects; * stands for one token, > for the rest."`
	When         strictyaml.Code   `yaml:"when" doc:"CEL: whether the rule matches. Default: always."`
	Audience     strictyaml.Text   `yaml:"audience" doc:"Who receives."`
	Template     strictyaml.Text   `yaml:"template" doc:"What is said."`
	Key          strictyaml.Code   `yaml:"key" doc:"CEL: items with the same key replace each other. Default: the event's id."`
	Item         strictyaml.Code   `yaml:"item" doc:"Template: the item's text, from the event."`
	With         withDoc           `yaml:"with" doc:"What templates see as .Data: CEL, or names and their CEL expressions. Default: event.data. At most 8 KiB."`
	GroupBy      strictyaml.Code   `yaml:"group_by" doc:"CEL: one digest for each value. Overrides the template's."`
	Priority     strictyaml.Text   `yaml:"priority" enum:"low|normal|high|urgent" doc:"Default: normal."`
	Gather       gatherDoc         `yaml:"gather" doc:"Overrides the template's window for this rule's items."`
	ExpiresAfter span              `yaml:"expires_after" doc:"Overrides the template's."`
	Cancels      []strictyaml.Text `yaml:"cancels,one" doc:"Names of rules whose pending items with the same key are removed."`
	OnError      strictyaml.Text   `yaml:"on_error" enum:"skip|deadletter" doc:"What to do with an event on which an expression fails. Default: skip."`
	Examples     []strictyaml.Tree `yaml:"examples" doc:"Event data that the rule is meant for. check renders them."`
}

// A rule that cancels makes no item; every other needs to know for whom and as what.
func (*ruleDoc) Schema(reflect.StructTag) strictyaml.Schema {
	type plain ruleDoc // without this method
	s := strictyaml.SchemaOf(reflect.TypeFor[plain](), "")
	s["if"] = strictyaml.Schema{"required": []string{"cancels"}}
	s["then"] = strictyaml.Schema{"required": []string{"key"}}
	s["else"] = strictyaml.Schema{"required": []string{"audience", "template"}}
	return s
}

// MaxWorth is the most that one item may be worth: sums of it stay numbers.
const MaxWorth = 1e6

// decimal is a number from 0 to MaxWorth.
type decimal struct {
	strictyaml.Mark
	F float64
}

func (v *decimal) Decode(d *strictyaml.Decoder, n *strictyaml.Node, name string) {
	if !d.WantSingle(n, name) {
		return
	}
	text, _ := d.Expand(n.Scalar)
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !(f >= 0 && f <= MaxWorth) { // NaN is neither
		d.Errorf(n.At, "cannot use %q as %s: want a number from 0 to %d", n.Scalar.Text, name, int(MaxWorth))
		return
	}
	*v = decimal{strictyaml.Mark{At: n.At, Set: true}, f}
}

func (*decimal) Schema(reflect.StructTag) strictyaml.Schema {
	return strictyaml.AnyOf(strictyaml.Schema{"type": "number", "minimum": 0, "maximum": MaxWorth}, strictyaml.Schema{"type": "string", "pattern": `^[0-9.eE+]+$|\$\{`})
}

// withDoc is what templates see as .Data: one expression, or one for each name.
type withDoc struct {
	whole strictyaml.Code
	names strictyaml.Named[strictyaml.Code]
}

func (w *withDoc) Decode(d *strictyaml.Decoder, n *strictyaml.Node, name string) {
	if n.Kind != strictyaml.Map {
		w.whole.Decode(d, n, name)
		return
	}
	if len(n.Fields) == 0 {
		d.Warnf(n.At, `write "{}", in quotes, for nothing`, "with names nothing, so that templates see all of event.data")
	}
	w.names.Decode(d, n, name)
}

func (*withDoc) Schema(reflect.StructTag) strictyaml.Schema {
	return strictyaml.AnyOf(strictyaml.SchemaOf(reflect.TypeFor[strictyaml.Code](), ""), strictyaml.SchemaOf(reflect.TypeFor[strictyaml.Named[strictyaml.Code]](), ""))
}

// Schema is the JSON Schema (draft 2020-12) of the rules file, for editors
// that check it while it is written. It knows keys and values; what Compile
// finds beyond that are names, expressions and templates.
func Schema() []byte {
	s := strictyaml.SchemaOf(reflect.TypeFor[document](), "")
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "Belfry rules file"
	b, _ := json.MarshalIndent(s, "", "  ") // maps of strings can always be encoded
	return append(b, '\n')
}

// elsewhere is the remedy for a word of the provider that operators look for.
func elsewhere(key string) string {
	switch spelling.Fold(key) {
	case "istoall":
		return "write everyone: true, and set it on the app as well"
	case "fromuserid":
		return "write sender, on the app"
	case "packagename":
		return "write package"
	case "tag", "tagor":
		return "write tags: {all: [grade-5]}, or any in place of all"
	}
	return ""
}
