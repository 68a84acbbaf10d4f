//go:build unix

package api

import (
	"errors"
	"syscall"
)

const canWriteNow = true

// init makes do. The descriptor does not block, as all of package net's.
func (a *attempt) init() {
	a.do = func(fd uintptr) {
		for {
			if a.n, a.err = syscall.Write(int(fd), a.frame); !errors.Is(a.err, syscall.EINTR) {
				a.n = max(a.n, 0)
				return
			}
		}
	}
}
