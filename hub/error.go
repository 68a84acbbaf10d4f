package hub

import (
	"errors"
	"fmt"
)

// Code says what kind of thing went wrong; each protocol maps it to its own
// number or status in one table.
type Code int

// The codes, each with who returns it.
const (
	// CodeInternal: anything that is the hub's own fault. The zero value.
	CodeInternal Code = iota
	// CodeBadRequest: a name, number or text that no retry can make right.
	CodeBadRequest
	// CodeTooLarge: a message over the configured size.
	CodeTooLarge
	// CodeUnauthenticated: the caller's credential is missing or was not accepted.
	CodeUnauthenticated
	// CodeExpired: the caller's credential was good once; a new one will be accepted.
	CodeExpired
	// CodeDenied: the caller may not do this.
	CodeDenied
	// CodeUnknownMethod: a call to a method that does not exist.
	CodeUnknownMethod
	// CodeAlreadySubscribed: the session has this subscription already.
	CodeAlreadySubscribed
	// CodeLimit: a bound on the number of things was reached.
	CodeLimit
	// CodeNotAvailable: the feature is switched off here.
	CodeNotAvailable
	// CodeUnrecoverable: history does not reach back to the position asked for,
	// or the position is of another incarnation of the store.
	CodeUnrecoverable
	// CodeUnavailable: the engine can't serve now; the caller may try again.
	CodeUnavailable
	// CodeFull: the store has no room for a message.
	CodeFull
	// CodeClosed: the session or the hub is closed.
	CodeClosed
	// CodeBusy: the caller has used up what it may for now, see [Meter]; it may try
	// again later.
	CodeBusy
	// CodeConflict: a condition of the caller's does not hold any more, see
	// [PublishOptions]; it may look at what changed, and try again.
	CodeConflict
)

// Error is an error whose Message may be shown to the client. Err, if any, is
// the cause, for the log alone.
type Error struct {
	Code    Code
	Message string
	Err     error
}

// ErrShutdown is what whoever comes while the hub shuts down is told: nothing has
// failed. It is an [Error] of [CodeUnavailable].
var ErrShutdown error = Errorf(CodeUnavailable, "the hub is shutting down: come back in a moment")

// Errorf returns an [Error] for the client.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Error returns the message, then the cause.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.Message
	}
	return e.Message + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// ErrorOf returns the [Error] in err's chain. An error without one becomes
// [CodeInternal], with a message that tells the client nothing of the inside.
func ErrorOf(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Code: CodeInternal, Message: "internal error: the hub's log has the cause", Err: err}
}
