// Package stream is the hub's engine: NATS JetStream, embedded in the process.
//
// # Subjects
//
//	in.<rule>.<channel>   what is to be stored; captured by the rule's stream
//	out.<channel>         what listeners hear: each stored message, republished by
//	                      the stream after it was stored, and each live one
//
// There is one rule so far, "main". A hub listens on out.<channel> for channels
// that it has subscribers for, and on nothing else.
//
// # Promises
//
// A publish is acknowledged after the stream has written the message to the
// operating system: it survives the process being killed. With [SyncInterval] all is written
// through to the disk every second, so that a power cut may take the last two seconds; with
// [SyncAlways] each message is before it is acknowledged.
//
// A channel keeps its newest Config.Messages of at most Config.Age. Removing a channel's
// history leaves a marker in its place, which readers skip: a position before it can't be
// recovered from.
//
// Position.Seq is the stream's sequence number, Position.Epoch the current epoch, in which
// alone positions can be recovered from. A new epoch begins when something acknowledged is missing or
// may be: numbers go on from what is left, and could otherwise be taken for others. The
// file state.json in the data folder says what the store had reached, how its files were, which
// machine ran it since when, and in which folder; so these are told from a store that is
// whole: files that are missing, cut off or changed, a power cut with SyncInterval, a copy or a
// backup, and a state.json that is missing or can't be read itself, in doubt. A message keeps the
// ID that it got in its own epoch.
//
// The server leaves out of its answers what it can't read, and cuts off a file that it
// finds damaged. Readers count what they get, and the guard looks at the files: damage found while
// the hub runs begins an epoch too, within two seconds.
//
// While the store can't be written to, publishes fail at once with the reason. Live
// messages and history go on as far as the server does. Every second the guard tries whether it can
// write; then it replaces the server, since a failed write stays failed in it, and
// listeners are told that messages may be lost to them.
//
// # Bounds
//
//	inbox       Config.Inbox messages on their way to listeners; full: they are lost
//	            to the listener, which is told so before anything behind them
//	reads       maxReads at once, pageBytes each; more wait for their turn
//	requests    callTimeout for the store's answer to one; a publish is refused sooner if
//	            the guard finds out why it is not answered
//	probes      one stored message, one probe at a time, one a second
//
// # Goroutines
//
// The engine has two of its own: one hands every message to its listener, in
// the order of the stream; the guard writes state.json, and replaces the server after a fault. The server's and the client's are theirs; [Engine.Close]
// waits for all.
package stream
