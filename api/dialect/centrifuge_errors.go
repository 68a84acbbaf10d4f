package dialect

import "fanfold/hub"

// The protocol's error codes, for clients and for the server API. 100, 111 and
// 113 are temporary: the client may try again.
const (
	errorInternal          = 100
	errorUnauthorized      = 101
	errorPermissionDenied  = 103
	errorMethodNotFound    = 104
	errorAlreadySubscribed = 105
	errorLimitExceeded     = 106
	errorBadRequest        = 107
	errorNotAvailable      = 108
	errorTokenExpired      = 109
	errorTooManyRequests   = 111
	errorUnrecoverable     = 112
	errorPagination        = 113
	errorConflict          = 412 // of those left to applications, which SDKs hand to the caller
)

// errorCodes maps the hub's codes to the protocol's.
var errorCodes = map[hub.Code]int{
	hub.CodeInternal:          errorInternal,
	hub.CodeBadRequest:        errorBadRequest,
	hub.CodeTooLarge:          errorLimitExceeded,
	hub.CodeUnauthenticated:   errorUnauthorized,
	hub.CodeExpired:           errorTokenExpired,
	hub.CodeDenied:            errorPermissionDenied,
	hub.CodeUnknownMethod:     errorMethodNotFound,
	hub.CodeAlreadySubscribed: errorAlreadySubscribed,
	hub.CodeLimit:             errorLimitExceeded,
	hub.CodeNotAvailable:      errorNotAvailable,
	hub.CodeUnrecoverable:     errorUnrecoverable,
	hub.CodeUnavailable:       errorInternal,
	hub.CodeFull:              errorInternal,
	hub.CodeClosed:            errorInternal,
	hub.CodeBusy:              errorTooManyRequests,
	hub.CodeConflict:          errorConflict,
}

// wireError is an error as the protocol writes it.
type wireError struct {
	code      int
	message   string
	temporary bool
}

// wireErrorOf translates err; what it tells is safe for anybody.
func wireErrorOf(err error) wireError {
	e := hub.ErrorOf(err)
	code, ok := errorCodes[e.Code]
	if !ok {
		code = errorInternal
	}
	return wireError{code: code, message: e.Message, temporary: isTemporary(code)}
}

func isTemporary(code int) bool {
	return code == errorInternal || code == errorTooManyRequests || code == errorPagination
}
