package dialect

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"time"

	"fanfold/hub"
)

// CentrifugeConfig is what a [Centrifuge] is made from.
type CentrifugeConfig struct {
	// Version is what clients are told of the server's version.
	Version string
	// Methods are the calls that clients can make by rpc, beside casefold.
	Methods map[string]Method
	// PingEvery is the time from one ping to the next. 0: 25 s.
	PingEvery time.Duration
	// IdentifyWithin is how long a client may take to send connect. 0: 10 s.
	IdentifyWithin time.Duration
	// RecoverBytes bounds the publications or clients in one reply. It should be at
	// most half a session's outbox, or a reply could be cut off as too slow. 0: 256 KiB.
	RecoverBytes int
	// Tokens is who verifies tokens in frames. nil: a client with one is refused rather
	// than believed.
	Tokens Tokens
	// Now is the clock that expiry is told by. It is required where anybody's time ends.
	Now func() time.Time
	// Logger gets the causes of internal errors. nil: they are not logged.
	Logger *slog.Logger
}

// Centrifuge is version 2 of the Centrifuge client protocol in JSON: commands
// and replies, one JSON object a line. It is static, and all sessions of one
// Centrifuge share their frames.
//
// A client is who the token in its connect says, or else who sent the request that
// opened the connection, if that is anybody. What it may do is the hub's to say.
type Centrifuge struct {
	config CentrifugeConfig
}

var _ Dialect = (*Centrifuge)(nil)

// NewCentrifuge returns the protocol with defaults for what config leaves out.
func NewCentrifuge(config CentrifugeConfig) *Centrifuge {
	config.PingEvery = cmp.Or(config.PingEvery, 25*time.Second)
	config.IdentifyWithin = cmp.Or(config.IdentifyWithin, 10*time.Second)
	config.RecoverBytes = cmp.Or(config.RecoverBytes, 256<<10)
	config.Logger = cmp.Or(config.Logger, slog.New(slog.DiscardHandler))
	methods := map[string]Method{"casefold": {Call: callCasefold}}
	maps.Copy(methods, config.Methods)
	config.Methods = methods
	return &Centrifuge{config: config}
}

// Connect implements [Dialect]. Whoever is nobody yet may still say who it is in
// its first frame.
func (d *Centrifuge) Connect(_ context.Context, h *hub.Actor, conn hub.Conn, r Request) (Peer, error) {
	session, err := h.Open(hub.SessionConfig{
		Conn:           conn,
		Codec:          d,
		PingEvery:      d.config.PingEvery,
		Pongs:          true,
		IdentifyWithin: d.config.IdentifyWithin,
		Unannounced:    true,
	})
	if err != nil {
		return nil, err
	}
	return &centrifugePeer{dialect: d, session: session, refused: r.Refused}, nil
}

// Separator implements [Dialect].
func (d *Centrifuge) Separator() string { return "\n" }

// Encode implements [hub.Codec].
func (d *Centrifuge) Encode(e hub.Event) []byte {
	switch e.Kind {
	case hub.KindMessage:
		return encodePub(e.Subscription, e.Message)
	case hub.KindJoin:
		return encodePresence(e.Subscription, "join", e.Client)
	case hub.KindLeave:
		return encodePresence(e.Subscription, "leave", e.Client)
	case hub.KindSubscribed:
		return encodeSubscribe(e)
	case hub.KindUnsubscribed:
		return encodeUnsubscribe(e.Subscription, e.Reason)
	case hub.KindPing:
		return pingFrame
	}
	return nil
}

// The protocol's close codes. Clients come back after those below 3500 and from
// 4000 to 4499, and stay away after the others.
const (
	closeConnection        = 3000
	closeShutdown          = 3001
	closeServerError       = 3004
	closeExpired           = 3005
	closeSubExpired        = 3006
	closeSlow              = 3008
	closeWriteError        = 3009
	closeInsufficientState = 3010
	closeForceReconnect    = 3011
	closeNoPong            = 3012
	closeTooManyRequests   = 3013
	closeStateInvalidated  = 3014

	closeInvalidToken     = 3500
	closeBadRequest       = 3501
	closeStale            = 3502
	closeForceNoReconnect = 3503
	closeConnectionLimit  = 3504
	closeChannelLimit     = 3505
	closeInappropriate    = 3506
	closePermissionDenied = 3507
	closeNotAvailable     = 3508
	closeTooManyErrors    = 3509
)

var closeTexts = map[int]string{
	closeConnection:        "connection closed",
	closeShutdown:          "shutdown",
	closeServerError:       "internal server error",
	closeExpired:           "connection expired",
	closeSubExpired:        "subscription expired",
	closeSlow:              "slow",
	closeWriteError:        "write error",
	closeInsufficientState: "insufficient state",
	closeForceReconnect:    "force reconnect",
	closeNoPong:            "no pong",
	closeTooManyRequests:   "too many requests",
	closeStateInvalidated:  "state invalidated",
	closeInvalidToken:      "invalid token",
	closeBadRequest:        "bad request",
	closeStale:             "stale",
	closeForceNoReconnect:  "force no reconnect",
	closeConnectionLimit:   "connection limit",
	closeChannelLimit:      "channel limit",
	closeInappropriate:     "inappropriate protocol",
	closePermissionDenied:  "permission denied",
	closeNotAvailable:      "not available",
	closeTooManyErrors:     "too many errors",
}

var closeCodes = map[hub.Cause]int{
	hub.CauseClosed:     closeConnection,
	hub.CauseShutdown:   closeShutdown,
	hub.CauseSlow:       closeSlow,
	hub.CauseNoPong:     closeNoPong,
	hub.CauseStale:      closeStale,
	hub.CauseBadRequest: closeBadRequest,
	hub.CauseDenied:     closePermissionDenied,
	hub.CauseRevoked:    closeInvalidToken,
	hub.CauseExpired:    closeExpired,
	hub.CauseServer:     closeForceNoReconnect,
	hub.CauseGap:        closeInsufficientState,
	hub.CauseInternal:   closeServerError,
}

// CloseCode implements [Dialect].
func (d *Centrifuge) CloseCode(r hub.Reason) (code int, text string) {
	code, text = r.Code, r.Text
	if code == 0 {
		code = closeCodes[r.Cause]
		if r.Cause == hub.CauseRevoked {
			text = cmp.Or(text, closeTexts[code]+": it was revoked")
		}
	}
	return code, closeText(cmp.Or(text, closeTexts[code], "closed by the server"))
}

// closeText makes text fit a close frame. It never returns valid JSON: the
// JavaScript client heeds a terminal code only if the text is no JSON.
func closeText(text string) string {
	text = cutText(text, maxCloseText)
	if !json.Valid([]byte(text)) {
		return text
	}
	const prefix = "reason: "
	return prefix + cutText(text, maxCloseText-len(prefix))
}

// The protocol's codes for the end of a subscription. Clients subscribe again
// after those from 2500.
const (
	unsubscribeServer            = 2000
	unsubscribeInsufficientState = 2500
	unsubscribeExpired           = 2501
	unsubscribeStateInvalidated  = 2502
)

var unsubscribeTexts = map[int]string{
	unsubscribeServer:            "server unsubscribe",
	unsubscribeInsufficientState: "insufficient state",
	unsubscribeExpired:           "subscription expired",
	unsubscribeStateInvalidated:  "state invalidated",
}

// unsubscribeCode returns the code and text that tell why a subscription ended.
func unsubscribeCode(r hub.Reason) (code int, text string) {
	code, text = r.Code, r.Text
	if code == 0 {
		switch r.Cause {
		case hub.CauseGap, hub.CauseInternal:
			code = unsubscribeInsufficientState
		case hub.CauseExpired:
			code = unsubscribeExpired
		case hub.CauseRevoked:
			code, text = unsubscribeServer, cmp.Or(text, "the subscription's token was revoked")
		case hub.CauseDenied:
			code, text = unsubscribeServer, cmp.Or(text, "no subscribe grant covers it any more")
		default:
			code = unsubscribeServer
		}
	}
	return code, cmp.Or(text, unsubscribeTexts[code], "unsubscribed by the server")
}
