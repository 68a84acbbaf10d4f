package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// position asks the hub where its oldest message of channel a is.
func position(ctx context.Context, addr string) (epoch string, offset int, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/api/history", strings.NewReader(`{"channel":"a","limit":1}`))
	if err != nil {
		return "", 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", 0, err
	}
	defer response.Body.Close()
	var answer struct {
		Result struct {
			Epoch        string `json:"epoch"`
			Publications []struct {
				Offset int `json:"offset"`
			} `json:"publications"`
		} `json:"result"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return "", 0, fmt.Errorf("history: %w", err)
	}
	if len(answer.Result.Publications) == 0 {
		return "", 0, fmt.Errorf("history: nothing is there")
	}
	return answer.Result.Epoch, answer.Result.Publications[0].Offset, nil
}

// big is the payload that fills a store quickly, in bytes.
const big = 32 << 10

func restarted(bytes int) func(context.Context, *bench, server, string) (values, error) {
	return func(ctx context.Context, b *bench, s server, folder string) (values, error) {
		messages := b.scaled(bytes, 32<<20) / big
		_, err := with(ctx, s, folder, func(_ *process, t target) (values, error) {
			t.publishBody = strings.Replace(t.publishBody, `"a"`, `"s.{i}"`, 1)
			failed, err := publish(ctx, t, flood{messages: messages, publishers: 8, size: big, channels: 100})
			if err == nil && failed > 0 {
				err = fmt.Errorf("%d of %d publishes failed", failed, messages)
			}
			return nil, err
		})
		if err != nil {
			return nil, err
		}
		began := time.Now()
		return with(ctx, s, folder, func(_ *process, t target) (values, error) {
			for ctx.Err() == nil {
				response, err := http.Get("http://" + t.addr + "/ready")
				if err == nil {
					_, _ = io.Copy(io.Discard, response.Body)
					response.Body.Close()
					if response.StatusCode == http.StatusOK {
						return values{startTime.name: float64(time.Since(began).Microseconds()) / 1000}, nil
					}
				}
			}
			return nil, ctx.Err()
		})
	}
}
