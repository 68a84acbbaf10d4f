package tests

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"fanfold/tests/need"

	amqp "github.com/rabbitmq/amqp091-go"
)

// rabbit is a RabbitMQ of the test's own: its ports, its folder, its name server.
type rabbit struct {
	t             testing.TB // which may be a subtest's
	owner         testing.TB // whose end is the broker's
	port, tlsPort int
	dir           string
	env           []string
	*process
}

// startRabbit runs a broker, which takes some seconds. Its name server, which it would else
// leave behind for all of the machine, ends with the test too.
func startRabbit(t testing.TB, p pair) *rabbit {
	t.Helper()
	need.Program(t, "rabbitmq-server") // which only root may start, and not from elsewhere
	servers, err := filepath.Glob("/usr/lib/rabbitmq/lib/*/sbin/rabbitmq-server")
	if err != nil || len(servers) == 0 {
		need.Missing(t, "RabbitMQ is not where Debian has it")
	}
	r := &rabbit{t: t, owner: t, port: freePort(t), tlsPort: freePort(t), dir: t.TempDir()}
	names := freePort(t)
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(r.dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	config := write("rabbitmq.conf", fmt.Sprintf("listeners.tcp.1 = 127.0.0.1:%d\nlisteners.ssl.1 = 127.0.0.1:%d\n"+
		"ssl_options.cacertfile = %s\nssl_options.certfile = %[3]s\nssl_options.keyfile = %s\nssl_options.verify = verify_none\nlog.console = false\n", r.port, r.tlsPort, p.cert, p.key))
	r.env = []string{
		"HOME=" + r.dir, fmt.Sprintf("ERL_EPMD_PORT=%d", names), "ERL_EPMD_ADDRESS=127.0.0.1",
		"RABBITMQ_NODENAME=fanfold" + strings.ToLower(rand.Text()[:8]) + "@localhost", fmt.Sprintf("RABBITMQ_DIST_PORT=%d", freePort(t)),
		"RABBITMQ_CONFIG_FILE=" + config, "RABBITMQ_CONF_ENV_FILE=" + filepath.Join(r.dir, "none"),
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + write("plugins", "[]."), "RABBITMQ_ADVANCED_CONFIG_FILE=" + filepath.Join(r.dir, "none.config"),
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-setcookie " + rand.Text() + " -kernel inet_dist_use_interface {127,0,0,1}",
	}
	for name, folder := range map[string]string{"MNESIA_BASE": "mnesia", "LOG_BASE": "log", "GENERATED_CONFIG_DIR": "schema", "PID_FILE": "pid"} {
		r.env = append(r.env, "RABBITMQ_"+name+"="+filepath.Join(r.dir, folder))
	}
	startProgramAt(t, need.Program(t, "epmd"), launch{args: []string{"-port", fmt.Sprint(names), "-address", "127.0.0.1"}, env: r.env})
	eventually(t, "the name server listens", func() bool { return listens(names) })
	r.start(servers[0])
	return r
}

// start starts the broker, or starts it again. A script is its parent, so that both are a
// group of their own.
func (r *rabbit) start(server string) {
	r.t.Helper()
	p := startProgramAt(r.owner, server, launch{dir: r.dir, env: r.env, wrap: func(cmd *exec.Cmd) {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		cmd.WaitDelay = time.Second // its helpers have its output too, and end a little later
	}})
	r.process = p
	r.owner.Cleanup(func() { killGroup(p) })
	if !within(2*patience, func() bool { return !r.running() || listens(r.port) && listens(r.tlsPort) }) || !r.running() {
		r.t.Fatal("RabbitMQ does not start")
	}
}

// kill ends the broker as a crash does.
func (r *rabbit) kill() {
	r.t.Helper()
	killGroup(r.process)
}

func killGroup(p *process) {
	if p.running() {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		p.wait()
	}
}

// restart starts a broker that was killed.
func (r *rabbit) restart() {
	r.t.Helper()
	r.start(r.cmd.Path)
}

// open connects to the broker with confirms.
func (r *rabbit) open() *amqp.Channel {
	r.t.Helper()
	conn, err := amqp.Dial(fmt.Sprintf("amqp://127.0.0.1:%d/", r.port))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = conn.CloseDeadline(time.Now().Add(time.Second)) })
	ch, err := conn.Channel()
	if err == nil {
		err = ch.Confirm(false)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return ch
}

// queue makes a durable queue and binds it.
func queue(t testing.TB, ch *amqp.Channel, name string, args amqp.Table, bindings ...[2]string) {
	t.Helper()
	if _, err := ch.QueueDeclare(name, true, false, false, false, args); err != nil {
		t.Fatal(err)
	}
	for _, b := range bindings {
		if err := ch.QueueBind(name, b[1], b[0], false, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// send publishes a message and reports whether the broker has acknowledged it.
func send(ch *amqp.Channel, exchange, key string, m amqp.Publishing) bool {
	m.DeliveryMode = amqp.Persistent
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	sent, err := ch.PublishWithDeferredConfirmWithContext(ctx, exchange, key, false, false, m)
	if err != nil {
		return false
	}
	ok, err := sent.WaitContext(ctx)
	return err == nil && ok
}

// take takes one message from a queue.
func take(t testing.TB, ch *amqp.Channel, name string) (m amqp.Delivery) {
	t.Helper()
	eventually(t, "a message is in "+name, func() bool {
		got, ok, err := ch.Get(name, true)
		if err != nil {
			t.Fatal(err)
		}
		m = got
		return ok
	})
	return m
}
