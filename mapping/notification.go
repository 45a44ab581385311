package mapping

import (
	"reflect"

	"github.com/belfry-bridge/belfry/internal/strictyaml"
)

// What is known of the platforms' settings (provider-api.md, section 3.5).
// Strings are templates.

type iosDoc struct {
	strictyaml.Mark
	Title             strictyaml.Code                   `yaml:"title" doc:"Template. Title on iOS."`
	Alert             strictyaml.Code                   `yaml:"alert" doc:"Template. Replaces the common alert."`
	ContentAvailable  strictyaml.Code                   `yaml:"contentAvailable" enum:"0|1" doc:"1: silent push."`
	Badge             strictyaml.Code                   `yaml:"badge" doc:"Number on the icon: 0 or negative clears it, at most 9999."`
	Extras            strictyaml.Named[strictyaml.Code] `yaml:"extras" doc:"Custom data for the app: names and text."`
	Category          strictyaml.Code                   `yaml:"category" doc:"Rich push type, with richMediaUri."`
	RichMediaURI      strictyaml.Code                   `yaml:"richMediaUri" doc:"Address of the rich media."`
	ThreadID          strictyaml.Code                   `yaml:"thread-id" doc:"Notifications with the same id are grouped."`
	CollapseID        strictyaml.Code                   `yaml:"apns-collapse-id" doc:"Notifications with the same id replace each other."`
	InterruptionLevel strictyaml.Code                   `yaml:"interruption-level" enum:"passive|active|time-sensitive|critical" doc:"Default: active."`
}

type androidDoc struct {
	strictyaml.Mark
	Alert  strictyaml.Code                   `yaml:"alert" doc:"Template. Replaces the common alert."`
	Extras strictyaml.Named[strictyaml.Code] `yaml:"extras" doc:"Custom data for the app: names and text."`
	HW     huaweiDoc                         `yaml:"hw" doc:"Huawei."`
	Honor  honorDoc                          `yaml:"honor" doc:"Honor."`
	MI     xiaomiDoc                         `yaml:"mi" doc:"Xiaomi."`
	Oppo   oppoDoc                           `yaml:"oppo" doc:"Oppo."`
	Vivo   vivoDoc                           `yaml:"vivo" doc:"Vivo."`
	FCM    fcmDoc                            `yaml:"fcm" doc:"Google."`
}

type huaweiDoc struct {
	strictyaml.Mark
	ChannelID  strictyaml.Code `yaml:"channelId"`
	Importance strictyaml.Code `yaml:"importance" enum:"NORMAL|LOW" doc:"Default: NORMAL."`
	Image      strictyaml.Code `yaml:"image" doc:"HTTPS address, under 512 KB, about 40x40 dp."`
	Category   strictyaml.Code `yaml:"category"`
}

type honorDoc struct {
	strictyaml.Mark
	Importance strictyaml.Code `yaml:"importance" enum:"NORMAL|LOW"`
	Image      strictyaml.Code `yaml:"image" doc:"HTTPS address."`
}

type xiaomiDoc struct {
	strictyaml.Mark
	ChannelID    strictyaml.Code `yaml:"channelId"`
	LargeIconURI strictyaml.Code `yaml:"large_icon_uri" doc:"Address of a 120x120 px png or jpg."`
}

type oppoDoc struct {
	strictyaml.Mark
	ChannelID   strictyaml.Code `yaml:"channelId"`
	NotifyLevel strictyaml.Code `yaml:"notify_level" enum:"1|2|16" doc:"1 bar, 2 bar and lock screen, 16 all of it; 16 needs a category."`
	Category    strictyaml.Code `yaml:"category"`
}

type vivoDoc struct {
	strictyaml.Mark
	Classification strictyaml.Code `yaml:"classification" enum:"0|1" doc:"\"0\" operational, \"1\" system."`
	Category       strictyaml.Code `yaml:"category"`
}

type fcmDoc struct {
	strictyaml.Mark
	ChannelID   strictyaml.Code `yaml:"channelId"`
	CollapseKey strictyaml.Code `yaml:"collapse_key"`
	ImageURL    strictyaml.Code `yaml:"imageUrl"`
}

type harmonyDoc struct {
	strictyaml.Mark
	Alert  strictyaml.Code                   `yaml:"alert" doc:"Template. Replaces the common alert."`
	Extras strictyaml.Named[strictyaml.Code] `yaml:"extras" doc:"Custom data for the app: names and text."`
	OHOS   ohosDoc                           `yaml:"ohos"`
}

type ohosDoc struct {
	strictyaml.Mark
	Image    strictyaml.Code `yaml:"image" doc:"HTTPS address. Beyond 25000 px the notification is not displayed."`
	Category strictyaml.Code `yaml:"category"`
}

// platformDoc is the settings of one platform: checked against T, kept as they stand.
type platformDoc[T any] struct {
	strictyaml.Tree
	known T
}

func (p *platformDoc[T]) Decode(d *strictyaml.Decoder, n *strictyaml.Node, name string) {
	p.Tree.Decode(d, n, name)
	d.Into(n, &p.known, "notification."+name)
}

func (*platformDoc[T]) Schema(reflect.StructTag) strictyaml.Schema {
	return strictyaml.SchemaOf(reflect.TypeFor[T](), "")
}
