package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// healthCommand asks a running hub; containers without curl use it.
type healthCommand struct {
	URL     string        `default:"http://127.0.0.1:1234" env:"FANFOLD_HEALTH_URL" help:"Where the hub is. Default: ${default}."`
	Timeout time.Duration `default:"3s" env:"FANFOLD_HEALTH_TIMEOUT" help:"How long to wait. Default: ${default}."`
}

// Run returns an error unless the hub is ready.
func (c *healthCommand) Run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL+"/ready", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("the hub does not answer: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 4096))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the hub is not ready: %s", body)
	}
	return nil
}
