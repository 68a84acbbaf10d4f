package stream

import (
	"fmt"
	"os"
	"syscall"
	"time"
)

// stampOf returns what a file has another one of after every write, and after it was
// replaced, restored or copied: its number and the time of its last change, which
// the system sets and nobody else can (inode(7), st_ctime). changed is that time. "": it
// has none.
func stampOf(info os.FileInfo) (stamp string, changed time.Time) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "", time.Time{}
	}
	changed = time.Unix(stat.Ctim.Unix())
	return fmt.Sprintf("%d.%d", stat.Ino, changed.UnixNano()), changed
}
