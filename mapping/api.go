package mapping

import "errors"

// Options are what compiling a rules file may reach of the outside world.
// Both are functions so that the package stays pure.
type Options struct {
	LookupEnv func(name string) (string, bool)  // for ${NAME}; nil: nothing is set
	ReadFile  func(path string) ([]byte, error) // for app_secret_file; nil: nothing can be read
}

// Compile parses, checks and compiles a rules file. All problems are found at
// once; the RuleSet is nil if any of them is an error. file is only a name
// for messages.
func Compile(file string, src []byte, opts Options) (*RuleSet, Problems) {
	return nil, nil
}

// Subjects lists the NATS subjects that the app's rules ask for, without
// duplicates and without those that another of them covers.
func (a *App) Subjects() []string { return nil }

// Map decides what a message means for the app. It never fails: what cannot
// be decoded or evaluated is part of the decision.
func (a *App) Map(m *Message) Decision { return Decision{} }

// Render turns a digest into the request that would be sent. Text beyond the
// provider's limits is cut, never refused. It fails when a template does, or
// when audience or template no longer exist.
func (a *App) Render(v View) (Rendered, error) { return Rendered{}, errors.New("not yet") }

type matcher struct{}
