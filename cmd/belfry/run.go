package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/stream"
	"github.com/belfry-bridge/belfry/mapping"
)

// natsOptions are how to reach NATS, the same for every verb that does.
type natsOptions struct {
	url, creds, user, password, passwordFile, ca, cert, key string
}

func (o *natsOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.url, "nats", "", "NATS server URL; separate several with commas")
	f.StringVar(&o.creds, "nats-creds", "", "credentials file of the NATS user")
	f.StringVar(&o.user, "nats-user", "", "NATS user name")
	f.StringVar(&o.password, "nats-password", "", "NATS password; better in BELFRY_NATS_PASSWORD, where ps does not show it")
	f.StringVar(&o.passwordFile, "nats-password-file", "", "file that holds the NATS password")
	f.StringVar(&o.ca, "nats-ca", "", "PEM file of the authority that signed the server's certificate")
	f.StringVar(&o.cert, "nats-cert", "", "PEM file of the client certificate")
	f.StringVar(&o.key, "nats-key", "", "PEM file of the client certificate's key")
}

func (o *natsOptions) options() (stream.Options, error) {
	switch {
	case o.password != "" && o.passwordFile != "": // one may be meant, and the other be set for the daemon
		return stream.Options{}, usageError{errors.New("cannot use both --nats-password and --nats-password-file: leave one out, and its variable (BELFRY_NATS_PASSWORD=, BELFRY_NATS_PASSWORD_FILE=) empty")}
	case o.cert != "" && o.key == "":
		return stream.Options{}, usageError{errors.New("cannot use --nats-cert without --nats-key")}
	case o.cert == "" && o.key != "":
		return stream.Options{}, usageError{errors.New("cannot use --nats-key without --nats-cert")}
	}
	return stream.Options{
		URL: o.url, CredsFile: o.creds, User: o.user, Password: mapping.Secret(o.password), PasswordFile: o.passwordFile,
		CAFile: o.ca, CertFile: o.cert, KeyFile: o.key,
	}, nil
}

// again are the flags that say where, for a command that is proposed. Names of
// files and users help who types it; passwords stay out.
func (o *natsOptions) again() string {
	out := ""
	for _, f := range []struct{ name, value string }{
		{"nats", stream.RedactURLs(o.url)}, {"nats-creds", o.creds}, {"nats-user", o.user}, {"nats-password-file", o.passwordFile},
		{"nats-ca", o.ca}, {"nats-cert", o.cert}, {"nats-key", o.key},
	} {
		if f.value != "" {
			out += " --" + f.name + " " + bridge.Quoted(f.value)
		}
	}
	return out
}

// runOptions are the flags of run.
type runOptions struct {
	nats         natsOptions
	log          logOptions
	rules        string
	http         string
	name         string
	data         string
	provision    bool
	dryRun       bool
	powerLoss    bool
	stateStream  string
	resultStream string
	replicas     int
}

func newRun(io stdio) *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the daemon",
		Long: `Runs the daemon until it is told to stop (SIGTERM or SIGINT; a second signal stops it at once).

Without --nats it starts an embedded NATS server that keeps its streams in --data. That server is
reachable on this machine only, on port 4222 or, if that is taken, on a port that the log names.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if own := cmd.Flags(); o.nats.url != "" && (typed(own, "data") || typed(own, "sync-always")) {
				return usageError{errors.New("cannot use --data or --sync-always with --nats: they are for the NATS server that run starts without it")}
			}
			if err := o.check(); err != nil {
				return err
			}
			log, err := o.log.logger(io.err, io.env)
			if err != nil {
				return err
			}
			keepWithoutReaders()
			d, err := newDaemon(o, io, log)
			if err != nil {
				return err
			}
			return d.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.rules, "rules", "rules.yaml", "rules file")
	checkedVar(f, &o.http, address, "http", "127.0.0.1:8080", "address of the dashboard, health and metrics; empty for none")
	f.StringVar(&o.name, "name", hostname(), "name of this replica, for people")
	f.StringVar(&o.data, "data", "./belfry-data", "folder of the embedded NATS server, without --nats")
	f.BoolVar(&o.provision, "provision", true, "create Belfry's streams if they are missing")
	f.BoolVar(&o.dryRun, "dry-run", false, "do everything but send; state and results are kept apart from the real ones, under <app>"+dryRunSuffix)
	f.BoolVar(&o.powerLoss, "sync-always", false, "make the embedded NATS server sync every message to disk, against power loss")
	checkedVar(f, &o.stateStream, streamName, "state-stream", stream.DefaultStateStream, "stream of the durable state")
	checkedVar(f, &o.resultStream, streamName, "result-stream", stream.DefaultResultStream, "stream of results and dead letters")
	f.IntVar(&o.replicas, "stream-replicas", 0, "replicas of both streams, 3 in production; 0 means 1 for new streams")
	o.nats.flags(f)
	o.log.flags(f)
	return cmd
}

// check finds what can be known to be wrong before anything is begun.
func (o *runOptions) check() error {
	switch {
	case o.replicas < 0 || o.replicas > 5:
		return usageError{fmt.Errorf("cannot use --stream-replicas %d: want 1 to 5, or 0", o.replicas)}
	case o.stateStream == o.resultStream:
		return usageError{fmt.Errorf("cannot keep state and results in one stream, %s: give --state-stream and --result-stream names of their own", o.stateStream)}
	}
	_, err := o.nats.options()
	return err
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "belfry"
	}
	return name
}
