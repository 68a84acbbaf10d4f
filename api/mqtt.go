package api

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"fanfold/api/access"
	"fanfold/api/device"
	"fanfold/api/dialect"
	"fanfold/hub"
)

// devices are the clients that speak MQTT, over whatever.
type devices struct {
	mqtt     *dialect.MQTT // static, as is the rest but for the counters
	sessions *device.Sessions
	retained *device.Retained

	refusals ration // that the log is told of
	refused  atomic.Int64
}

// openDevices takes over what devices have left behind.
func (a *API) openDevices(ctx context.Context) (err error) {
	d := &a.devices
	logger := a.config.Logger
	if d.sessions, err = device.Open(ctx, a.config.Hub, device.Config{Hub: a.everybody, Logger: logger}); err != nil {
		return fmt.Errorf("load the sessions of devices: %w", err)
	}
	if d.retained, err = device.OpenRetained(ctx, a.config.Hub, a.everybody, logger); err != nil {
		d.sessions.Close()
		return fmt.Errorf("load the retained messages of devices: %w", err)
	}
	d.mqtt = dialect.NewMQTT(dialect.MQTTConfig{
		Sessions: d.sessions, Retained: d.retained, Store: a.everybody, Now: time.Now, Tokens: a.tokens(),
		NewLock:         func() dialect.Locker { return new(sync.Mutex) },
		MaxPayloadBytes: a.config.MaxTextBytes, MaxExpiry: a.config.MQTTExpiry, Refused: a.refusedDevice,
	})
	return nil
}

func (d *devices) close() {
	d.sessions.Close()
	d.retained.Close()
}

// refusedDevice tells the log why something was refused, since older clients are not
// told. What a credential, a grant or a limit does not allow it is told of already.
func (a *API) refusedDevice(client, what string, err error) {
	a.devices.refused.Add(1)
	if _, told := errors.AsType[*access.Refusal](err); told || errors.Is(err, hub.ErrNotGranted) || isLimited(err) || errors.Is(err, context.Canceled) {
		return
	}
	if tell, omitted := a.devices.refusals.next(time.Now()); tell {
		a.config.Logger.Warn("a device was refused something", "mqtt_client", client, "what", what, "reason", reasonText(err), "omitted", omitted)
	}
}

// reasonText is an error as the log is told of it: one of the hub's own with its cause.
func reasonText(err error) string {
	if e := hub.ErrorOf(err); e.Code == hub.CodeInternal && e.Err != nil {
		return e.Err.Error()
	}
	return err.Error()
}

// deviceStats are the counters of the devices.
type deviceStats struct {
	device.Stats
	retained int
	refused  int64
}

func (d *devices) stats() deviceStats {
	return deviceStats{d.sessions.Stats(), d.retained.Count(), d.refused.Load()}
}
