package hub

// Meter bounds how much somebody may publish. Its methods may be called from any
// goroutine, and don't block.
type Meter interface {
	// Charge is asked before each message, whose Data has size bytes, is published or
	// scheduled. The error, an [Error] of [CodeBusy], refuses it.
	Charge(size int) error
}
