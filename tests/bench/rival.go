package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/olahol/melody"
)

// serveRival is a server that the hub is measured beside, in a process of its own.
func serveRival(ctx context.Context, name string) error {
	gin.SetMode(gin.ReleaseMode)
	r, m := gin.New(), melody.New()
	switch name {
	case "broadcast": // melody as its README shows it, with its defaults
		r.GET("/ws", func(c *gin.Context) { _ = m.HandleRequest(c.Writer, c.Request) })
		r.POST("/publish", func(c *gin.Context) {
			body, err := io.ReadAll(c.Request.Body)
			if err == nil {
				err = m.Broadcast(body)
			}
			if err != nil {
				c.Status(http.StatusInternalServerError)
			}
		})
	case "echo":
		r.GET("/ws", func(c *gin.Context) { _ = m.HandleRequest(c.Writer, c.Request) })
		m.HandleMessage(func(s *melody.Session, text []byte) { _ = s.Write(text) })
	default:
		return fmt.Errorf("there is no rival %q", name)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: r}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	fmt.Println("listening on", listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// The other rivals' programs: they need nchan (libnginx-mod-nchan) and nginx, socket.io
// (npm install in this folder) and node, python3-websockets and python3.
var (
	//go:embed rivals/nchan.conf
	nchanConfig string
	//go:embed rivals/socketio.mjs
	socketIO string
	//go:embed rivals/casefold.py
	casefoldServer string
)
