// Command fanfold is the notification hub: it takes messages over HTTP and
// delivers them to every subscriber. "fanfold --help" lists what it can do.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // the container has no list of time zones

	"github.com/alecthomas/kong"
)

// version is set by the build: -ldflags "-X main.version=1.2.3".
var version = "dev"

// commandLine is everything that can be said on the command line. A flag comes
// before its environment variable, that before the configuration file.
type commandLine struct {
	Config kong.ConfigFlag `help:"Read settings from a YAML file; its keys are the names of the flags." placeholder:"FILE" env:"FANFOLD_CONFIG"`

	Serve   serveCommand   `cmd:"" default:"withargs" help:"Run the hub (this is what happens without a command)."`
	Token   tokenCommand   `cmd:"" help:"Make a token for a client, or explain why one does not work."`
	Key     keyCommand     `cmd:"" help:"Make a key for a server."`
	Health  healthCommand  `cmd:"" help:"Ask a running hub whether it is ready; the exit code says so."`
	Cert    certCommand    `cmd:"" help:"Make a certificate and its key for development."`
	Version versionCommand `cmd:"" help:"Print the version."`
}

func main() {
	if err := execute(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "fanfold: %v\n", err)
		os.Exit(1)
	}
}

// execute parses the arguments and runs the command. The first SIGINT or SIGTERM
// ends its context, a second one the process.
func execute(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)

	parser, err := newParser(ctx, new(commandLine))
	if err != nil {
		return err
	}
	command, err := parser.Parse(args)
	if err != nil {
		return err
	}
	return command.Run()
}

// newParser returns a parser that fills line; its commands get ctx.
func newParser(ctx context.Context, line *commandLine) (*kong.Kong, error) {
	return kong.New(line,
		kong.Name("fanfold"),
		kong.Description("A notification hub: what is posted to a channel reaches every subscriber, at once and in order. \"fanfold serve --help\" lists its settings."),
		kong.Configuration(loadSettings),
		kong.DefaultEnvars("FANFOLD"),
		kong.BindTo(ctx, (*context.Context)(nil)),
	)
}

type versionCommand struct{}

// Run prints the version.
func (versionCommand) Run() error {
	fmt.Println("fanfold", version)
	return nil
}
