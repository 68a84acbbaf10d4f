package api

import (
	"fanfold/api/dialect"

	"github.com/gin-gonic/gin"
)

// Routes are all that there are.
func (a *API) Routes() gin.RoutesInfo { return a.router.Routes() }

// ServerMethods are those of the server API.
func ServerMethods() []string { return dialect.ServerMethods() }
