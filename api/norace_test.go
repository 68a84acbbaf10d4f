//go:build !race

package api_test

// idleStackBudget is for the reader's and the writer's.
const idleStackBudget = 7 << 10
