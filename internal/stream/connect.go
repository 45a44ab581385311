package stream

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/belfry-bridge/belfry/mapping"
)

// Options are how to reach NATS.
type Options struct {
	URL       string         // one or more, separated by commas; empty: nats://127.0.0.1:4222
	Name      string         // of this connection, as the server's monitoring shows it
	CredsFile string         // user JWT and seed
	User      string         // with Password
	Password  mapping.Secret // never logged
	CAFile    string         // PEM of the authority that signed the server's certificate
	CertFile  string         // PEM of the client certificate, with KeyFile
	KeyFile   string         // PEM of its key

	PasswordFile string // has the password, and is read with every connection; empty: Password is it

	Logger     *slog.Logger // nil: slog.Default()
	Conditions *Conditions  // nil: trouble is only logged

	told *atomic.Pointer[reason] // the log, since the last connection
}

// reason is why there is no connection.
type reason struct {
	why string
	at  time.Time
}

// The connection's patience.
const (
	dialTimeout  = 5 * time.Second
	pingInterval = 5 * time.Second // two unanswered ones end the connection
	maxDelay     = 2 * time.Second // between two rounds of reconnecting
)

// Connect returns a connection that is tried for ever: NATS may be down at
// start, and may go and come back. Only options that can never work are an
// error, one that errors.Is(err, ErrPermanent).
//
// Nothing is buffered while there is no connection: a publish fails at once
// instead of arriving later, when it may no longer be meant.
func Connect(o Options) (*nats.Conn, error) {
	o = o.withDefaults()
	opts, err := o.natsOptions()
	if err != nil {
		return nil, err
	}
	var conn atomic.Pointer[nats.Conn]
	nc, err := nats.Connect(o.URL, append(opts, nats.CustomReconnectDelay(func(round int) time.Duration {
		o.refused(conn.Load())
		return reconnectDelay(round)
	}))...)
	if err != nil {
		return nil, fmt.Errorf("cannot connect to %s: %w: %w", RedactURLs(o.URL), err, ErrPermanent)
	}
	conn.Store(nc)
	if !nc.IsConnected() {
		// A handler may know the reason already.
		o.Conditions.setIfNew(Disconnected, "", "waiting for NATS at "+RedactURLs(o.URL))
	}
	if nc.IsConnected() { // the connect handler may have run before the line above
		o.Conditions.Clear(Disconnected, "")
	}
	return nc, nil
}

// Dial is Connect for a person who waits: it fails when NATS can't be reached now.
func Dial(o Options) (*nats.Conn, error) {
	o = o.withDefaults()
	opts, err := o.natsOptions()
	if err != nil {
		return nil, err
	}
	nc, err := nats.Connect(o.URL, append(opts, nats.RetryOnFailedConnect(false))...)
	switch {
	case errors.Is(err, nats.ErrNoServers):
		return nil, fmt.Errorf("cannot connect to %s: nobody answers there: is NATS up, and is this its address? (%w)", RedactURLs(o.URL), err)
	case err != nil:
		return nil, fmt.Errorf("cannot connect to %s: %w", RedactURLs(o.URL), err)
	}
	return nc, nil
}

func (o Options) withDefaults() Options {
	o.URL = cmp.Or(o.URL, nats.DefaultURL)
	o.Logger = cmp.Or(o.Logger, slog.Default())
	o.Conditions = cmp.Or(o.Conditions, NewConditions(time.Now, nil))
	o.told = &atomic.Pointer[reason]{}
	return o
}

func (o Options) natsOptions() ([]nats.Option, error) {
	for raw := range strings.SplitSeq(o.URL, ",") {
		raw = strings.TrimSpace(raw)
		if !wellFormed(raw) { // what says why quotes the password, whole or in part
			return nil, fmt.Errorf("cannot read the NATS address %s: write characters such as %% / # ? and spaces in a user or password as %%25 %%2F %%23 %%3F %%20: %w",
				RedactURLs(raw), ErrPermanent)
		}
		scheme, _, found := strings.Cut(raw, "://")
		if found && !slices.Contains([]string{"nats", "tls", "ws", "wss"}, strings.ToLower(scheme)) {
			return nil, fmt.Errorf("%s is not the address of a NATS server: want nats://, tls://, ws:// or wss://, as in nats://host:4222: %w",
				RedactURLs(raw), ErrPermanent)
		}
	}
	opts := []nats.Option{
		nats.Name(o.Name),
		nats.Timeout(dialTimeout),
		nats.PingInterval(pingInterval),
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		nats.ReconnectBufSize(-1),
		// Credentials may be mended on the server while we wait.
		nats.IgnoreAuthErrorAbort(),
		nats.ConnectHandler(o.connected),
		nats.ReconnectHandler(o.connected),
		nats.DisconnectErrHandler(o.disconnected),
		nats.ReconnectErrHandler(o.notYetConnected),
		nats.ErrorHandler(o.errorHandler()),
	}
	secrets, err := o.credentials()
	return append(opts, secrets...), err
}

// wellFormed reports whether the user, the password and the host of an address
// can be told apart.
func wellFormed(address string) bool {
	if !strings.Contains(address, "://") {
		address = "nats://" + address
	}
	u, err := url.Parse(address)
	return err == nil && (u.User != nil || !strings.Contains(address, "@"))
}

// password is what the file has now; it may have been replaced since the last connection.
func (o Options) password() string {
	b, err := os.ReadFile(o.PasswordFile)
	if err != nil {
		o.Logger.Error("cannot read the password for NATS", "err", err)
	}
	return strings.TrimRight(string(b), "\r\n")
}

func (o Options) credentials() ([]nats.Option, error) {
	var opts []nats.Option
	if o.CredsFile != "" {
		opts = append(opts, nats.UserCredentials(o.CredsFile))
	}
	switch {
	case o.PasswordFile != "" && strings.Contains(o.URL, "@"):
		return nil, fmt.Errorf("cannot use a password file for a user who is part of the server's address: name the user beside it: %w", ErrPermanent)
	case o.User == "" && (o.Password != "" || o.PasswordFile != ""):
		return nil, fmt.Errorf("cannot use a password without its user: name the user beside it, or write both into the server's address: %w", ErrPermanent)
	case o.PasswordFile != "":
		opts = append(opts, nats.UserInfoHandler(func() (user, password string) { return o.User, o.password() }))
	case o.User != "":
		opts = append(opts, nats.UserInfo(o.User, o.Password.Reveal()))
	}
	if o.CAFile != "" {
		opts = append(opts, nats.RootCAs(o.CAFile))
	}
	if (o.CertFile == "") != (o.KeyFile == "") {
		return nil, fmt.Errorf("cannot use a client certificate: want both certificate and key: %w", ErrPermanent)
	}
	if o.CertFile != "" {
		opts = append(opts, nats.ClientCert(o.CertFile, o.KeyFile))
	}
	for _, file := range []string{o.CredsFile, o.PasswordFile, o.CAFile, o.CertFile, o.KeyFile} {
		if err := canRead(file); err != nil {
			return nil, fmt.Errorf("cannot read %s: %w: %w", file, err, ErrPermanent)
		}
	}
	return opts, nil
}

func (o Options) connected(nc *nats.Conn) {
	// The client's own redaction leaves a token in place. The connection may be gone again.
	attrs := []any{"url", RedactURLs(cmp.Or(nc.ConnectedUrl(), o.URL))}
	if version := nc.ConnectedServerVersion(); version != "" {
		attrs = append(attrs, "version", version)
	}
	o.Logger.Info("connected to NATS", attrs...)
	o.told.Store(nil)
	// What was denied may have been granted by now; if not it is said again.
	o.Conditions.ClearAll(Permissions)
	o.Conditions.Clear(Disconnected, "")
}

func (o Options) disconnected(nc *nats.Conn, err error) {
	if nc.IsClosed() {
		return // ours
	}
	why := "the connection was closed"
	if err != nil {
		why = err.Error()
	}
	o.Conditions.Set(Disconnected, "", why)
}

// refused is for a server that answered, after which the client gave up: over a
// certificate, or over credentials that it could not read. Of that it tells no
// handler, unlike of a server that nobody reaches.
func (o Options) refused(nc *nats.Conn) {
	if nc == nil {
		return // the first round, of which the client does tell
	}
	if err := nc.LastError(); err != nil {
		o.notYetConnected(nc, err)
	}
}

func (o Options) notYetConnected(nc *nats.Conn, err error) {
	if nc.IsClosed() {
		return // ours
	}
	waiting := "waiting for NATS at " + RedactURLs(o.URL)
	// A server that is started again is not there at first, and may then have
	// another certificate: a log with the first reason alone would mislead.
	now := time.Now()
	if last := o.told.Load(); last == nil || last.why != err.Error() && now.Sub(last.at) >= tellEvery {
		o.told.Store(&reason{err.Error(), now})
		if _, ok := o.Conditions.Find(Disconnected, ""); ok { // else the trouble is told below, with its reason
			o.Logger.Warn("cannot reach NATS yet", "url", RedactURLs(o.URL), "err", err)
		}
	}
	o.Conditions.Set(Disconnected, "", fmt.Sprintf("%s: %v", waiting, err))
}

// tellEvery is how often the log is told of events whose headers cannot be read, and
// of another reason why NATS cannot be reached: several servers have one each.
const tellEvery = time.Minute

func (o Options) errorHandler() nats.ErrHandler {
	var told atomic.Pointer[time.Time]
	return func(nc *nats.Conn, sub *nats.Subscription, err error) {
		if !errors.Is(err, nats.ErrBadHeaderMsg) {
			o.asyncError(nc, sub, err)
			return
		}
		now := time.Now()
		if last := told.Load(); last == nil || now.Sub(*last) >= tellEvery {
			told.Store(&now)
			o.Logger.Warn("an event has headers that cannot be read, and is used without them; its id is stream:sequence", "err", err)
		}
	}
}

// asyncError is where a denied publish shows: its request only times out.
func (o Options) asyncError(nc *nats.Conn, _ *nats.Subscription, err error) {
	if errors.Is(err, nats.ErrPermissionViolation) {
		o.Conditions.Set(Permissions, deniedAbout(err.Error()), err.Error())
		return
	}
	if !nc.IsConnected() { // refused credentials, most of the time
		o.notYetConnected(nc, err)
		return
	}
	o.Logger.Warn("NATS reports an error", "error", err)
}

func reconnectDelay(attempts int) time.Duration {
	return min(10*time.Millisecond<<min(attempts, 10), maxDelay)
}

var (
	deniedSubject  = regexp.MustCompile(`(?i)permissions violation for (publish|subscription) to "([^"]+)"`)
	nameOfConsumer = regexp.MustCompile(`^(\$JS\.API\.CONSUMER\.(?:CREATE|DELETE|INFO|MSG\.NEXT)\.[^.]+)\..*$`)
)

// deniedAbout names what was denied: "publish belfry.result.school.all.sent".
// Consumers have fresh names, so theirs is left out.
func deniedAbout(text string) string {
	m := deniedSubject.FindStringSubmatch(text)
	if m == nil {
		return ""
	}
	return permissionAbout(strings.ToLower(m[1]), m[2])
}

func permissionAbout(action, subject string) string {
	if strings.HasPrefix(subject, "_INBOX.") {
		subject = "_INBOX.>"
	}
	return action + " " + nameOfConsumer.ReplaceAllString(subject, "$1.>")
}

// Silent is what to look for where nobody answers for JetStream.
const Silent = "is JetStream enabled there, as with nats-server -js, and has a cluster its majority?"

// explain puts the true reason into an error of a request to subject. An answer,
// whatever it says, shows that the subject is permitted.
func (c *Conditions) explain(subject string, err error) error {
	about := permissionAbout("publish", subject)
	if err == nil || apiCode(err) != 0 {
		c.Clear(Permissions, about)
		return err
	}
	if held, denied := c.Find(Permissions, about); denied {
		return fmt.Errorf("%w (%w)", err, deniedError(held.Message))
	}
	if errors.Is(err, nats.ErrNoResponders) && strings.HasPrefix(subject, "$JS.API.") {
		return fmt.Errorf("%w (%s)", err, Silent)
	}
	if errors.Is(err, nats.ErrReconnectBufExceeded) {
		return offlineError{err}
	}
	return err
}

// offlineError says what the client means by a buffer: nothing is held back
// while there is no connection.
type offlineError struct{ error }

func (offlineError) Error() string { return "there is no connection to NATS" }

func (e offlineError) Unwrap() error { return e.error }

// deniedError is what the server said of a subject that we may not use.
type deniedError string

func (e deniedError) Error() string { return string(e) }

// RedactURLs drops user names, passwords and tokens from server URLs.
func RedactURLs(urls string) string {
	list := strings.Split(urls, ",")
	for i, raw := range list {
		raw = strings.TrimSpace(raw)
		list[i] = mapping.WithoutUser(raw)
		if list[i] != raw && !strings.Contains(list[i], "//") {
			list[i] = "nats://" + list[i]
		}
	}
	return strings.Join(list, ",")
}

func canRead(file string) error {
	if file == "" {
		return nil
	}
	f, err := os.Open(file)
	if err != nil {
		if path, ok := errors.AsType[*fs.PathError](err); ok {
			return path.Err
		}
		return err
	}
	return f.Close()
}
