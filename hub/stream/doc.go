// Package stream is the hub's engine: NATS JetStream, embedded in the process.
//
// # Subjects
//
//	in.<rule>.<channel>   what is to be stored; captured by the rule's stream
//	out.<channel>         what listeners hear: each stored message, republished by
//	                      the stream after it was stored, and each live one
//
//	at.<id>.<channel>     a message that waits for its time, in a stream of its own
//	key.<id>              there too: an idempotency key of scheduling was used
//
// There is one rule so far, "main". A hub listens on out.<channel> for channels
// that it has subscribers for, and on nothing else.
//
// # Promises
//
// A publish is acknowledged after the stream has written the message to the
// operating system: it survives the process being killed. The file system syncs to the disk
// every two minutes (the server's default), so that a power cut may take what came
// since.
//
// A channel keeps its newest Config.Messages of at most Config.Age. Position.Seq
// is the stream's sequence number, Position.Epoch is drawn when the stream is made and
// kept in its metadata. Removing a channel's history leaves a marker in its place, which
// readers skip: a position before it can't be recovered from.
//
// A message that is scheduled is published once for each time that it is due, even if the
// hub is killed in between; a live one may come twice then. Times that were missed while
// the hub was down are made up for by one publish at the start. The server could
// schedule too, but it writes down every two minutes when a repeated message is next, so that
// after a kill it would be published again or left out, and what the store refuses when
// it is due it would not try again before a restart.
//
// # Bounds
//
//	schedules   Config.MaxSchedules and scheduleBytes of messages that wait; more:
//	            CodeLimit. Their IDs, channels and times are in memory
//	inbox       Config.Inbox messages on their way to listeners; full: they are lost
//	            to the listener, which is told so
//	reads       maxReads at once, pageBytes each; more wait for their turn
//	requests    callTimeout for the store's answer to one
//
// # Goroutines
//
// The engine has two of its own: one hands every message to its listener, in
// the order of the stream; one publishes what was scheduled, each at its time. The server's and the client's are theirs; [Engine.Close]
// waits for all.
package stream
