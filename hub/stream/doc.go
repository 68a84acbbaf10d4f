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
// operating system: it survives the process being killed. The file system syncs to the disk
// every two minutes (the server's default), so that a power cut may take what came
// since.
//
// A channel keeps its newest Config.Messages of at most Config.Age. Position.Seq
// is the stream's sequence number, Position.Epoch is drawn when the stream is made and
// kept in its metadata. Removing a channel's history leaves a marker in its place, which
// readers skip: a position before it can't be recovered from.
//
// # Bounds
//
//	inbox       Config.Inbox messages on their way to listeners; full: they are lost
//	            to the listener, which is told so
//	reads       maxReads at once, pageBytes each; more wait for their turn
//	requests    callTimeout for the store's answer to one
//
// # Goroutines
//
// The engine has one of its own, which hands every message to its listener, in
// the order of the stream. The server's and the client's are theirs; [Engine.Close]
// waits for all.
package stream
