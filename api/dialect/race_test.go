//go:build race

package dialect

// ntfyBudget is larger here: under the race detector a pool drops a quarter of what is put
// back, at random.
const ntfyBudget = 30
