package gallery

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/disk"
	"github.com/shirou/gopsutil/v4/mem"
	"github.com/shirou/gopsutil/v4/net"
)

// Bounds of a sample, for hosts with very many of each.
const (
	maxCores      = 32
	maxInterfaces = 6 // the busiest ones
)

// counters are one reading of what the system counts since it was started. What it
// does not tell is nil.
type counters struct {
	time       time.Time
	cores      []cpu.TimesStat
	memory     *mem.VirtualMemoryStat
	swap       *mem.SwapMemoryStat
	usage      *disk.UsageStat // of the folder's file system
	disks      map[string]disk.IOCountersStat
	interfaces []net.IOCountersStat
}

// readCounters reads all counters. It does not wait.
func readCounters(ctx context.Context, folder string) counters {
	c := counters{time: time.Now()}
	c.cores = known(cpu.TimesWithContext(ctx, true))
	c.memory = known(mem.VirtualMemoryWithContext(ctx))
	c.swap = known(mem.SwapMemoryWithContext(ctx))
	c.disks = known(disk.IOCountersWithContext(ctx))
	c.interfaces = known(net.IOCountersWithContext(ctx, true))
	if folder != "" {
		c.usage = known(disk.UsageWithContext(ctx, folder))
	}
	return c
}

// known drops what could not be read, which a platform may not have or not tell.
func known[T any](value T, err error) (none T) {
	if err != nil {
		return none
	}
	return value
}

// since returns what happened since an earlier reading, by topic.
func (c counters) since(last counters) map[string]values {
	seconds := c.time.Sub(last.time).Seconds()
	return map[string]values{
		"cpu":     coresSince(c.cores, last.cores),
		"memory":  memoryOf(c.memory, c.swap),
		"disk":    disksSince(c.disks, last.disks, seconds, c.usage),
		"network": interfacesSince(c.interfaces, last.interfaces, seconds),
	}
}

// coresSince returns how busy each core was, and all together, in percent.
func coresSince(now, last []cpu.TimesStat) values {
	v := values{}
	if len(now) != len(last) {
		return v // a core was switched on or off
	}
	var busy, all float64
	for i := range now {
		b, a := timesSince(now[i], last[i])
		if busy, all = busy+b, all+a; a > 0 && i < maxCores {
			v[fmt.Sprintf("core/%d", i+1)] = percent(b, a)
		}
	}
	if all > 0 {
		v["total"] = percent(busy, all)
	}
	return v
}

// timesSince returns the seconds in which a core was busy, and all seconds; 0, 0 if
// its clocks went back by more than they do by themselves: Linux takes waiting for a disk
// back now and then. A guest's time is the host's user time already.
func timesSince(now, last cpu.TimesStat) (busy, all float64) {
	work := func(t cpu.TimesStat) float64 { return t.User + t.Nice + t.System + t.Irq + t.Softirq + t.Steal }
	busy = work(now) - work(last)
	idle := now.Idle + now.Iowait - last.Idle - last.Iowait
	if min(busy, idle) < -0.5 {
		return 0, 0
	}
	busy, idle = max(busy, 0), max(idle, 0)
	return busy, busy + idle
}

func percent(part, all float64) float64 { return math.Round(1000*part/all) / 10 }

// memoryOf returns bytes.
func memoryOf(memory *mem.VirtualMemoryStat, swap *mem.SwapMemoryStat) values {
	v := values{}
	if memory != nil && memory.Total > 0 {
		v["total"], v["used"] = float64(memory.Total), float64(memory.Total-min(memory.Available, memory.Total))
	}
	if swap != nil && swap.Total > 0 {
		v["swap/total"], v["swap/used"] = float64(swap.Total), float64(swap.Used)
	}
	return v
}

// disksSince returns the bytes a second of all disks together, and the bytes of the
// file system. Disks that came or went meanwhile are counted from the next time on.
func disksSince(now, last map[string]disk.IOCountersStat, seconds float64, usage *disk.UsageStat) values {
	v := values{}
	if usage != nil && usage.Total > 0 {
		v["total"], v["used"] = float64(usage.Total), float64(usage.Used)
	}
	for _, name := range wholeDisks(now) {
		was, ok := last[name]
		if !ok {
			continue
		}
		v.add("read", now[name].ReadBytes, was.ReadBytes, seconds)
		v.add("written", now[name].WriteBytes, was.WriteBytes, seconds)
	}
	return v
}

// wholeDisks returns the names of the devices that are no part of another one, nor
// built upon one: what is read from those is read from a disk too.
func wholeDisks(all map[string]disk.IOCountersStat) (names []string) {
	for name := range all {
		built := slices.ContainsFunc([]string{"loop", "ram", "zram", "dm-", "md"}, func(kind string) bool {
			return strings.HasPrefix(name, kind)
		})
		part := strings.ContainsAny(name, "0123456789") && hasPrefixIn(all, name)
		if !built && !part {
			names = append(names, name)
		}
	}
	return names
}

// hasPrefixIn: sda1 is a part of sda, nvme0n1p1 of nvme0n1.
func hasPrefixIn(all map[string]disk.IOCountersStat, name string) bool {
	for length := 2; length < len(name); length++ {
		if _, ok := all[name[:length]]; ok {
			return true
		}
	}
	return false
}

// interfacesSince returns the bytes and packets a second of the interfaces that have
// carried most.
func interfacesSince(now, last []net.IOCountersStat, seconds float64) values {
	v := values{}
	before := map[string]net.IOCountersStat{}
	for _, i := range last {
		before[i.Name] = i
	}
	for _, i := range busiest(now) {
		was, ok := before[i.Name]
		if !ok {
			continue
		}
		v.add("received/"+i.Name, i.BytesRecv, was.BytesRecv, seconds)
		v.add("sent/"+i.Name, i.BytesSent, was.BytesSent, seconds)
		v.add("packets received/"+i.Name, i.PacketsRecv, was.PacketsRecv, seconds)
		v.add("packets sent/"+i.Name, i.PacketsSent, was.PacketsSent, seconds)
	}
	return v
}

// busiest goes by all that was ever carried, so that the choice does not flicker.
// Those that have carried nothing are not in it.
func busiest(all []net.IOCountersStat) []net.IOCountersStat {
	all = slices.DeleteFunc(slices.Clone(all), func(i net.IOCountersStat) bool { return i.BytesRecv+i.BytesSent == 0 })
	slices.SortStableFunc(all, func(a, b net.IOCountersStat) int {
		return cmp.Or(cmp.Compare(b.BytesRecv+b.BytesSent, a.BytesRecv+a.BytesSent), strings.Compare(a.Name, b.Name))
	})
	return all[:min(len(all), maxInterfaces)]
}

// add adds what was counted a second. It is not known if the counter went back, as
// when a device was taken out and put in again.
func (v values) add(name string, now, last uint64, seconds float64) {
	if now >= last && seconds > 0 {
		v[name] += math.Round(float64(now-last) / seconds)
	}
}
