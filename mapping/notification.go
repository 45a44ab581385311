package mapping

import "reflect"

// What is known of the platforms' settings (provider-api.md, section 3.5).
// Strings are templates.

type iosDoc struct {
	mark
	Title             code        `yaml:"title" doc:"Template. Title on iOS."`
	Alert             code        `yaml:"alert" doc:"Template. Replaces the common alert."`
	ContentAvailable  code        `yaml:"contentAvailable" enum:"0|1" doc:"1: silent push."`
	Badge             code        `yaml:"badge" doc:"Number on the icon: 0 or negative clears it, at most 9999."`
	Extras            named[code] `yaml:"extras" doc:"Custom data for the app: names and text."`
	Category          code        `yaml:"category" doc:"Rich push type, with richMediaUri."`
	RichMediaURI      code        `yaml:"richMediaUri" doc:"Address of the rich media."`
	ThreadID          code        `yaml:"thread-id" doc:"Notifications with the same id are grouped."`
	CollapseID        code        `yaml:"apns-collapse-id" doc:"Notifications with the same id replace each other."`
	InterruptionLevel code        `yaml:"interruption-level" enum:"passive|active|time-sensitive|critical" doc:"Default: active."`
}

type androidDoc struct {
	mark
	Alert  code        `yaml:"alert" doc:"Template. Replaces the common alert."`
	Extras named[code] `yaml:"extras" doc:"Custom data for the app: names and text."`
	HW     huaweiDoc   `yaml:"hw" doc:"Huawei."`
	Honor  honorDoc    `yaml:"honor" doc:"Honor."`
	MI     xiaomiDoc   `yaml:"mi" doc:"Xiaomi."`
	Oppo   oppoDoc     `yaml:"oppo" doc:"Oppo."`
	Vivo   vivoDoc     `yaml:"vivo" doc:"Vivo."`
	FCM    fcmDoc      `yaml:"fcm" doc:"Google."`
}

type huaweiDoc struct {
	mark
	ChannelID  code `yaml:"channelId"`
	Importance code `yaml:"importance" enum:"NORMAL|LOW" doc:"Default: NORMAL."`
	Image      code `yaml:"image" doc:"HTTPS address, under 512 KB, about 40x40 dp."`
	Category   code `yaml:"category"`
}

type honorDoc struct {
	mark
	Importance code `yaml:"importance" enum:"NORMAL|LOW"`
	Image      code `yaml:"image" doc:"HTTPS address."`
}

type xiaomiDoc struct {
	mark
	ChannelID    code `yaml:"channelId"`
	LargeIconURI code `yaml:"large_icon_uri" doc:"Address of a 120x120 px png or jpg."`
}

type oppoDoc struct {
	mark
	ChannelID   code `yaml:"channelId"`
	NotifyLevel code `yaml:"notify_level" enum:"1|2|16" doc:"1 bar, 2 bar and lock screen, 16 all of it; 16 needs a category."`
	Category    code `yaml:"category"`
}

type vivoDoc struct {
	mark
	Classification code `yaml:"classification" enum:"0|1" doc:"\"0\" operational, \"1\" system."`
	Category       code `yaml:"category"`
}

type fcmDoc struct {
	mark
	ChannelID   code `yaml:"channelId"`
	CollapseKey code `yaml:"collapse_key"`
	ImageURL    code `yaml:"imageUrl"`
}

type harmonyDoc struct {
	mark
	Alert  code        `yaml:"alert" doc:"Template. Replaces the common alert."`
	Extras named[code] `yaml:"extras" doc:"Custom data for the app: names and text."`
	OHOS   ohosDoc     `yaml:"ohos"`
}

type ohosDoc struct {
	mark
	Image    code `yaml:"image" doc:"HTTPS address. Beyond 25000 px the notification is not displayed."`
	Category code `yaml:"category"`
}

// platformDoc is the settings of one platform: checked against T, kept as they stand.
type platformDoc[T any] struct {
	tree
	known T
}

func (p *platformDoc[T]) decode(d *decoder, n *node, name string) {
	p.tree.decode(d, n, name)
	d.into(n, &p.known, "notification."+name)
}

func (*platformDoc[T]) schema(reflect.StructTag) schema {
	return schemaOf(reflect.TypeFor[T](), "")
}
