package hub

// Meter bounds how much somebody may publish. Its methods may be called from any
// goroutine, and don't block.
type Meter interface {
	// Charge is asked before each message that p publishes or schedules, size bytes of
	// Data, whether or not a grant covers it. The error, an [Error] of [CodeBusy], refuses it.
	Charge(p *Principal, size int) error
}

// Metered returns a with a meter, which counts for its sessions too. nil: nothing
// is charged.
func (a *Actor) Metered(m Meter) *Actor { return &Actor{hub: a.hub, principal: a.principal, meter: m} }

func (a *Actor) charge(m *Message) error {
	if a.meter == nil {
		return nil
	}
	return a.meter.Charge(a.principal, len(m.Data))
}
