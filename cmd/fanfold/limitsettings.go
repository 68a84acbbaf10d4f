package main

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"fanfold/api/limit"

	"github.com/dustin/go-humanize"
)

// limitSettings say how much of the hub anybody may take. The flags are called as
// the limits are.
type limitSettings struct {
	Connections        int         `default:"50000" placeholder:"N" help:"WebSockets and streams that may be open at once; 0 is any number. Default: ${default}."`
	ConnectionsPerUser int         `default:"100" placeholder:"N" help:"The same of one user, who has shown a token; 0 is any number. Default: ${default}."`
	ConnectionsPerIP   int         `name:"connections-per-ip" default:"200" placeholder:"N" help:"The same from one address, or IPv6 /64, of those who have shown no credential; 0 is any number. The limits per address do not count what comes from this machine itself. Default: ${default}."`
	Connects           rateSetting `default:"20/s,200" placeholder:"RATE" help:"How often one user, or an address for those without a credential, may connect, poll or open a stream: so many a second (/s), minute (/m) or hour (/h), and how many at once; off is no limit. Default: ${default}."`
	FailuresPerIP      rateSetting `name:"failures-per-ip" default:"1/s,20" placeholder:"RATE" help:"How many tokens or keys that are not accepted may come from one address. Default: ${default}."`
	IdlePerIP          int         `name:"idle-per-ip" default:"1000" placeholder:"N" help:"TCP connections from one address on which no request has come yet, or waits for no answer; 0 is any number. Default: ${default}."`

	PublishesPerKey  rateSetting `default:"5000/s,20000" placeholder:"RATE" help:"Messages that may be published with one key. Default: ${default}."`
	PublishesPerUser rateSetting `default:"50/s,500" placeholder:"RATE" help:"Messages of one user, from wherever. Default: ${default}."`
	PublishesPerIP   rateSetting `name:"publishes-per-ip" default:"50/s,500" placeholder:"RATE" help:"Messages from one address without a credential. Default: ${default}."`
	BytesPerKey      sizeRate    `default:"32MB/s,128MB" placeholder:"RATE" help:"How long the messages that are published with one key may be together. Default: ${default}."`
	BytesPerUser     sizeRate    `default:"1MB/s,10MB" placeholder:"RATE" help:"The same of one user. Default: ${default}."`
	BytesPerIP       sizeRate    `name:"bytes-per-ip" default:"1MB/s,10MB" placeholder:"RATE" help:"The same from one address without a credential. Default: ${default}."`

	Channels    int           `default:"128" placeholder:"N" help:"Channels and patterns that one connection may be subscribed to. Default: ${default}."`
	HeaderBytes byteSize      `default:"64KiB" placeholder:"SIZE" help:"How long a request's line and headers may be. Default: ${default}."`
	HeaderTime  time.Duration `default:"10s" placeholder:"TIME" help:"How long a client may take to send them, with the TLS handshake before. Default: ${default}."`
	BodyTime    time.Duration `default:"30s" placeholder:"TIME" help:"How long a client may take to send a request's body. Default: ${default}."`
}

func (s *limitSettings) config() limit.Config {
	return limit.Config{
		Connections:        s.Connections,
		ConnectionsPerUser: s.ConnectionsPerUser,
		ConnectionsPerIP:   s.ConnectionsPerIP,
		Connects:           limit.Rate(s.Connects),
		FailuresPerIP:      limit.Rate(s.FailuresPerIP),
		IdlePerIP:          s.IdlePerIP,
		Key:                limit.Budget{Messages: limit.Rate(s.PublishesPerKey), Bytes: limit.Rate(s.BytesPerKey)},
		User:               limit.Budget{Messages: limit.Rate(s.PublishesPerUser), Bytes: limit.Rate(s.BytesPerUser)},
		IP:                 limit.Budget{Messages: limit.Rate(s.PublishesPerIP), Bytes: limit.Rate(s.BytesPerIP)},
	}
}

// validate says which limit can't be used with messages of that size.
func (s *limitSettings) validate(largest int) error {
	if err := s.config().Validate(largest); err != nil {
		return fmt.Errorf("--%w", err)
	}
	switch {
	case s.Channels < 1:
		return fmt.Errorf("--limit-channels %d: give 1 or more", s.Channels)
	case s.HeaderBytes < 4<<10 || s.HeaderBytes > 1<<20:
		return fmt.Errorf("--limit-header-bytes %d: give 4KiB to 1MiB", s.HeaderBytes)
	case s.HeaderTime < time.Second || s.HeaderTime > 5*time.Minute:
		return fmt.Errorf("--limit-header-time %v: give a time from 1s to 5m", s.HeaderTime)
	case s.BodyTime < time.Second || s.BodyTime > time.Hour:
		return fmt.Errorf("--limit-body-time %v: give a time from 1s to 1h", s.BodyTime)
	}
	return nil
}

// bind sets what a server bounds before it knows a request: against headers without
// an end, in length or in time.
func (s *limitSettings) bind(server *http.Server) {
	server.MaxHeaderBytes, server.ReadHeaderTimeout = int(s.HeaderBytes), s.HeaderTime
}

// rateSetting is a rate of countable things, like 50/s,500.
type rateSetting limit.Rate

// UnmarshalText implements [encoding.TextUnmarshaler].
func (r *rateSetting) UnmarshalText(text []byte) error {
	rate, err := parseRate(string(text), func(number string) (float64, error) { return strconv.ParseFloat(number, 64) })
	if err != nil {
		return fmt.Errorf("%q is no rate: give one like 50/s,500, which is 50 a second and 500 at once, or off", text)
	}
	*r = rateSetting(rate)
	return nil
}

// sizeRate is a rate of bytes, like 1MB/s,10MB.
type sizeRate limit.Rate

// UnmarshalText implements [encoding.TextUnmarshaler].
func (r *sizeRate) UnmarshalText(text []byte) error {
	rate, err := parseRate(string(text), func(size string) (float64, error) {
		n, err := humanize.ParseBytes(size)
		return float64(n), err
	})
	if err != nil {
		return fmt.Errorf("%q is no rate of bytes: give one like 1MB/s,10MB, which is a megabyte a second and ten at once, or off", text)
	}
	*r = sizeRate(rate)
	return nil
}

var rateUnits = map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}

// parseRate reads a rate. Without a burst that is what one unit of time has.
func parseRate(text string, number func(string) (float64, error)) (limit.Rate, error) {
	if text == "off" {
		return limit.Rate{}, nil
	}
	text, burstText, hasBurst := strings.Cut(text, ",")
	amountText, unitText, _ := strings.Cut(text, "/")
	unit, ok := rateUnits[strings.TrimSpace(unitText)]
	amount, err := number(strings.TrimSpace(amountText))
	if err != nil || !ok {
		return limit.Rate{}, fmt.Errorf("no amount and unit of time in %q", text)
	}
	burst := amount
	if hasBurst {
		burst, err = number(strings.TrimSpace(burstText))
	}
	if err != nil || !(amount > 0) || !(burst >= 1) || burst > math.MaxInt32 || amount > math.MaxInt32 {
		return limit.Rate{}, fmt.Errorf("no rate in %q", text)
	}
	return limit.Rate{PerSecond: amount / unit.Seconds(), Burst: int(burst)}, nil
}
