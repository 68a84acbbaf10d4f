package api

import (
	"time"

	"fanfold/api/dialect"

	"github.com/gin-gonic/gin"
)

// Routes are all that there are.
func (a *API) Routes() gin.RoutesInfo { return a.router.Routes() }

// ServerMethods are those of the server API.
func ServerMethods() []string { return dialect.ServerMethods() }

// PingEvery is the time between pings of a client.
const PingEvery = pingEvery

// Pulse pings the clients that are due at a time.
func (a *API) Pulse(now time.Time) { a.pulse(now) }
