package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/belfry-bridge/belfry/internal/sandbox"
)

func newSandbox(io stdio) *cobra.Command {
	var o struct {
		primary, backup string
		apps            []string
		log             logOptions
	}
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "Run a simulator of the provider",
		Long: `Runs a simulator of the provider's "Broadcast by package name": it checks signatures and bodies, keeps
the quota, shows what was sent as phones, and fails on request. It is not the provider and says so.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := o.log.logger(io.err, io.env)
			if err != nil {
				return err
			}
			cfg := sandbox.Config{Apps: map[string]string{}, Logger: log}
			for _, app := range o.apps {
				key, secret, ok := strings.Cut(app, ":")
				if !ok || key == "" || secret == "" {
					return errors.New("cannot use --app: want <app key>:<app secret>")
				}
				cfg.Apps[key] = secret
			}
			s, err := sandbox.New(cfg)
			if err != nil {
				return err
			}
			if err := s.Start(o.primary, o.backup); err != nil {
				return err
			}
			for _, u := range s.URLs() {
				fmt.Fprintln(io.out, "simulates the provider at", u)
			}
			<-cmd.Context().Done()
			return s.Close()
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.primary, "primary", "127.0.0.1:8081", "address of the primary entrance")
	f.StringVar(&o.backup, "backup", "127.0.0.1:8082", "address of the backup entrance")
	f.StringSliceVar(&o.apps, "app", []string{"sandbox-key:sandbox-secret"}, "an App Key and its App Secret, with a colon between; may be repeated")
	o.log.flags(f)
	return cmd
}
