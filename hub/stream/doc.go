// Package stream is the hub's engine: NATS JetStream, embedded in the process.
//
// # Subjects
//
//	in.<rule>.<channel>   a message; all channels are in one stream, so that a pattern
//	                      over several rules has one order and one position
//	out.<n>.<channel>     what listeners hear: each stored message, republished by
//	                      the stream after it was stored, and each live one. n is a hash of
//	                      the rule and the channel: one of 4096 buckets
//	at.<id>.<channel>     a message that waits for its time, in a stream of its own
//	key.<id>              there too: an idempotency key of scheduling was used
//	mark.>                what must be remembered beside: the rules so far, up to where
//	                      bytes were trimmed, which channels are loose, what deleted
//	                      roll-ups had said, and the hubs' own records; a third stream
//
// A hub listens on out.<n>.> for the buckets that it has a channel with subscribers in,
// and on out.*.<pattern> for patterns. So a channel takes an entry in a map, where a subscription
// to it alone would take seven times as much in the server and the client. A message of another
// channel of the bucket is passed over.
//
// # Promises
//
// A publish is acknowledged after the stream has written the message to the
// operating system: it survives the process being killed. With [SyncInterval] all is written
// through to the disk every second, so that a power cut may take the last two seconds; with
// [SyncAlways] each message is before it is acknowledged.
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
// After a stop, the start reads those files alone that were written to since, or right before
// the stop, by the time that the system notes for each write. The others it reads when the hub runs
// already, for what the disk itself may have changed; that begins an epoch then.
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
// # What is kept
//
// The stream's own limits are the largest of all rules. A rule that keeps less is trimmed
// so:
//
//	Age        by a TTL that its messages are stored with, in whole seconds, rounded
//	           up. When it is lowered, what is stored already is looked after by the janitor
//	           until it is gone; when it is raised, that goes at the age it was stored with.
//	           An age of sweepFrom or more by the janitor, up to a minute late. The
//	           largest age of all is the stream's own bound
//	Messages   one: the new message takes the place of the others. More: by the janitor, once
//	           a channel has a quarter more, and ten at least; so many more there may be,
//	           and what is published until it comes to that channel
//	Bytes      by the janitor, oldest first, down to fifteen sixteenths; there may be a
//	           sixteenth more, and what is published until it has done so
//
// Config.MaxBytes is for the stream: beyond it the oldest message goes, whatever its channel.
// A message is trimmed by the rule whose name it was stored under, or if there is no such
// rule any more by the last one. A TTL of a message's own never keeps it for longer than the
// rule. Of a sequence the newest message stays, once it is acknowledged; a kill in between
// leaves both until the next one.
//
// A position is recovered from only if it is certain that nothing behind it was trimmed:
// neither age nor bytes have passed it, and its channel still has a message at or before it,
// or never was full, or begins with a roll-up that says that there was none in between. A
// channel is loose if messages went out of turn, by a TTL of their own, replaced, rolled up or
// removed: how many it has does not tell then whether it was full. What an owner
// asked to be gone so is not missed. For a position from before the rules were changed, the
// rules of all eras since then count. Removing a channel's history leaves a marker in its
// place, which readers skip: a position before it can't be recovered from.
//
// # Roll-ups and conditions
//
// A roll-up is stored, then the store removes what is before it under the same rule's name,
// and after that the engine what is under those of earlier rules. A kill in between leaves older
// messages in front of it, which whoever begins with the last roll-up passes over: they go with
// the next one, or when the publisher repeats it with its key. It carries the number of the
// message before it. A position at or behind that one is recovered from; one before it is not,
// also when the roll-up is deleted by its ID: what it says is kept as a mark then.
//
// The newest message of a channel, on which a publish can depend, is the newest that history
// shows, whatever rule it was stored under; not one that was removed, replaced or too old. The
// store compares in the moment in which it takes the new message. It looks at idempotency keys
// only after that, so that the engine asks it for the key before it answers with a conflict.
// A key is remembered over a restart as long as its message is stored: one that was rolled up,
// replaced or removed is known until then.
//
// # Schedules
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
//	inbox       Config.Inbox messages on their way to listeners; full: they are lost
//	            to the listeners, and all of the bucket are told so before anything behind them
//	reads       maxReads at once, pageBytes each; more wait for their turn. Of those that
//	            ask for the same page one reads, and the rest share the next read
//	sent ahead  a request's messages that wait for their answers, of all requests maxSentAhead
//	            and maxSentAheadBytes; more are stored one by one
//	requests    callTimeout for the store's answer to one; a publish is refused sooner if
//	            the guard finds out why it is not answered
//	probes      one stored message, one probe at a time, one a second
//	schedules   Config.MaxSchedules and scheduleBytes of messages that wait; more:
//	            CodeLimit. Their IDs, channels and times are in memory
//	marks       marksBytes; full: CodeFull for a TTL, sequence or roll-up in one more channel,
//	            and for records
//	records     recordInbox of a kind wait to be heard; full: found within recordsEvery
//	sequences   maxSequences in memory; of other channels maxSequenceScan messages
//	            are read for the next one
//	eras        maxEras; positions from before can't be recovered from
//
// # Goroutines
//
// The engine has four of its own: one hands every message to its listener, in
// the order of the stream; one publishes what was scheduled, each at its time; one, the
// janitor, trims rules; one, the guard, writes state.json and replaces the server after a
// fault. The two in the middle have a small one beside them that ends them, and so has one for
// each kind of records that somebody listens to. A fifth reads files after the start, and
// ends; so does one for each read that several readers wait for. The server's and the client's
// are theirs; [Engine.Close] waits for all.
package stream
