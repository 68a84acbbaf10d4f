//go:build race

package api_test

const idleStackBudget = 13 << 10 // the race detector's frames are larger
