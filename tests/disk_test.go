package tests

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"fanfold/tests/need"
)

// disk is a small file system that only the programs started on it see, in a
// mount namespace that a process of its own holds. It needs no root where users may make
// namespaces.
type disk struct {
	t      testing.TB
	path   string // as the programs see it
	holder int    // the process
	enter  []string
}

// newDisk makes one of that many bytes. It is gone at the test's end.
func newDisk(t testing.TB, bytes int) *disk {
	t.Helper()
	nsenter, mount := need.Program(t, "nsenter"), need.Program(t, "mount")
	d := &disk{t: t, path: t.TempDir()}
	script := fmt.Sprintf(`%s -t tmpfs -o size=%d tmpfs %q && echo mounted && exec cat`, mount, bytes, d.path)
	cmd := exec.Command("sh", "-c", script)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		need.Missing(t, "needs to make a mount namespace: %v", err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait() // ends for want of input
	})
	if _, err := io.ReadFull(stdout, make([]byte, len("mounted\n"))); err != nil {
		need.Missing(t, "needs to mount a file system: %v", err)
	}
	d.holder = cmd.Process.Pid
	d.enter = []string{nsenter, "--target", strconv.Itoa(d.holder), "--mount"}
	if os.Getuid() != 0 {
		d.enter = append(d.enter, "--user", "--preserve-credentials")
	}
	return d
}

// start runs a hub that keeps its data on the disk.
func (d *disk) start(args ...string) *hub {
	d.t.Helper()
	h := startHubAs(d.t, launch{args: append(args, "--data", filepath.Join(d.path, "data")), wrap: func(cmd *exec.Cmd) {
		cmd.Args = append(append(d.enter[:len(d.enter):len(d.enter)], cmd.Path), cmd.Args[1:]...)
		cmd.Path = d.enter[0]
	}})
	h.faulty = true
	return h
}

// file is the path of a file on the disk for this process.
func (d *disk) file(name string) string {
	return filepath.Join("/proc", strconv.Itoa(d.holder), "root", d.path, name)
}

// fill leaves no room on the disk.
func (d *disk) fill() {
	d.t.Helper()
	f, err := os.Create(d.file("filler"))
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else if err != nil {
			d.t.Fatal(err)
		}
	}
}

// empty takes away what fill has written.
func (d *disk) empty() {
	d.t.Helper()
	if err := os.Remove(d.file("filler")); err != nil {
		d.t.Fatal(err)
	}
}

// remount makes the disk read-only ("ro") or not ("rw"). It waits until nobody has a
// file open for writing.
func (d *disk) remount(mode string) {
	d.t.Helper()
	var out []byte
	args := append(d.enter[1:len(d.enter):len(d.enter)], "mount", "-t", "tmpfs", "-o", "remount,"+mode, "tmpfs", d.path) // without looking up other options
	if !within(patience, func() (done bool) {
		var err error
		out, err = exec.Command(d.enter[0], args...).CombinedOutput()
		return err == nil
	}) {
		d.t.Fatalf("remount %s: %s", mode, out)
	}
}
