package api

import (
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
)

// Bridge is how a bridge to a message broker does.
type Bridge struct {
	Name      string    `json:"name"`
	Broker    string    `json:"broker"` // its address, without any secret
	Connected bool      `json:"connected"`
	Since     time.Time `json:"since"`           // when it was connected, or when it was not any more
	Error     string    `json:"error,omitempty"` // the last one since it last went well
	In        int64     `json:"in"`              // messages that were taken from the broker
	Out       int64     `json:"out"`             // messages that the broker has acknowledged
	// Refused are messages that the other side will never take, by direction.
	RefusedIn  int64 `json:"refused_in"`
	RefusedOut int64 `json:"refused_out"`
	// Lag is the age in seconds of the oldest message that the broker has not acknowledged.
	Lag float64 `json:"lag"`
}

// bridges returns how the bridges do for somebody with the admin grant; nil for others,
// or if there are none.
func (a *API) bridges(c *gin.Context) []Bridge {
	p := a.actor(c).Principal()
	if a.config.Bridges == nil || p == nil || !p.Grant.Admin {
		return nil
	}
	return a.config.Bridges()
}

// What monitors are told of bridges.
var (
	bridgeConnectedDesc = bridgeDesc("fanfold_bridge_connected", "1 if the bridge is connected to its broker, else 0.")
	bridgeLagDesc       = bridgeDesc("fanfold_bridge_lag_seconds", "Age of the oldest message that the broker has not acknowledged; 0: there is none.")
	bridgeMessagesDesc  = bridgeDesc("fanfold_bridge_messages_total", "Messages that were stored (in) or that the broker has acknowledged (out).", "direction")
	bridgeRefusedDesc   = bridgeDesc("fanfold_bridge_refused_total", "Messages that the hub (in) or the broker (out) will never take.", "direction")
)

func bridgeDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, append([]string{"bridge"}, labels...), nil)
}

func describeBridges(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{bridgeConnectedDesc, bridgeLagDesc, bridgeMessagesDesc, bridgeRefusedDesc} {
		to <- d
	}
}

func (b Bridge) collect(to chan<- prometheus.Metric) {
	connected := 0.0
	if b.Connected {
		connected = 1
	}
	to <- prometheus.MustNewConstMetric(bridgeConnectedDesc, prometheus.GaugeValue, connected, b.Name)
	to <- prometheus.MustNewConstMetric(bridgeLagDesc, prometheus.GaugeValue, b.Lag, b.Name)
	for _, r := range []struct {
		desc      *prometheus.Desc
		direction string
		n         int64
	}{
		{bridgeMessagesDesc, "in", b.In}, {bridgeMessagesDesc, "out", b.Out},
		{bridgeRefusedDesc, "in", b.RefusedIn}, {bridgeRefusedDesc, "out", b.RefusedOut},
	} {
		to <- prometheus.MustNewConstMetric(r.desc, prometheus.CounterValue, float64(r.n), b.Name, r.direction)
	}
}
