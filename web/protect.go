package web

import (
	"net/http"
	"strings"
)

// policy lets the page load its own files and reach its own hub, and nothing
// else; nobody may frame it. A script can't be made of text: of Trusted Types the page
// has only the address of its service worker. A notification's icon is not shown, as its address would tell whoever sent it who
// reads it and when.
var policy = strings.Join([]string{
	"default-src 'none'",
	"script-src 'self'",
	"worker-src 'self'",
	"style-src 'self'",
	"img-src 'self'",
	"connect-src 'self'", // WebSockets of the same host and port too
	"form-action 'self'",
	"base-uri 'none'",
	"frame-ancestors 'none'",
	"require-trusted-types-for 'script'",
	"trusted-types service-worker",
}, "; ")

// permissions gives up what the page has no use for, whatever runs in it.
var permissions = strings.Join([]string{
	"accelerometer=()", "camera=()", "display-capture=()", "geolocation=()", "gyroscope=()", "magnetometer=()",
	"microphone=()", "midi=()", "payment=()", "publickey-credentials-get=()", "screen-wake-lock=()", "usb=()",
}, ", ")

// protect sets the headers that keep other sites out of the page, and the page
// from telling them anything.
func protect(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", permissions)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY") // for browsers that know no frame-ancestors
}
