package stream_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"fanfold/hub"
	"fanfold/hub/stream"
)

// BenchmarkPublish is 32 publishers to 100 channels by the default rule.
func BenchmarkPublish(b *testing.B) {
	for _, dir := range []string{"", b.TempDir()} {
		b.Run(fmt.Sprintf("files=%v", dir != ""), func(b *testing.B) {
			e, _ := open(b, stream.Config{Dir: dir})
			data := []byte(`"` + strings.Repeat("x", 126) + `"`)
			var n atomic.Int64
			b.SetParallelism(16)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					m := &hub.Message{Channel: fmt.Sprint("c.", n.Add(1)%100), Data: data}
					if _, err := e.Publish(context.Background(), m, hub.PublishOptions{}); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
