// Package characters finds Unicode characters by what people type of their names.
//
// It is what a search backend is to an application: [Searcher] is all that the rest knows
// of it, and [Index] is one on github.com/blevesearch/bleve, in memory.
package characters
