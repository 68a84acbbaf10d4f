package characters

import "context"

// Searcher finds characters as they are typed. A backend elsewhere, such as
// Elasticsearch, can take the place of [Index] by implementing it.
//
// Search answers within the time of its ctx or returns ctx's error, soon after ctx has
// ended. It returns at most q.Limit results, best first, and always the same for the
// same query, so that a list does not jump. The text is what somebody typed: every
// character in it stands for itself, and none is an operator. Nothing found is no error.
//
// Search may be called from any goroutine, also while others do. Close waits for the
// searches under way; none may follow it.
type Searcher interface {
	Search(ctx context.Context, q Query) (Answer, error)
	Close() error
}

// Query is what is asked for.
type Query struct {
	Text  string // at most [MaxText] bytes, else the rest of it is not looked at
	Limit int    // how many results at most; 1 to [MaxLimit], else the nearest of them
}

// Bounds of a [Query]. The longest name of a character has 88 letters.
const (
	MaxText  = 200
	MaxLimit = 50
)

// Answer is what was found.
type Answer struct {
	Results []Result
	Total   int // of all that match, also beyond the limit
}

// Result is one character.
type Result struct {
	Char rune
	Name string   // as [NameOf] gives it
	Hits [][2]int // which parts of the name were typed: first byte and the one behind the last, in order
}
