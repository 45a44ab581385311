package main

import (
	"github.com/spf13/cobra"

	"github.com/belfry-bridge/belfry/mapping"
)

func newSchema(std stdio) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the rules file, for editors",
		Long: `Prints the JSON Schema of the rules file. With it, an editor completes keys and marks mistakes as you type.
The first line of the rules file names it:

  # yaml-language-server: $schema=./rules.schema.json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := std.out.Write(mapping.Schema())
			return err
		},
	}
}
