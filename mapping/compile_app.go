package mapping

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/belfry-bridge/belfry/internal/strictyaml"
)

func (c *compiler) app(e *strictyaml.Entry[appDoc]) {
	d := &e.Value
	c.nameOf(e.Name, "an app")
	a := &App{
		Name: e.Name.Text, Key: d.AppKey.Value, Sender: d.Sender.Value, Packages: values(d.Packages),
		Everyone: d.Everyone.B, Audiences: map[string]*Audience{}, Templates: map[string]*Template{},
		matcher: &matcher{maxBody: d.MaxBody.Or(MaxBody), exprs: c.exprs, templates: map[string]*compiledTemplate{}},
	}
	c.set.Apps[a.Name] = a
	c.ownKey(e)
	a.Secret = c.secret(e)
	a.BaseURLs = c.baseURLs(e)
	if d.Sender.Value != "" {
		c.name(d.Sender.At, d.Sender.Value, "sender")
	}
	c.packages(d)
	if d.MaxBody.Set && d.MaxBody.N < 1000 {
		c.Errorf(d.MaxBody.At, "cannot use %d as max_body_bytes: want at least 1000", d.MaxBody.N)
	}
	a.Quota = c.quota(&d.Quota)
}

// ownKey refuses a key that another app has: the provider counts what is sent
// with a key, and each app would count on all of it. The key is not named.
func (c *compiler) ownKey(e *strictyaml.Entry[appDoc]) {
	key := e.Value.AppKey
	if key.Value == "" {
		return
	}
	c.plain(key, key.Value, "app_key")
	if first, ok := c.keys[key.Value]; ok {
		c.Hintf(key.At, fmt.Sprintf("put the audiences of %q and %q under one app", first, e.Name.Text),
			"cannot use the App Key of %q for %q too: its quota is one, and each app would use all of it", first, e.Name.Text)
		return
	}
	c.keys[key.Value] = e.Name.Text
}

func (c *compiler) secret(e *strictyaml.Entry[appDoc]) Secret {
	d := &e.Value
	switch {
	case d.AppSecret.Set && d.AppSecretFile.Set:
		c.Errorf(d.AppSecretFile.At, "cannot use both app_secret and app_secret_file")
	case d.AppSecret.Set:
		if !d.AppSecret.FromEnv {
			c.Warnf(d.AppSecret.At, "write ${NAME}, or use app_secret_file", "the App Secret of %q is written in plain text", e.Name.Text)
		}
		c.plain(d.AppSecret, d.AppSecret.Value, "app_secret")
		return Secret(d.AppSecret.Value)
	case d.AppSecretFile.Set:
		return c.secretFile(d.AppSecretFile)
	case d.Set:
		c.Errorf(e.Name.At, "cannot use the app %q without app_secret or app_secret_file", e.Name.Text)
	}
	return ""
}

func (c *compiler) secretFile(path strictyaml.Text) Secret {
	if path.Value == "" {
		return ""
	}
	if c.opts.ReadFile == nil {
		c.Errorf(path.At, "cannot read %q here", path.Value)
		return ""
	}
	data, err := c.opts.ReadFile(path.Value)
	if err != nil {
		if failed := (*fs.PathError)(nil); errors.As(err, &failed) { // it may be called secret, and what follows such a word is not shown
			err = failed.Err
		}
		c.Errorf(path.At, "cannot read app_secret_file %q: %v", path.Value, err)
		return ""
	}
	line, rest, _ := strings.Cut(strings.TrimSpace(string(data)), "\n")
	if line == "" || rest != "" {
		c.Errorf(path.At, "cannot use %q as app_secret_file: want a file with one line, the secret", path.Value)
	}
	c.plain(path, strings.TrimSpace(line), "what is in app_secret_file")
	return Secret(strings.TrimSpace(line))
}

// plain refuses what cannot be a key or a secret, such as a line break that came
// along: the provider would answer with 1004, which looks like a wrong secret.
func (c *compiler) plain(t strictyaml.Text, value, what string) {
	if strings.TrimSpace(value) != value || strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsPrint(r) }) {
		c.Errorf(t.At, "cannot use %s: there is white space around it, or a character in it that nobody sees", what)
	}
}

// regionHosts are those of provider-api.md, section 2.
func regionHosts(region string) []string {
	short := map[string]string{"singapore": "sg", "north-america": "us", "saudi-arabia": "sau"}[region]
	if short == "" {
		return nil
	}
	return []string{"https://api." + short + "-light-api.com", "https://api-b." + short + "-light-api.com"}
}

func (c *compiler) baseURLs(e *strictyaml.Entry[appDoc]) []string {
	d := &e.Value
	switch {
	case d.Region.Set && len(d.BaseURLs) > 0:
		c.Errorf(d.BaseURLs[0].At, "cannot use both region and base_urls")
	case d.Region.Set:
		return regionHosts(d.Region.Value)
	case len(d.BaseURLs) == 0:
		if d.Set && !c.failedAt(d.At) {
			c.Errorf(e.Name.At, "cannot use the app %q without region or base_urls", e.Name.Text)
		}
	case len(d.BaseURLs) > 2:
		c.Errorf(d.BaseURLs[2].At, "cannot use more than two base_urls: a primary host and a backup")
	}
	c.distinct(d.BaseURLs, "the base URL")
	var urls []string
	for _, t := range d.BaseURLs {
		if t.Value != "" {
			urls = append(urls, c.baseURL(t))
		}
	}
	return urls
}

// failedAt reports whether a structure could not be read at all.
func (c *compiler) failedAt(at strictyaml.Pos) bool {
	return slices.ContainsFunc(c.Found, func(p Problem) bool {
		return p.Severity == SeverityError && p.Line == at.Line && p.Col == at.Col
	})
}

func (c *compiler) baseURL(t strictyaml.Text) string {
	u, err := url.Parse(t.Value)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		c.Hintf(t.At, "want one such as https://api.sg-light-api.com", "cannot use %q as a base URL", WithoutUser(t.Value))
		return ""
	case u.User != nil:
		c.Errorf(t.At, "cannot use %q as a base URL with a user or password in it (left out here): requests are signed with the App Secret", WithoutUser(t.Value))
	case u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "":
		c.Errorf(t.At, "cannot use %q as a base URL: want only https:// and a host", WithoutUser(t.Value))
	case u.Scheme == "http" && !IsLocal(u.Hostname()):
		c.Hintf(t.At, "use https://: the body of a request is protected by nothing else", "cannot use http:// for %s", u.Hostname())
	}
	return u.Scheme + "://" + u.Host
}

// WithoutUser is a URL, well formed or not, without the user name, password or
// token that may be in it.
func WithoutUser(s string) string {
	at := strings.LastIndex(s, "@")
	if at < 0 {
		return s
	}
	scheme, _, found := strings.Cut(s[:at], "//")
	if !found {
		return s[at+1:]
	}
	return scheme + "//" + s[at+1:]
}

// IsLocal says whether a host can only mean a machine nearby, for which plain
// http:// will do: a loopback or private address, a name of a container
// network, or one that is reserved for tests.
func IsLocal(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.IsLoopback() || ip.IsPrivate()
	}
	for _, suffix := range []string{".localhost", ".internal", ".test"} {
		if strings.HasSuffix(host, suffix) {
			return true
		}
	}
	return !strings.Contains(host, ".")
}

func (c *compiler) packages(d *appDoc) {
	c.distinct(d.Packages, "the package")
	for _, t := range d.Packages {
		if strings.ContainsFunc(t.Value, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`*>"'/`, r) }) {
			c.Hintf(t.At, "want one such as com.example.student", "cannot use %q as a package name", t.Value)
		}
	}
}

func (c *compiler) sources() {
	streams := map[string]bool{}
	for i := range c.doc.Sources {
		e := &c.doc.Sources[i]
		c.nameOf(e.Name, "a source")
		d := &e.Value
		if d.Stream.Value != "" {
			if streams[d.Stream.Value] {
				c.Errorf(d.Stream.At, "cannot use the stream %q in two sources", d.Stream.Value)
			}
			streams[d.Stream.Value] = true
			if strings.ContainsAny(d.Stream.Value, " .*>/\\\t") {
				c.Errorf(d.Stream.At, "cannot use %q as the name of a stream: it may not contain spaces, dots, * or >", d.Stream.Value)
			}
		}
		c.set.Sources = append(c.set.Sources, Source{d.Stream.Value, c.start(d.Start)})
	}
}

func (c *compiler) start(t strictyaml.Text) Start {
	switch {
	case !t.Set || t.Value == "new":
		return Start{Mode: StartNew}
	case t.Value == "all":
		return Start{Mode: StartAll}
	}
	at, err := time.Parse(time.RFC3339, t.Value)
	if err != nil {
		c.Hintf(t.At, "want new, all, or a time such as 2026-11-01T00:00:00Z", "cannot use %q as start", t.Value)
	}
	return Start{Mode: StartAtTime, Time: at}
}
