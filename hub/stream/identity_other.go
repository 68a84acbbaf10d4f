//go:build !unix

package stream

// identity tells a folder from its copies; 0: it can't be told.
func identity(string) uint64 { return 0 }
