//go:build !race

package dialect

// ntfyBudget is in allocations for a notification with all that is usual.
const ntfyBudget = 20
