package gallery

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/disk"
	"github.com/shirou/gopsutil/v4/mem"
	"github.com/shirou/gopsutil/v4/net"
)

// Samples of this very host come once a second, each topic to its channel, and a
// newcomer who subscribes, then asks, has every one of them.
func TestDevicesOfThisHost(t *testing.T) {
	t.Parallel()
	own, visitor := newHub(t)
	d := newDevices(own)
	heard := following(t, visitor, deviceChannels+"*")
	running(t, d)
	got := map[string][]int{}
	for len(got["gallery.devices.memory"]) < 4 {
		m := next(t, heard)
		var s deviceMessage
		if err := json.Unmarshal(m.Data, &s); err != nil || len(s.Values) == 0 || m.ID == "" || !m.Position.IsZero() {
			t.Fatalf("%+v: %v", m, err)
		}
		for name, v := range s.Values {
			if v < 0 || strings.HasPrefix(m.Channel, "gallery.devices.cpu") && v > 100 {
				t.Errorf("%s: %s is %v", m.Channel, name, v)
			}
		}
		got[m.Channel] = append(got[m.Channel], s.N)
	}
	if !slices.Equal(got["gallery.devices.cpu"], got["gallery.devices.memory"][:len(got["gallery.devices.cpu"])]) || len(got["gallery.devices.cpu"]) < 3 || got["gallery.devices.memory"][0] != 1 {
		t.Errorf("the samples are numbered %v", got)
	}
	h := recentOf(t, d)
	if h.Run != d.session || h.First != 1 || len(h.Times) < 3 || len(h.Topics["cpu"]["total"]) != len(h.Times) {
		t.Errorf("recent: %+v", h)
	}
}

func recentOf(t *testing.T, d *devices) (h deviceHistory) {
	t.Helper()
	data, err := d.recent(t.Context(), nil, nil)
	if err == nil {
		err = json.Unmarshal(data, &h)
	}
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// Each second is read once; five minutes are kept, without a hole, and no more.
func TestFiveMinutesAreKept(t *testing.T) {
	t.Parallel()
	own, _ := newHub(t)
	synctest.Test(t, func(t *testing.T) {
		d := newDevices(own)
		read := 0
		d.read = func(context.Context) counters {
			read++
			return counters{time: time.Now(), interfaces: []net.IOCountersStat{{Name: "eth0", BytesRecv: uint64(100 * read)}}}
		}
		ctx, cancel := context.WithCancel(t.Context())
		d.Client = nil // nothing outside of the bubble may be waited for
		done := make(chan struct{})
		go func() { d.sample(ctx, func(context.Context, sample) {}); close(done) }()
		time.Sleep(7*time.Minute + time.Second/2) // of the bubble's clock
		synctest.Wait()
		cancel()
		<-done
		h := recentOf(t, d)
		if read != 421 || h.First != 121 || len(h.Times) != deviceKept {
			t.Errorf("%d readings; %d samples are kept from the %dth on", read, len(h.Times), h.First)
		}
		for i, at := range h.Times[1:] {
			if at-h.Times[i] != 1000 {
				t.Errorf("sample %d comes %d ms after the one before it", i+1, at-h.Times[i])
			}
		}
		if c := h.Topics["network"]["received/eth0"]; len(c) != deviceKept || slices.ContainsFunc(c, func(v *float64) bool { return v == nil || *v != 100 }) {
			t.Errorf("received: %d values", len(c))
		}
		if h.Topics["cpu"] != nil || h.Topics["memory"] != nil || h.Topics["disk"] != nil {
			t.Error("what the system did not tell has values")
		}
	})
}

// What is not known is left out: counters that went back, what has just appeared or
// vanished, what the platform does not count.
func TestWhatIsNotKnownIsLeftOut(t *testing.T) {
	t.Parallel()
	at := time.Now()
	last := counters{
		time:  at,
		cores: []cpu.TimesStat{{User: 10, Idle: 10}, {User: 10, Idle: 10}},
		disks: map[string]disk.IOCountersStat{"sda": {ReadBytes: 1000, WriteBytes: 500}, "gone": {ReadBytes: 9}},
		interfaces: []net.IOCountersStat{
			{Name: "eth0", BytesRecv: 100, BytesSent: 100, PacketsRecv: 10, PacketsSent: 10}, {Name: "gone0", BytesRecv: 5}, {Name: "idle0"},
		},
	}
	now := counters{
		time:  at.Add(2 * time.Second),
		cores: []cpu.TimesStat{{User: 11, Idle: 10.5, Iowait: 0.5}, {User: 9, Idle: 11}},
		disks: map[string]disk.IOCountersStat{
			"sda": {ReadBytes: 3000, WriteBytes: 400}, "sda1": {ReadBytes: 1 << 40}, "dm-0": {ReadBytes: 1 << 40}, "loop3": {ReadBytes: 1 << 40}, "sdb": {ReadBytes: 1 << 40},
		},
		interfaces: []net.IOCountersStat{
			{Name: "new0", BytesRecv: 1 << 30}, {Name: "idle0"}, {Name: "eth0", BytesRecv: 300, BytesSent: 40, PacketsRecv: 14, PacketsSent: 10},
		},
		memory: &mem.VirtualMemoryStat{Total: 1000, Available: 400},
		swap:   &mem.SwapMemoryStat{},
	}
	want := map[string]values{
		"cpu":     {"core/1": 50, "total": 50},
		"memory":  {"total": 1000, "used": 600},
		"disk":    {"read": 1000},
		"network": {"received/eth0": 100, "packets received/eth0": 2, "packets sent/eth0": 0},
	}
	if got := now.since(last); !reflect.DeepEqual(got, want) {
		t.Errorf("the sample is %v, want %v", got, want)
	}
	last.cores = []cpu.TimesStat{{User: 10.3, Idle: 5, Iowait: 2}, {User: 10}}
	now.cores = []cpu.TimesStat{{User: 11.3, Idle: 5.1, Iowait: 1.8}, {User: 10}}
	if got := now.since(last)["cpu"]; !reflect.DeepEqual(got, values{"core/1": 100, "total": 100}) {
		t.Errorf("a core that is busy all the time, and one that stands still: %v", got)
	}
	last.cores = last.cores[:1]
	if got := now.since(last)["cpu"]; len(got) > 0 {
		t.Errorf("a core more: %v", got)
	}
	if got := (counters{time: at}).since(last); len(got["cpu"])+len(got["memory"])+len(got["disk"])+len(got["network"]) > 0 {
		t.Errorf("of nothing: %v", got)
	}
}

// A host with very many cores, interfaces that come and go, does not make messages
// grow without end.
func TestSamplesAreBounded(t *testing.T) {
	t.Parallel()
	d := &devices{}
	var last, now counters
	for i := range 500 {
		last.cores = append(last.cores, cpu.TimesStat{})
		now.cores = append(now.cores, cpu.TimesStat{User: 1, Idle: float64(i)})
	}
	for round := range 400 {
		now.time, last.interfaces = last.time.Add(time.Second), nil
		for i := range 40 {
			last.interfaces = append(last.interfaces, net.IOCountersStat{Name: fmt.Sprintf("veth%d-%d", round, i), BytesSent: uint64(i)})
		}
		now.interfaces = last.interfaces
		s := d.add(now.time, now.since(last))
		if len(s.values["cpu"]) != maxCores+1 || len(s.values["network"]) != 4*maxInterfaces {
			t.Fatalf("the sample has %d and %d values", len(s.values["cpu"]), len(s.values["network"]))
		}
	}
	h := recentOf(t, d)
	columns := slices.Collect(maps.Keys(h.Topics["network"]))
	if len(h.Times) != deviceKept || len(columns) != maxColumns || !slices.Contains(columns, "sent/veth399-39") {
		t.Errorf("%d samples with the columns %v", len(h.Times), columns)
	}
}

// BenchmarkSample is what the example costs a second.
func BenchmarkSample(b *testing.B) {
	d := newDevices(Config{Folder: b.TempDir()})
	last := d.read(b.Context())
	for b.Loop() {
		now := d.read(b.Context())
		d.add(now.time, now.since(last))
		last = now
	}
}
