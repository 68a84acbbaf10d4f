package access

import (
	"fmt"
	"strings"
	"time"

	"fanfold/hub"
)

// Check names what a credential must pass.
type Check string

// The checks, in the order in which they are made.
const (
	CheckCredential Check = "credential" // there is one, and it can be read
	CheckFormat     Check = "format"     // a token is three parts of JSON and a signature
	CheckAlgorithm  Check = "algorithm"  // one that the key is for
	CheckKey        Check = "key"        // one that the hub knows
	CheckSignature  Check = "signature"
	CheckClaims     Check = "claims"  // what the token says has the right kinds
	CheckPurpose    Check = "purpose" // a connection's token, or a subscription's
	CheckExpiry     Check = "expiry"
	CheckNotBefore  Check = "not before"
	CheckAudience   Check = "audience"
	CheckIssuer     Check = "issuer"
	CheckRevoked    Check = "revocation"
)

// Refusal is why a credential was not accepted. As a [hub.Error] it has
// [hub.CodeUnauthenticated]; or [hub.CodeExpired] for a token whose time is over; or
// [hub.CodeUnavailable] if it could not be checked now. None of its texts holds a secret.
type Refusal struct {
	Check Check
	// Message is for the client's developer. It says nothing about a token's claims
	// before its signature was found good.
	Message string
	Detail  string // what else the log and an operator may know; may be ""
	// Subject and TokenID are the token's, once its signature was found good.
	Subject, TokenID string

	code  hub.Code
	cause error
}

// Error returns the message, then the detail.
func (r *Refusal) Error() string {
	text := r.Message
	if r.Detail != "" {
		text += " (" + r.Detail + ")"
	}
	if r.cause != nil {
		text += ": " + r.cause.Error()
	}
	return text
}

// Unwrap returns what [hub.ErrorOf] finds, and the cause.
func (r *Refusal) Unwrap() []error {
	public := &hub.Error{Code: r.code, Message: r.Message}
	if r.cause == nil {
		return []error{public}
	}
	return []error{public, r.cause}
}

// Expired reports whether a new token of the same kind would be accepted.
func (r *Refusal) Expired() bool { return r.code == hub.CodeExpired }

func refuse(check Check, format string, args ...any) *Refusal {
	return &Refusal{Check: check, Message: fmt.Sprintf(format, args...), code: hub.CodeUnauthenticated}
}

// detail adds what only the log is told.
func (r *Refusal) detail(format string, args ...any) *Refusal {
	r.Detail = fmt.Sprintf(format, args...)
	return r
}

func (r *Refusal) as(code hub.Code) *Refusal {
	r.code = code
	return r
}

// span writes a time between two moments as a person would say it.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	switch d = d.Abs(); {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Round(time.Second)/time.Second))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Round(time.Minute)/time.Minute))
	case d < 2*day:
		return fmt.Sprintf("%d h", int(d.Round(time.Hour)/time.Hour))
	default:
		return fmt.Sprintf("%d days", int(d.Round(day)/day))
	}
}

// Relative says when a time is, as seen from now: "in 5 min" or "3 h ago".
func Relative(t, now time.Time) string {
	if t.After(now) {
		return "in " + span(t.Sub(now))
	}
	return span(now.Sub(t)) + " ago"
}

// moment writes a time for the log.
func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// quoted lists texts, a few of them if there are many.
func quoted(list []string) string {
	const most = 8
	rest := ""
	if len(list) > most {
		rest = fmt.Sprintf(" and %d more", len(list)-most)
		list = list[:most]
	}
	texts := make([]string, len(list))
	for i, text := range list {
		texts[i] = fmt.Sprintf("%.64q", text)
	}
	return strings.Join(texts, ", ") + rest
}
