package api_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"fanfold/api"
)

// BenchmarkPublish publishes 128 bytes over HTTP from 16 connections that wait for
// each answer; the requests are written by hand, so that they cost little.
func BenchmarkPublish(b *testing.B) {
	server, _ := serve(b, api.Config{})
	body := fmt.Sprintf(`{"channel":"a","data":"%s"}`, strings.Repeat("x", 128))
	request := fmt.Sprintf("POST /api/publish HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nUser-Agent: Go-http-client/1.1\r\nAccept-Encoding: gzip\r\n\r\n%s",
		server.Listener.Addr(), len(body), body)
	b.ReportAllocs()
	b.SetParallelism(8)
	var failed atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			failed.Add(1)
			return
		}
		defer conn.Close()
		reader := bufio.NewReader(conn)
		for pb.Next() {
			if _, err := io.WriteString(conn, request); err != nil {
				failed.Add(1)
				return
			}
			response, err := http.ReadResponse(reader, nil)
			if err != nil || response.StatusCode != http.StatusOK {
				failed.Add(1)
				return
			}
			_, _ = io.Copy(io.Discard, response.Body)
		}
	})
	if n := failed.Load(); n > 0 {
		b.Fatalf("%d publishers failed", n)
	}
}

// BenchmarkBatch publishes 128 bytes a hundred times in each request, from 4 connections.
// Its time is for one message.
func BenchmarkBatch(b *testing.B) {
	const commands = 100
	server, _ := serve(b, api.Config{})
	command := fmt.Sprintf(`{"publish":{"channel":"a","data":"%s"}}`, strings.Repeat("x", 128))
	body := `{"commands":[` + strings.Repeat(command+",", commands-1) + command + `]}`
	var next atomic.Int64
	b.ReportAllocs()
	b.SetParallelism(2)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if next.Add(1)%commands != 0 {
				continue
			}
			response, err := http.Post(server.URL+"/api/batch", "application/json", strings.NewReader(body))
			if err != nil {
				b.Error(err)
				return
			}
			reply, err := io.ReadAll(response.Body)
			response.Body.Close()
			if err != nil || response.StatusCode != http.StatusOK || strings.Contains(string(reply), `"error"`) {
				b.Errorf("%s: %v: %.200s", response.Status, err, reply)
				return
			}
		}
	})
}
