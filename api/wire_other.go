//go:build !unix

package api

// canWriteNow: elsewhere each message waits in a goroutine of its own.
const canWriteNow = false

func (a *attempt) init() {}
