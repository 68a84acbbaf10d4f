package main

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// mark begins a message; nanoseconds since 1970 follow, in markDigits digits.
const (
	mark       = "@@"
	markDigits = 19
)

// appendPayload appends a message of size bytes, or as long as its mark. The load should
// take little of the processors, which the servers have to share with it.
func appendPayload(b []byte, size int) []byte {
	end := len(b) + size
	b = strconv.AppendInt(append(b, mark...), time.Now().UnixNano(), 10)
	for len(b) < end {
		b = append(b, padding[:min(len(padding), end-len(b))]...)
	}
	return b
}

const padding = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

// heard is what came back.
type heard struct {
	deliveries int
	closed     int           // connections that the server has ended
	seconds    float64       // from the beginning to the last delivery
	latencies  []int64       // sorted, nanoseconds
	silence    bool          // the rest did not come
	elapsed    time.Duration // of publishing
	failed     int           // publishes
}

// quantile of the latencies, in milliseconds.
func (h *heard) quantile(q float64) float64 {
	if len(h.latencies) == 0 {
		return 0
	}
	return float64(h.latencies[min(len(h.latencies)-1, int(q*float64(len(h.latencies))))]) / 1e6
}

// patience is how long nothing may come before the rest is given up.
const patience = 15 * time.Second

// mostLatencies bounds what is kept of a flood.
const mostLatencies = 4_000_000

// listen reads until so many marks have come or nothing comes any more. onMarks, if not
// nil, is told of those of a client.
func (c *crowd) listen(ctx context.Context, expected int, onMarks func(s *socket, n int)) *heard {
	h := &heard{latencies: make([]int64, 0, min(expected, mostLatencies))}
	began, last := time.Now(), time.Now()
	events := make([]unix.EpollEvent, 512)
	buf := make([]byte, 256<<10)
	for h.deliveries < expected && ctx.Err() == nil {
		n, err := unix.EpollWait(c.epoll, events, 200)
		if err != nil && !errors.Is(err, unix.EINTR) {
			panic(err) // the descriptor is ours
		}
		for _, e := range events[:max(0, n)] {
			s := c.clients[e.Fd]
			marks, ok := s.read(buf, h)
			if !ok {
				h.closed++
				_ = unix.EpollCtl(c.epoll, unix.EPOLL_CTL_DEL, s.fd, nil)
			}
			if marks == 0 {
				continue
			}
			last = time.Now()
			h.deliveries += marks
			if onMarks != nil {
				onMarks(s, marks)
			}
		}
		if time.Since(last) > patience {
			h.silence = true
			break
		}
	}
	h.seconds = last.Sub(began).Seconds()
	slices.Sort(h.latencies)
	return h
}

// read takes what there is and counts the marks in it. It is false if the server has
// ended the connection.
func (s *socket) read(buf []byte, h *heard) (marks int, ok bool) {
	kept := copy(buf, s.tail)
	n, err := unix.Read(s.fd, buf[kept:])
	switch {
	case errors.Is(err, unix.EAGAIN):
		return 0, true
	case n <= 0:
		return 0, false
	}
	now := time.Now().UnixNano()
	data := buf[:kept+n]
	for {
		at := bytes.Index(data, []byte(mark))
		if at < 0 {
			data = data[max(0, len(data)-1):]
			break
		}
		if data = data[at:]; len(data) < len(mark)+markDigits {
			break
		}
		if sent, err := strconv.ParseInt(string(data[len(mark):len(mark)+markDigits]), 10, 64); err == nil {
			marks++
			if len(h.latencies) < cap(h.latencies) {
				h.latencies = append(h.latencies, now-sent)
			}
		}
		data = data[len(mark)+markDigits:]
	}
	s.tail = append(s.tail[:0], data...)
	return marks, true
}

// flood is what to publish.
type flood struct {
	messages, publishers int
	rate                 float64 // a second; 0: as fast as the answers come
	size                 int     // bytes of a message
	fan                  int     // deliveries of each
	channels             int     // one after the other; 0: one
	batch                int     // messages in a request, see target.publishBody; 0: one

	rest time.Duration // what the server has afterwards, until its memory is looked at again
}

// run publishes and listens at once.
func (c *crowd) run(ctx context.Context, t target, f flood) (*heard, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan *heard, 1)
	go func() { done <- c.listen(ctx, f.messages*f.fan, nil) }()
	began := time.Now()
	failed, err := publish(ctx, t, f)
	elapsed := time.Since(began)
	if err != nil {
		cancel()
	}
	h := <-done
	h.elapsed, h.failed = elapsed, failed
	return h, err
}

// publish sends all messages and waits for the answers.
func publish(ctx context.Context, t target, f flood) (failed int, err error) {
	var next, failures atomic.Int64
	var wrong atomic.Pointer[error]
	began := time.Now()
	batch := max(1, f.batch)
	var working sync.WaitGroup
	for range f.publishers {
		working.Go(func() {
			p, err := newPublisher(ctx, t)
			if err != nil {
				wrong.CompareAndSwap(nil, &err)
				return
			}
			defer p.close()
			for ctx.Err() == nil {
				k := int(next.Add(1)-1) * batch
				if k >= f.messages {
					return
				}
				if f.rate > 0 {
					time.Sleep(time.Until(began.Add(time.Duration(float64(k) / f.rate * float64(time.Second)))))
				}
				ok, err := p.post(k%max(1, f.channels), f.size, batch)
				if err != nil {
					wrong.CompareAndSwap(nil, &err)
					return
				}
				if !ok {
					failures.Add(1)
				}
			}
		})
	}
	working.Wait()
	if e := wrong.Load(); e != nil {
		err = *e
	}
	return int(failures.Load()), err
}

// echo has each client send a text and wait for the answer, again and again.
func (c *crowd) echo(ctx context.Context, texts, size int) *heard {
	sent := 0
	say := func(s *socket) {
		if sent < texts {
			sent++
			_, _ = unix.Write(s.fd, frame(appendPayload(nil, size))) // a text that is lost shows in the count
		}
	}
	for _, s := range c.clients {
		say(s)
	}
	return c.listen(ctx, texts, func(s *socket, n int) {
		for range n {
			say(s)
		}
	})
}
