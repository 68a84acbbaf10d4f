//go:build unix

package stream

import (
	"os"
	"syscall"
)

// identity tells a folder from its copies; 0: it can't be told.
func identity(path string) uint64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(stat.Ino)
	}
	return 0
}
