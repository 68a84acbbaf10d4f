package stream

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"github.com/nats-io/nats-server/v2/server"
)

// ErrInUse is returned by [Open] for a folder that another process has open.
var ErrInUse = errors.New("the data folder is open in another hub: stop that one, or give this one a folder of its own")

// folder is a data folder, locked for this process.
type folder struct {
	path      string
	lock      *flock.Flock
	temporary bool // holds nothing worth keeping; removed by close
}

// openFolder makes the folder if it is missing, checks that it can be written
// to, and locks it. dir "" gives a temporary one.
func openFolder(dir string) (*folder, error) {
	f := &folder{path: dir}
	if dir == "" {
		temporary, err := os.MkdirTemp("", "fanfold-")
		if err != nil {
			return nil, err
		}
		f.path, f.temporary = temporary, true
	}
	if err := os.MkdirAll(f.path, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	f.lock = flock.New(filepath.Join(f.path, "lock"))
	locked, err := f.lock.TryLock()
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("the data folder can't be written to: %w", err)
	case err != nil:
		return nil, fmt.Errorf("lock the data folder: %w", err)
	case !locked:
		return nil, fmt.Errorf("%s: %w", f.path, ErrInUse)
	}
	return f, nil
}

// store is the server's part of the folder.
func (f *folder) store() string { return filepath.Join(f.path, "store") }

// kept is the folder's path if what is in it is kept, else "".
func (f *folder) kept() string {
	if f.temporary {
		return ""
	}
	return f.path
}

func (f *folder) close() error {
	err := f.lock.Unlock()
	if f.temporary {
		err = errors.Join(err, os.RemoveAll(f.path))
	}
	return err
}

// noBound is more than any disk has, and less than what overflows in a sum.
const noBound = 1 << 60

// startServer runs an embedded server that nobody can reach over the network.
func startServer(ctx context.Context, dir string, c Config) (*server.Server, error) {
	const headerBytes = 64 << 10 // room for a message's headers beside its data
	s, err := server.NewServer(&server.Options{
		ServerName: "fanfold",
		DontListen: true,
		NoSigs:     true,
		JetStream:  true,
		StoreDir:   dir,
		// The server would keep to three quarters of the room on the disk at its start.
		JetStreamMaxStore: noBound,
		SyncAlways:        c.Sync == SyncAlways,
		SyncInterval:      syncEvery,
		MaxPayload:        int32(max(server.MAX_PAYLOAD_SIZE, c.MaxMessageBytes+headerBytes)),
	})
	if err != nil {
		return nil, fmt.Errorf("configure the store: %w", err)
	}
	failed := make(chan error, 1)
	s.SetLoggerV2(serverLog{c.Logger, failed}, false, false, false)
	s.Start()
	const probe = 10 * time.Millisecond
	for !s.ReadyForConnections(probe) || !s.JetStreamEnabled() {
		select {
		case err = <-failed:
		case <-ctx.Done():
			err = ctx.Err()
		default:
			continue
		}
		s.Shutdown()
		s.WaitForShutdown()
		return nil, fmt.Errorf("start the store: %w", err)
	}
	return s, nil
}

// serverLog passes the server's log on. What would end a server process is
// reported to failed instead.
type serverLog struct {
	logger *slog.Logger
	failed chan error
}

func (l serverLog) Fatalf(format string, v ...any) {
	select {
	case l.failed <- fmt.Errorf(format, v...):
	default:
	}
}
func (l serverLog) Errorf(format string, v ...any)  { l.log(slog.LevelError, format, v) }
func (l serverLog) Warnf(format string, v ...any)   { l.log(slog.LevelWarn, format, v) }
func (l serverLog) Noticef(format string, v ...any) { l.log(slog.LevelDebug, format, v) }
func (l serverLog) Debugf(format string, v ...any)  { l.log(slog.LevelDebug, format, v) }
func (l serverLog) Tracef(format string, v ...any)  {}

func (l serverLog) log(level slog.Level, format string, v []any) {
	if l.logger.Enabled(context.Background(), level) {
		l.logger.Log(context.Background(), level, "store: "+fmt.Sprintf(format, v...))
	}
}
