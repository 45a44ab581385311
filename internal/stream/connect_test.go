package stream

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

func TestNATSThatIsDownAtStartIsWaitedFor(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0") // a port that is free for sure
	if err != nil {
		t.Fatal(err)
	}
	n := &natsd{t: t, dir: t.TempDir(), port: l.Addr().(*net.TCPAddr).Port}
	_ = l.Close()
	c := connect(t, "nats://"+l.Addr().String(), "a")
	c.waitFor(t, "+nats.disconnected ")
	err = c.Provision(within(t, 50*time.Millisecond))
	if active := c.conditions.Active(); err == nil || len(active) != 1 {
		t.Errorf("%v, %v, want the one trouble that there is", err, active)
	}
	provisioned := make(chan error, 1)
	ctx := within(t, 20*time.Second)
	go func() { provisioned <- c.Provision(ctx) }()
	n.start()
	t.Cleanup(n.stop)
	if err := <-provisioned; err != nil {
		t.Fatal(err)
	}
	if active := c.conditions.Active(); len(active) > 0 {
		t.Errorf("still %v", active)
	}
}

func TestNothingIsBufferedWhileThereIsNoConnection(t *testing.T) {
	t.Parallel()
	n := startNATS(t)
	c := provisioned(t, n.URL(), "a")
	n.stop()
	c.waitFor(t, "+nats.disconnected ")
	ctx := within(t, 20*time.Second)
	if _, err := c.Store("school").Put(ctx, []byte("late"), "a/1/1", 0); !errors.Is(err, nats.ErrReconnectBufExceeded) || strings.Contains(err.Error(), "buffer") {
		t.Errorf("Put: %v", err)
	}
	n.start()
	c.waitFor(t, "-nats.disconnected ")
	if r, err := c.Store("school").Get(ctx); err != nil || r.Sequence != 0 {
		t.Errorf("Get: %+v, %v", r, err)
	}
}

func TestOptionsThatCanNeverWorkArePermanent(t *testing.T) {
	t.Parallel()
	garbage := filepath.Join(t.TempDir(), "garbage.pem")
	if err := os.WriteFile(garbage, []byte("no PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]Options{
		"credentials that don't exist":    {CredsFile: "/does/not/exist"},
		"an authority that doesn't":       {CAFile: "/does/not/exist"},
		"an authority that is none":       {CAFile: garbage},
		"a certificate without its key":   {CertFile: garbage},
		"a key without its certificate":   {KeyFile: garbage},
		"a URL of something else":         {URL: "nats://127.0.0.1:1,http://user:hunter2@127.0.0.1:4222"},
		"a URL that is none":              {URL: "nats://bad url:x"},
		"a URL with a secret, not shown":  {URL: "nats://user:hunter2@bad host:x"},
		"a password with a percent sign":  {URL: "nats://user:hunt%er2@host"},
		"a password with a slash":         {URL: "user:hunt/er2@host:4222"},
		"a password like a port":          {URL: "nats://hunter:12/34@127.0.0.1:4222"},
		"a password with a hash":          {URL: "nats://a:1,nats://user:hunt#er2@host"},
		"a password with a mark":          {URL: "nats://user:hunt?er2@host"},
		"a password with a space":         {URL: "nats://user:hunt er2@host"},
		"a password without a user":       {Password: "hunter2"},
		"a password for a user elsewhere": {URL: "nats://user@host", Password: "hunter2"},
	} {
		for connects, connect := range map[string]func(Options) (*nats.Conn, error){"Connect": Connect, "Dial": Dial} {
			nc, err := connect(o)
			if !errors.Is(err, ErrPermanent) && (connects == "Connect" || err == nil) {
				t.Errorf("%s, %s: %v", connects, name, err)
			}
			if err != nil && (strings.Contains(err.Error(), "hunt") || strings.Contains(err.Error(), "er2")) {
				t.Errorf("%s, %s: the error tells the password: %v", connects, name, err)
			}
			if nc != nil {
				nc.Close()
			}
		}
	}
}

func TestURLsAreShownWithoutTheirSecrets(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"nats://localhost:4222":                   "nats://localhost:4222",
		"localhost:4222":                          "localhost:4222",
		"nats://user:secret@host:4222":            "nats://host:4222",
		"user:secret@host":                        "nats://host",
		"tls://token@a:1, nats://u:p@ss@b:2 ,c:3": "tls://a:1,nats://b:2,c:3",
	} {
		if got := RedactURLs(url); got != want {
			t.Errorf("%s is shown as %s, want %s", url, got, want)
		}
	}
}

func TestATokenForNATSIsNotLogged(t *testing.T) {
	t.Parallel()
	options := EmbeddedOptions{Dir: t.TempDir(), Logger: quiet()}.serverOptions()
	options.Authorization = "hunter2"
	host := strings.TrimPrefix(startServer(t, options), "nats://")
	var log bytes.Buffer
	o := Options{URL: "nats://hunter2@" + host, Logger: slog.New(slog.NewTextHandler(&log, nil))}.withDefaults()
	nc, err := Dial(Options{URL: o.URL, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	o.connected(nc)
	if got := log.String(); !strings.Contains(got, "url=nats://"+host+" ") || strings.Contains(got, "hunter2") {
		t.Errorf("the log says\n%s", got)
	}
}

// startRestricted runs a server on which user "belfry" may not use what denied names.
func startRestricted(t *testing.T, denied ...string) (host string) {
	t.Helper()
	return startPermitted(t, &server.Permissions{Publish: &server.SubjectPermission{Deny: denied}})
}

func startPermitted(t *testing.T, p *server.Permissions) (host string) {
	t.Helper()
	o := EmbeddedOptions{Dir: t.TempDir(), Logger: quiet()}.serverOptions()
	o.Users = []*server.User{
		{Username: "admin", Password: "admin"},
		{Username: "belfry", Password: "belfry", Permissions: p},
	}
	return strings.TrimPrefix(startServer(t, o), "nats://")
}

// startServer runs a server with options that the embedded one doesn't offer.
func startServer(t *testing.T, o *server.Options) (url string) {
	t.Helper()
	_, url = runServer(t, o)
	return url
}

func runServer(t *testing.T, o *server.Options) (s *server.Server, url string) {
	t.Helper()
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	e := unwatched(s)
	t.Cleanup(e.Shutdown)
	if err := e.waitUntilReady(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	return s, e.URL()
}

func TestDeniedPublishIsAConditionThatNamesTheSubject(t *testing.T) {
	t.Parallel()
	host := startRestricted(t, "belfry.result.>", "belfry.state.school", "$JS.API.CONSUMER.CREATE.>")
	admin := provisioned(t, "nats://admin:admin@"+host, "admin")
	admin.prepare(t, 1)
	c := provisioned(t, "nats://belfry:belfry@"+host, "a")
	ctx := within(t, time.Second)

	err := c.Publisher().Publish(ctx, bridge.Publication{ID: "1", Subject: "belfry.result.school.all.sent"})
	if err == nil || !strings.Contains(err.Error(), "ermission") {
		t.Errorf("Publish: %v", err)
	}
	c.waitFor(t, "+nats.permissions publish belfry.result.school.all.sent")
	c.waitFor(t, "+results.unavailable ")

	if _, err := c.Store("school").Put(within(t, time.Second), nil, "a/1/1", 0); err == nil || !strings.Contains(err.Error(), "ermission") {
		t.Errorf("Put: %v", err)
	}
	c.waitFor(t, "+nats.permissions publish belfry.state.school")

	yesterday := mapping.Start{Mode: mapping.StartAtTime, Time: time.Now().AddDate(0, 0, -1)}
	if _, err := c.source("school").startAt(within(t, time.Second), "SCHOOL", yesterday, &jetstream.StreamInfo{}); err == nil || !strings.Contains(err.Error(), "ermission") {
		t.Errorf("startAt: %v", err)
	}
	c.waitFor(t, "+nats.permissions publish $JS.API.CONSUMER.CREATE.SCHOOL.>")
	r := c.read(t, []string{"SCHOOL.>"}, nil, nil)
	r.until("where it begins", func() bool { return len(r.checkpoint) > 0 })
}

// A server takes new permissions from its file without ending connections.
func TestAPermissionThatIsGrantedLaterIsNoTroubleAnyMore(t *testing.T) {
	t.Parallel()
	options := func(denied string) *server.Options {
		o := EmbeddedOptions{Logger: quiet()}.serverOptions()
		o.Users = []*server.User{
			{Username: "admin", Password: "admin"},
			{Username: "belfry", Password: "belfry", Permissions: &server.Permissions{Publish: &server.SubjectPermission{Deny: []string{denied}}}},
		}
		return o
	}
	before := options("$JS.API.CONSUMER.CREATE.>")
	before.StoreDir = t.TempDir()
	s, url := runServer(t, before)
	host := strings.TrimPrefix(url, "nats://")
	admin := provisioned(t, "nats://admin:admin@"+host, "admin")
	admin.prepare(t, 10)
	c := provisioned(t, "nats://belfry:belfry@"+host, "a")
	r := c.read(t, []string{"SCHOOL.>"}, fromStart("SCHOOL"), nil)
	r.until("where it begins", func() bool { return len(r.checkpoint) > 0 })
	c.waitFor(t, "+nats.permissions publish $JS.API.CONSUMER.CREATE.SCHOOL.>")
	after := options("nothing.at.all")
	after.StoreDir, after.Port = before.StoreDir, before.Port
	if err := s.ReloadOptions(after); err != nil {
		t.Fatal(err)
	}
	r.untilMessages(10)
	c.waitFor(t, "-nats.permissions publish $JS.API.CONSUMER.CREATE.SCHOOL.>")
}

func TestWrongPasswordIsWaitedOutAsACondition(t *testing.T) {
	t.Parallel()
	host := startRestricted(t)
	c := connect(t, "nats://belfry:wrong@"+host, "a")
	c.waitFor(t, "+nats.disconnected ")
	ctx := within(t, 10*time.Second)
	for {
		held, _ := c.conditions.Find(Disconnected, "")
		if strings.Contains(held.Message, "uthorization") {
			break
		}
		if ctx.Err() != nil {
			t.Fatalf("the reason is not told: %q", held.Message)
		}
	}
	if c.nc.IsClosed() {
		t.Error("the connection was given up")
	}
}

// It was not there for a moment, and has come back with a certificate that we do not trust.
func TestARefusedCertificateIsTheReasonThatIsTold(t *testing.T) {
	t.Parallel()
	n := startNATS(t)
	c := connect(t, n.URL(), "a")
	n.stop()
	c.waitFor(t, "+nats.disconnected ")
	pages := httptest.NewTLSServer(nil)
	t.Cleanup(pages.Close)
	o := EmbeddedOptions{Dir: t.TempDir(), Port: n.port, Logger: quiet()}.serverOptions()
	o.TLS, o.TLSConfig = true, &tls.Config{Certificates: pages.TLS.Certificates}
	startServer(t, o)
	ctx := within(t, 20*time.Second)
	for held := (bridge.Condition{}); !strings.Contains(held.Message, "certificate"); held, _ = c.conditions.Find(Disconnected, "") {
		select {
		case <-ctx.Done():
			t.Fatalf("the reason is not told: %q", held.Message)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func TestAPasswordThatIsReplacedInItsFileIsUsedForTheNextConnection(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "password")
	write := func(password string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("wrong")
	nc, err := Connect(Options{URL: "nats://" + startRestricted(t), User: "belfry", PasswordFile: file, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	connected := nc.StatusChanged(nats.CONNECTED)
	if nc.IsConnected() {
		t.Fatal("connected with a wrong password")
	}
	write("belfry")
	select {
	case <-connected:
	case <-time.After(20 * time.Second):
		t.Error("the new password is not used")
	}
	if _, err := Connect(Options{User: "belfry", PasswordFile: file + "-none", Logger: quiet()}); !errors.Is(err, ErrPermanent) {
		t.Errorf("without the file: %v", err)
	}
}

func TestAReasonWhyNATSCannotBeReachedIsLoggedOnceAMinuteIfItIsAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		o := Options{URL: "nats://belfry:hunter2@127.0.0.1:4222", Logger: slog.New(slog.NewTextHandler(&log, nil))}.withDefaults()
		o.Conditions.setIfNew(Disconnected, "", "waiting for NATS at "+RedactURLs(o.URL))
		for _, lines := range []int{1, 2, 3} {
			for _, why := range []error{errors.New("connection refused"), nats.ErrAuthorization, nats.ErrAuthorization} {
				o.notYetConnected(&nats.Conn{}, why)
			}
			if got := log.String(); strings.Count(got, "\n") != lines || strings.Contains(got, "hunter2") {
				t.Errorf("want %d lines:\n%s", lines, got)
			}
			time.Sleep(tellEvery)
		}
	})
}

func TestAConnectionThatWeClosedSaysNothingMore(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	o := Options{URL: startNATS(t).URL(), Logger: slog.New(slog.NewTextHandler(&log, nil))}.withDefaults()
	nc := connect(t, o.URL, "a").nc
	nc.Close()
	o.Conditions.Set(Disconnected, "", "told before")
	o.disconnected(nc, nil)
	o.notYetConnected(nc, nats.ErrConnectionClosed)
	o.asyncError(nc, nil, nats.ErrConnectionClosed)
	if held, _ := o.Conditions.Find(Disconnected, ""); held.Message != "told before" || log.Len() > 0 {
		t.Errorf("the condition says %q, the log says\n%s", held.Message, log.String())
	}
}

func TestAConnectionThatIsGoneAlreadyIsLoggedWithItsURL(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	o := Options{URL: "nats://belfry:hunter2@127.0.0.1:4222", Logger: slog.New(slog.NewTextHandler(&log, nil))}.withDefaults()
	o.connected(&nats.Conn{})
	if got := log.String(); !strings.Contains(got, "url=nats://127.0.0.1:4222\n") || strings.Contains(got, `=""`) {
		t.Errorf("the log says\n%s", got)
	}
}

func TestPermissionsOfThePackageCommentAreEnoughForEverything(t *testing.T) {
	t.Parallel()
	host := startPermitted(t, &server.Permissions{
		Publish: &server.SubjectPermission{Allow: []string{
			"belfry.>", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.INFO.*", "$JS.API.STREAM.CREATE.BELFRY",
			"$JS.API.STREAM.CREATE.BELFRY_RESULTS", "$JS.API.STREAM.MSG.GET.*",
			"$JS.API.CONSUMER.CREATE.SCHOOL.>", "$JS.API.CONSUMER.DELETE.SCHOOL.*", "$JS.API.CONSUMER.MSG.NEXT.SCHOOL.*",
		}},
		Subscribe: &server.SubjectPermission{Allow: []string{"belfry.handover.*", "_INBOX.>"}},
		Response:  &server.ResponsePermission{MaxMsgs: 1, Expires: time.Second},
	})
	admin := connect(t, "nats://admin:admin@"+host, "admin")
	admin.prepare(t, 3)
	url := "nats://belfry:belfry@" + host
	one, two := provisioned(t, url, "a"), provisioned(t, url, "b")
	ctx := within(t, 20*time.Second)
	if _, err := one.Store("school").Put(ctx, []byte("one"), "a/1/1", 0); err != nil {
		t.Error(err)
	}
	if err := one.Publisher().Publish(ctx, bridge.Publication{ID: "1", Subject: "belfry.deadletter.school"}); err != nil {
		t.Error(err)
	}
	if _, err := one.Source("school").Get(ctx, "SCHOOL", 1); err != nil {
		t.Error(err)
	}
	for _, sources := range [][]mapping.Source{fromStart("SCHOOL"), {{Stream: "SCHOOL", Start: mapping.Start{Mode: mapping.StartAtTime}}}} {
		r := one.read(t, []string{"SCHOOL.lesson"}, sources, nil)
		r.untilMessages(3)
		r.end()
	}
	apps := []string{"app1", "app2"}
	sharing, stop := context.WithCancel(ctx)
	leasesOne, leasesTwo := one.Leases(), two.Leases()
	first, second := owning(sharing, leasesOne, apps), owning(sharing, leasesTwo, apps)
	for len(loads(leasesOne.owners())) < 2 {
		if ctx.Err() != nil {
			t.Fatal("the apps are not shared")
		}
	}
	stop()
	first.Wait()
	second.Wait()
	for _, c := range []*client{one, two} {
		if active := c.conditions.Active(); len(active) > 0 {
			t.Errorf("conditions %v", active)
		}
	}
}
