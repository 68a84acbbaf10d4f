package api_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"fanfold/api"
	"fanfold/hub"

	"github.com/gorilla/websocket"
)

// The budgets count the allocations of the whole process: the hub's, the store's, the
// server's that runs in it, and the test's own few.
const (
	publishBudget = 120
	batchBudget   = 48 // a message of a hundred
	echoBudget    = 12
)

func TestAPublishOverHTTPKeepsItsBudget(t *testing.T) {
	checkBudget(t, "/api/publish", `{"channel":"a","data":"hello"}`, publishBudget)
	command := `{"publish":{"channel":"a","data":"hello"}}`
	checkBudget(t, "/api/batch", `{"commands":[`+strings.Repeat(command+",", 99)+command+`]}`, 100*batchBudget)
	checkBudget(t, "/a?lines=yes", strings.Repeat("hello\n", 100), 100*batchBudget)
}

func checkBudget(t *testing.T, path, body string, budget float64) {
	server, _ := serve(t, api.Config{})
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	reader := bufio.NewReader(conn)
	request := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%s", path, server.Listener.Addr(), len(body), body)
	if n := testing.AllocsPerRun(200, func() {
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		if response.StatusCode != http.StatusOK {
			t.Fatal(response.Status)
		}
		_, _ = io.Copy(io.Discard, response.Body)
	}); n > budget {
		t.Errorf("%s takes %v allocations: the budget is %v", path, n, budget)
	}
}

func TestAnEchoKeepsItsBudget(t *testing.T) {
	server, _ := serve(t, api.Config{})
	conn, _, err := websocket.DefaultDialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(server.URL, "http")+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	text := []byte("HELLO, STRAẞE")
	if n := testing.AllocsPerRun(500, func() {
		if err := conn.WriteMessage(websocket.TextMessage, text); err != nil {
			t.Fatal(err)
		}
		if _, _, err := conn.ReadMessage(); err != nil {
			t.Fatal(err)
		}
	}); n > echoBudget {
		t.Errorf("an echo takes %v allocations: the budget is %d", n, echoBudget)
	}
}

// TestAPublishKeepsItsBudget holds that of a publish that nobody carries over HTTP.
func TestAPublishKeepsItsBudget(t *testing.T) {
	_, h := serve(t, api.Config{})
	actor := h.Hub.As(&hub.Principal{Grant: hub.Everything()})
	const budget = 54
	if n := testing.AllocsPerRun(500, func() {
		if _, err := actor.Publish(t.Context(), &hub.Message{Channel: "a", Data: []byte("1")}, hub.PublishOptions{}); err != nil {
			t.Fatal(err)
		}
	}); n > budget {
		t.Errorf("a publish takes %v allocations: the budget is %d", n, budget)
	}
}

// idleHeapBudget is what an idle, subscribed connection may keep beside its stacks, with half
// a KB for the client's end.
const idleHeapBudget = 6656

func TestAnIdleConnectionKeepsItsBudget(t *testing.T) {
	const warm, clients = 50, 500
	server, _ := serve(t, api.Config{})
	open := func() {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		exchange(t, conn, "GET /connection/websocket HTTP/1.1\r\nHost: "+server.Listener.Addr().String()+
			"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", "\r\n\r\n")
		hello := `{"id":1,"connect":{}}` + "\n" + `{"id":2,"subscribe":{"channel":"a"}}`
		frame := append([]byte{0x81, 0x80 | byte(len(hello)), 0, 0, 0, 0}, hello...) // a mask of zeros leaves the text as it is
		exchange(t, conn, string(frame), `"subscribe":`)
	}
	kept := func() (heap, stacks int) {
		runtime.GC()
		runtime.GC() // the first one has emptied the pools
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc), int(m.StackInuse)
	}
	for range warm {
		open()
	}
	heap, stacks := kept()
	for range clients {
		open()
	}
	moreHeap, moreStacks := kept()
	heap, stacks = (moreHeap-heap)/clients, (moreStacks-stacks)/clients
	if t.Logf("an idle connection keeps %d bytes and stacks of %d", heap, stacks); heap > idleHeapBudget {
		t.Errorf("the budget of the heap is %d", idleHeapBudget)
	}
	if stacks > idleStackBudget {
		t.Errorf("the budget of the stacks is %d", idleStackBudget)
	}
}

// exchange sends what, and reads until the answer comes.
func exchange(t *testing.T, conn net.Conn, what, until string) {
	t.Helper()
	if _, err := io.WriteString(conn, what); err != nil {
		t.Fatal(err)
	}
	for all, part := "", make([]byte, 1<<10); !strings.Contains(all, until); {
		n, err := conn.Read(part)
		if err != nil {
			t.Fatalf("%v behind %q", err, all)
		}
		all += string(part[:n])
	}
}
